// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../../src/interfaces/ILightClient.sol";
import {CompactProof} from "../../../src/libraries/CompactProof.sol";
import {BftHeader} from "../../../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../../../src/light_clients/bft/BftLightClient.sol";
import {BftTrust} from "../../../src/light_clients/bft/BftTrust.sol";
import {LightClient} from "../../../src/light_clients/shared/LightClient.sol";
import {Block, Form} from "./support/BftChain.sol";
import {BftClientTest} from "./support/BftClientTest.sol";

/// @title Who has to have sealed a header that a proof rests on, and when (docs/reference/wire-formats.md §6.2).
contract BftStorageAtTest is BftClientTest {
    BftHeader.Kind internal constant QBFT = BftHeader.Kind.QBFT;
    BftHeader.Kind internal constant IBFT2 = BftHeader.Kind.IBFT2;

    // ------------------------------------------------------------------------------------------------ quorum

    /// @dev ceil(2n / 3) and one less, the first members and the last ones, for both kinds.
    function test_INV7_quorumOfEverySize() public {
        for (uint256 count = 1; count <= 25; ++count) {
            _quorumBoundary(QBFT, count);
            _quorumBoundary(IBFT2, count);
        }
    }

    function _quorumBoundary(BftHeader.Kind kind, uint256 count) private {
        uint256[] memory keys = keysOf(count, count);
        BftLightClient client = deploy(kind, keys);
        Block memory b = provingBlock(kind, keys);
        uint256 needed = ceilTwoThirds(count);
        assertEq(client.quorum(count), needed);

        assertProves(client, proofBy(b, keys, first(needed)), b);
        assertProves(client, proofBy(b, keys, first(needed) << (count - needed)), b);
        assertProves(client, proofBy(b, keys, first(count)), b);
        assertRejected(client, proofBy(b, keys, first(needed - 1)), quorumNotReached(needed - 1, needed));
        assertRejected(
            client, proofBy(b, keys, first(needed - 1) << (count - needed + 1)), quorumNotReached(needed - 1, needed)
        );
    }

    /// @dev The most members that a header can list, and a mask of 32 bytes.
    function test_INV7_quorumOf255() public {
        uint256[] memory keys = keysOf(255, 255);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        assertProves(client, proofBy(b, keys, first(170) << 85), b);
        assertRejected(client, proofBy(b, keys, first(169)), quorumNotReached(169, 170));
    }

    /// @dev Any subset of validators proves exactly when it is large enough.
    /// forge-config: default.fuzz.runs = 200
    function testFuzz_INV7_anySubset(uint256 count, uint256 sealers) public {
        count = 1 + count % 10;
        sealers &= first(count);
        uint256[] memory keys = keysOf(1, count);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        bytes memory proof = proofBy(b, keys, sealers);
        uint256 found;
        for (uint256 i = 0; i < count; ++i) {
            found += sealers >> i & 1;
        }
        if (3 * found >= 2 * count) assertProves(client, proof, b);
        else assertRejected(client, proof, quorumNotReached(found, ceilTwoThirds(count)));
    }

    // ------------------------------------------------------------------------------------------------ seals

    /// @dev One seal, five times over: each bit wants the seal of its own validator.
    function test_INV7_duplicateSigner() public {
        uint256[] memory keys = keysOf(1, 7);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        uint256[] memory copies = keysOf(1, 7);
        for (uint256 i = 0; i < 7; ++i) {
            copies[i] = keys[0];
        }
        bytes memory proof = proofBy(b, copies, first(5));
        assertRejected(client, proof, sealRejected(1, vm.addr(keys[0]), vm.addr(keys[1])));
    }

    function test_INV7_foreignSigner() public {
        uint256[] memory keys = keysOf(1, 7);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        uint256[] memory signers = keysOf(1, 7);
        signers[3] = keyOf(99, 3);
        assertRejected(client, proofBy(b, signers, first(5)), sealRejected(3, vm.addr(signers[3]), vm.addr(keys[3])));
        // Nor does a foreign seal do beside a quorum of good ones.
        assertRejected(client, proofBy(b, signers, first(7)), sealRejected(3, vm.addr(signers[3]), vm.addr(keys[3])));
    }

    /// @dev r = s = 0, r beyond the curve, s = 0: ecrecover answers nothing, and its last answer must not be taken for one.
    function test_INV7_whatIsNoSignature() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        bytes memory proof = proofBy(b, keys, first(3));
        assertProves(client, proof, b);
        uint256 lastSeal = proof.length - 64;
        bytes32[4] memory r = [bytes32(0), bytes32(type(uint256).max), _wordAt(proof, lastSeal), bytes32(0)];
        bytes32[4] memory s = [bytes32(0), _wordAt(proof, lastSeal + 32), bytes32(0), bytes32(uint256(1) << 255)];
        bytes memory reason = sealRejected(2, address(0), vm.addr(keys[2]));
        for (uint256 i = 0; i < 4; ++i) {
            assertRejected(client, _withLastSeal(proof, r[i], s[i]), reason);
        }
    }

    function _withLastSeal(bytes memory proof, bytes32 r, bytes32 s) private pure returns (bytes memory other) {
        other = bytes.concat(proof);
        _setWord(other, other.length - 64, r);
        _setWord(other, other.length - 32, s);
    }

    /// @dev A zero address in the list would be what a failed ecrecover seems to answer.
    function test_INV7_zeroSigner() public {
        uint256[] memory keys = keysOf(1, 3);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        b.validators = new address[](3);
        Form memory form;
        form.withoutStateRoot = true;
        bytes memory proof = bytes.concat(hex"00", inclusion, wire(b, form), hex"07", new bytes(3 * 64));
        assertRejected(
            client,
            proof,
            abi.encodeWithSelector(
                BftTrust.NotTrustedSet.selector, setHashOf(b.validators), setHashOf(addressesOf(keys))
            )
        );
    }

    /// @dev The other half of a signature's twin: r, n - s, other parity. Its s needs the bit that the parity has, so it can
    /// only be sent cut, and recovers to somebody else.
    function test_INV7_highS() public {
        uint256[] memory keys = keysOf(1, 1);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        bytes memory proof = proofBy(b, keys, 1);
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        uint256 word = uint256(_wordAt(proof, proof.length - 32));
        uint256 twin = order - (word & (type(uint256).max >> 1));
        for (uint256 parity = 0; parity < 2; ++parity) {
            bytes memory bad = bytes.concat(proof);
            _setWord(bad, bad.length - 32, bytes32((twin & (type(uint256).max >> 1)) | (parity << 255)));
            vm.expectPartialRevert(BftHeader.SealRejected.selector);
            client.storageAt(bad, ACCOUNT, SLOT);
        }
    }

    function test_INV7_sealOfAnotherBlock() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        Block memory other = provingBlock(QBFT, keys);
        other.timestamp += 1;
        Form memory form;
        form.withoutStateRoot = true;
        bytes memory proof = bytes.concat(hex"00", inclusion, wire(b, form), sealsBy(other, keys, first(3)));
        vm.expectPartialRevert(BftHeader.SealRejected.selector);
        client.storageAt(proof, ACCOUNT, SLOT);
    }

    /// @dev A bit beyond the list has no validator; the mask's spare bits are no room for anything.
    function test_INV7_bitBeyondTheList() public {
        uint256[] memory keys = keysOf(1, 7);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        Form memory form;
        form.withoutStateRoot = true;
        bytes memory head = bytes.concat(hex"00", inclusion, wire(b, form));
        bytes memory seals = sealsBy(b, keys, first(6));
        seals[0] = bytes1(uint8(first(6) | 0x80));
        bytes memory proof = bytes.concat(head, seals);
        vm.expectRevert(abi.encodeWithSelector(BftHeader.HeaderMalformed.selector, 132 + head.length));
        client.storageAt(proof, ACCOUNT, SLOT);
    }

    // ------------------------------------------------------------------------------------------------ sets

    /// @dev A header declares its own set: the attacker's, all of whom sealed.
    function test_INV7_selfDeclaredSet() public {
        uint256[] memory keys = keysOf(1, 7);
        uint256[] memory attackers = keysOf(66, 7);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, attackers);
        assertRejected(client, proofBy(b, attackers, first(7)), notTrusted(attackers, keys));
    }

    /// @dev Less than a quorum of trusted keys, declared as the whole set.
    function test_INV7_selfDeclaredSubsets() public {
        uint256[] memory keys = keysOf(1, 7);
        BftLightClient client = deploy(QBFT, keys);
        for (uint256 count = 1; count < 7; ++count) {
            uint256[] memory some = keysOf(1, count);
            Block memory b = provingBlock(QBFT, some);
            assertRejected(client, proofBy(b, some, first(count)), notTrusted(some, keys));
        }
        // A third of the trusted keys and friends.
        uint256[] memory mixed = keysOf(66, 7);
        for (uint256 i = 0; i < 3; ++i) {
            mixed[i] = keys[i];
        }
        Block memory m = provingBlock(QBFT, mixed);
        assertRejected(client, proofBy(m, mixed, first(7)), notTrusted(mixed, keys));
    }

    /// @dev The trusted members in another order are another list, which no block of the chain has.
    function test_INV7_otherOrder() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        uint256[] memory swapped = keysOf(1, 4);
        (swapped[0], swapped[1]) = (swapped[1], swapped[0]);
        Block memory b = provingBlock(QBFT, swapped);
        assertRejected(client, proofBy(b, swapped, first(4)), notTrusted(swapped, keys));
    }

    /// @dev Seals for one kind are none for the other: the hash that is sealed has another extraData.
    function test_INV7_otherKind() public {
        uint256[] memory keys = keysOf(1, 4);
        for (uint256 i = 0; i < 2; ++i) {
            BftLightClient client = deploy(BftHeader.Kind(i), keys);
            Block memory b = provingBlock(BftHeader.Kind(1 - i), keys);
            bytes memory proof = proofBy(b, keys, first(4));
            vm.expectPartialRevert(BftHeader.SealRejected.selector);
            client.storageAt(proof, ACCOUNT, SLOT);
        }
    }

    // ------------------------------------------------------------------------------------------------ state

    function test_INV1_wordsThatAreNotThere() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        bytes memory proof = bytes.concat(hex"00", exclusion, sealedWithoutRoot(b, keys, first(3)));
        (bytes32 value, uint64 height, uint64 timestamp) = client.storageAt(proof, ACCOUNT, ABSENT_SLOT);
        assertEq(value, bytes32(0));
        assertEq(height, b.number);
        assertEq(timestamp, b.timestamp);
    }

    /// @dev A proof is of one slot of one account: for another it leads to another root, which nobody sealed.
    function test_INV1_otherSlotOrAccount() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        bytes memory proof = proofBy(provingBlock(QBFT, keys), keys, first(3));
        // Another key may also take a branch where the proof has a sibling, and is told so.
        assertTrue(_isRejected(client, proof, ACCOUNT, ABSENT_SLOT));
        for (uint160 i = 1; i <= 40; ++i) {
            assertTrue(_isRejected(client, proof, address(i), SLOT));
        }
        bytes memory absence = bytes.concat(hex"00", exclusion, sealedWithoutRoot(provingBlock(QBFT, keys), keys, 7));
        assertTrue(_isRejected(client, absence, ACCOUNT, SLOT));
    }

    function _isRejected(BftLightClient client, bytes memory proof, address account, bytes32 slot)
        private
        view
        returns (bool)
    {
        try client.storageAt(proof, account, slot) {
            return false;
        } catch (bytes memory reason) {
            bytes4 selector = bytes4(reason);
            return selector == BftHeader.SealRejected.selector || selector == CompactProof.ProofMalformed.selector;
        }
    }

    function test_INV1_stateOfAnotherBlock() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        b.stateRoot = keccak256("another state");
        bytes memory proof = proofBy(b, keys, first(4));
        vm.expectPartialRevert(BftHeader.SealRejected.selector);
        client.storageAt(proof, ACCOUNT, SLOT);
    }

    // ------------------------------------------------------------------------------------------------ time

    function test_INV7_clockDrift() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        b.timestamp = NOW + CLOCK_DRIFT;
        assertProves(client, proofBy(b, keys, first(3)), b);
        b.timestamp = NOW + CLOCK_DRIFT + 1;
        bytes memory early = proofBy(b, keys, first(3));
        assertRejected(
            client,
            early,
            abi.encodeWithSelector(LightClient.TimestampInFuture.selector, b.timestamp, NOW + CLOCK_DRIFT)
        );
        vm.warp(NOW + 1);
        assertProves(client, early, b);
    }

    function test_INV7_trustingPeriod() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        bytes memory proof = proofBy(b, keys, first(3));
        vm.warp(uint256(TRUSTED_TIME) + TRUSTING_PERIOD);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Active));
        assertProves(client, proof, b);
        vm.warp(uint256(TRUSTED_TIME) + TRUSTING_PERIOD + 1);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Expired));
        assertRejected(
            client, proof, abi.encodeWithSelector(ILightClient.NotActive.selector, ILightClient.Status.Expired)
        );
    }

    /// @dev Heads and set bits only grow, so that what an older header proves is still true.
    function test_olderHeader() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        b.number = 1;
        b.timestamp = 1_000_000_000;
        assertProves(client, proofBy(b, keys, first(3)), b);
    }

    // ------------------------------------------------------------------------------------------------ form

    function test_unknownForm() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        bytes memory proof = proofBy(provingBlock(QBFT, keys), keys, first(3));
        for (uint256 form = 2; form < 256; form = form * 2 + 1) {
            proof[0] = bytes1(uint8(form));
            assertRejected(client, proof, abi.encodeWithSelector(LightClient.FormUnknown.selector, form));
        }
    }

    function test_leftOver() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        bytes memory proof = proofBy(provingBlock(QBFT, keys), keys, first(3));
        assertRejected(
            client,
            bytes.concat(proof, hex"00"),
            abi.encodeWithSelector(LightClient.LengthMismatch.selector, proof.length + 1, proof.length)
        );
    }

    function test_empty() public {
        BftLightClient client = deploy(QBFT, keysOf(1, 4));
        vm.expectPartialRevert(CompactProof.ProofMalformed.selector);
        client.storageAt("", ACCOUNT, SLOT);
    }

    /// @dev Calldata behind the proof that would complete it is not part of it.
    function test_restOfTheProofBehindIt() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        bytes memory proof = proofBy(provingBlock(QBFT, keys), keys, first(3));
        bytes memory data = abi.encodeCall(client.storageAt, (proof, ACCOUNT, SLOT));
        (bool accepted,) = address(client).staticcall(data);
        assertTrue(accepted);
        // selector, offset, account, slot: the fifth word is the length
        _setWord(data, 4 + 96, bytes32(proof.length - 1));
        (bool again, bytes memory reason) = address(client).staticcall(data);
        assertFalse(again);
        assertEq(reason, abi.encodeWithSelector(LightClient.LengthMismatch.selector, proof.length - 1, proof.length));
    }

    function _wordAt(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), offset))
        }
    }

    function _setWord(bytes memory data, uint256 offset, bytes32 word) private pure {
        assembly ("memory-safe") {
            mstore(add(add(data, 32), offset), word)
        }
    }
}
