// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../../src/interfaces/ILightClient.sol";
import {BftHeader} from "../../../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../../../src/light_clients/bft/BftLightClient.sol";
import {BftTrust} from "../../../src/light_clients/bft/BftTrust.sol";
import {LightClient} from "../../../src/light_clients/shared/LightClient.sol";
import {Rlp} from "../../support/Rlp.sol";
import {Block, Form} from "./support/BftChain.sol";
import {BftClientTest} from "./support/BftClientTest.sol";

/// @title What freezes a client, and what does not (docs/reference/wire-formats.md §6.4).
contract BftMisbehaviourTest is BftClientTest {
    BftHeader.Kind internal constant QBFT = BftHeader.Kind.QBFT;
    BftHeader.Kind internal constant IBFT2 = BftHeader.Kind.IBFT2;

    function test_INV7_twoBlocksAtOneHeight() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            uint256[] memory keys = keysOf(1, 4);
            BftLightClient client = deploy(BftHeader.Kind(kind), keys);
            (Block memory one, Block memory other) = _fork(BftHeader.Kind(kind), keys);
            vm.expectEmit(address(client));
            emit ILightClient.FrozenByMisbehaviour(uint64(one.number));
            client.freeze(bytes.concat(sealedBlock(one, keys, 7), sealedBlock(other, keys, 14)));
            assertEq(uint256(client.status()), uint256(ILightClient.Status.Frozen));
            (,,, bool frozen) = client.trustedState();
            assertTrue(frozen);
        }
    }

    /// @dev Nothing is believed any more, and the client cannot be frozen twice.
    function test_INV7_frozen() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        bytes memory proof = proofBy(b, keys, 7);
        bytes memory header = sealedBlock(b, keys, 7);
        client.anchor(header);
        bytes memory byAnchor = bytes.concat(hex"01", inclusion);
        client.storageAt(byAnchor, ACCOUNT, SLOT);

        (Block memory one, Block memory other) = _fork(QBFT, keys);
        bytes memory fork = bytes.concat(sealedBlock(one, keys, 7), sealedBlock(other, keys, 7));
        client.freeze(fork);

        bytes memory notActive = abi.encodeWithSelector(ILightClient.NotActive.selector, ILightClient.Status.Frozen);
        assertRejected(client, proof, notActive);
        assertRejected(client, byAnchor, notActive);
        vm.expectRevert(notActive);
        client.update(refresh(header, 1));
        vm.expectRevert(notActive);
        client.anchor(header);
        vm.expectRevert(notActive);
        client.freeze(fork);
    }

    function test_expiredClientCanBeFrozen() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        (Block memory one, Block memory other) = _fork(QBFT, keys);
        vm.warp(uint256(TRUSTED_TIME) + TRUSTING_PERIOD + 1);
        client.freeze(bytes.concat(sealedBlock(one, keys, 7), sealedBlock(other, keys, 7)));
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Frozen));
    }

    /// @dev Two sealed blocks of one height contradict each other whenever they claim to be made.
    function test_headersOfTheFuture() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        (Block memory one, Block memory other) = _fork(QBFT, keys);
        one.timestamp = NOW + 365 days;
        client.freeze(bytes.concat(sealedBlock(one, keys, 7), sealedBlock(other, keys, 7)));
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Frozen));
    }

    // ------------------------------------------------------------------------------------------------ honest headers

    /// @dev One block sealed in two rounds has two seal hashes and one hash on chain.
    function test_honestRoundChange() public {
        for (uint256 kind = 0; kind < 2; ++kind) {
            BftHeader.Kind k = BftHeader.Kind(kind);
            uint256[] memory keys = keysOf(1, 4);
            BftLightClient client = deploy(k, keys);
            Block memory one = _atHeight(k, keys);
            Block memory other = _atHeight(k, keys);
            other.round = k == QBFT ? bytes(hex"03") : bytes(hex"8400000003");
            assertNotEq(commitSealHash(one), commitSealHash(other));
            assertEq(onChainHash(one), onChainHash(other));
            _isHonest(client, one, sealedBlock(one, keys, 7), sealedBlock(other, keys, 14));
            // Beside a vote, and in a round of two bytes.
            one.vote = Rlp.list(bytes.concat(Rlp.string_(abi.encodePacked(address(0xbeef))), hex"81ff"));
            other.vote = one.vote;
            other.round = k == QBFT ? bytes(hex"820400") : bytes(hex"8400000400");
            _isHonest(client, one, sealedBlock(one, keys, 7), sealedBlock(other, keys, 7));
        }
    }

    /// @dev One block, sealed by different members.
    function test_honestSealsOfOthers() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = _atHeight(QBFT, keys);
        _isHonest(client, b, sealedBlock(b, keys, 7), sealedBlock(b, keys, 14));
    }

    /// @dev One block, sent in two forms.
    function test_honestBlockInTwoForms() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = _atHeight(QBFT, keys);
        Form memory form;
        (form.sparseBloom, form.explicitRound, form.explicitVote) = (true, true, true);
        (form.explicitVanity, form.rawTail) = (true, true);
        _isHonest(client, b, sealedBlock(b, keys, 7), bytes.concat(wire(b, form), sealsBy(b, keys, 7)));
    }

    /// @dev The bytes of vote and round, split otherwise, are the same sealed header. Were that accepted, the part taken for the
    /// round would change the hash on chain, and anyone could freeze the client with an honest header.
    function test_INV4_splitOfVoteAndRound() public {
        for (uint256 kind = 0; kind < 2; ++kind) {
            BftHeader.Kind k = BftHeader.Kind(kind);
            uint256[] memory keys = keysOf(1, 4);
            BftLightClient client = deploy(k, keys);
            Block memory honest = _atHeight(k, keys);
            honest.round = k == QBFT ? bytes(hex"820102") : bytes(hex"8400000001");
            bytes memory good = sealedBlock(honest, keys, 7);
            bytes memory both = bytes.concat(ordinaryVote(k), honest.round);
            for (uint256 cut = 2; cut < both.length; ++cut) {
                Block memory split = _atHeight(k, keys);
                (split.vote, split.round) = (_slice(both, 0, cut), _slice(both, cut, both.length));
                assertEq(commitSealHash(split), commitSealHash(honest));
                assertNotEq(onChainHash(split), onChainHash(honest));
                bytes memory twin = bytes.concat(good, sealedBlock(split, keys, 7));
                vm.expectPartialRevert(BftHeader.HeaderMalformed.selector);
                client.freeze(twin);
            }
        }
    }

    /// @dev Items whose first byte is not enough to tell their length, or tells another one.
    function test_voteAndRoundAreOneItemEach() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        bytes[9] memory bad = [
            bytes(hex"c1"),
            hex"c0c0",
            hex"81",
            hex"8080",
            hex"0101",
            bytes.concat(hex"b838", new bytes(56)),
            bytes.concat(hex"b8", new bytes(56)),
            bytes.concat(hex"f838", new bytes(56)),
            bytes.concat(hex"f8", new bytes(56))
        ];
        for (uint256 i = 0; i < 18; ++i) {
            Block memory b = provingBlock(QBFT, keys);
            if (i < 9) b.vote = bad[i];
            else b.round = bad[i - 9];
            bytes memory proof = proofBy(b, keys, 7);
            vm.expectPartialRevert(BftHeader.HeaderMalformed.selector);
            client.storageAt(proof, ACCOUNT, SLOT);
        }
        // 56 bytes are the most, as a string and as a list.
        Block memory most = provingBlock(QBFT, keys);
        most.vote = bytes.concat(hex"f7", new bytes(55));
        most.round = bytes.concat(hex"b7", new bytes(55));
        assertProves(client, proofBy(most, keys, 7), most);
    }

    // ------------------------------------------------------------------------------------------------ what proves nothing

    function test_INV7_heightsDiffer() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        (Block memory one, Block memory other) = _fork(QBFT, keys);
        other.number += 1;
        bytes memory data = bytes.concat(sealedBlock(one, keys, 7), sealedBlock(other, keys, 7));
        vm.expectRevert(abi.encodeWithSelector(BftTrust.HeightsDiffer.selector, one.number, other.number));
        client.freeze(data);
    }

    function test_INV7_bothNeedAQuorum() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        (Block memory one, Block memory other) = _fork(QBFT, keys);
        bytes memory data = bytes.concat(sealedBlock(one, keys, 7), sealedBlock(other, keys, 3));
        vm.expectRevert(quorumNotReached(2, 3));
        client.freeze(data);
        data = bytes.concat(sealedBlock(one, keys, 3), sealedBlock(other, keys, 7));
        vm.expectRevert(quorumNotReached(2, 3));
        client.freeze(data);
    }

    function test_INV7_bothOfTheTrustedSet() public {
        uint256[] memory keys = keysOf(1, 4);
        uint256[] memory others = keysOf(66, 4);
        BftLightClient client = deploy(QBFT, keys);
        (Block memory one,) = _fork(QBFT, keys);
        (, Block memory other) = _fork(QBFT, others);
        bytes memory data = bytes.concat(sealedBlock(one, keys, 7), sealedBlock(other, others, 7));
        vm.expectRevert(notTrusted(others, keys));
        client.freeze(data);
    }

    function test_INV7_genesis() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        (Block memory one, Block memory other) = _fork(QBFT, keys);
        (one.number, other.number) = (0, 0);
        bytes memory data = bytes.concat(sealedBlock(one, keys, 7), sealedBlock(other, keys, 7));
        vm.expectRevert(abi.encodeWithSelector(BftHeader.GenesisHeader.selector));
        client.freeze(data);
    }

    function test_leftOver() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        (Block memory one, Block memory other) = _fork(QBFT, keys);
        bytes memory data = bytes.concat(sealedBlock(one, keys, 7), sealedBlock(other, keys, 7), hex"00");
        vm.expectRevert(abi.encodeWithSelector(LightClient.LengthMismatch.selector, data.length, data.length - 1));
        client.freeze(data);
    }

    function _atHeight(BftHeader.Kind kind, uint256[] memory keys) private pure returns (Block memory) {
        return blockOf(kind, addressesOf(keys), TRUSTED_HEIGHT + 7);
    }

    function _fork(BftHeader.Kind kind, uint256[] memory keys)
        private
        pure
        returns (Block memory one, Block memory other)
    {
        one = _atHeight(kind, keys);
        other = _atHeight(kind, keys);
        other.transactionsRoot = keccak256("other transactions");
    }

    function _isHonest(BftLightClient client, Block memory b, bytes memory one, bytes memory other) private {
        bytes memory data = bytes.concat(one, other);
        vm.expectRevert(abi.encodeWithSelector(BftTrust.NoMisbehaviour.selector, onChainHash(b)));
        client.freeze(data);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Active));
    }

    function _slice(bytes memory data, uint256 from, uint256 to) private pure returns (bytes memory out) {
        out = new bytes(to - from);
        for (uint256 i = 0; i < out.length; ++i) {
            out[i] = data[from + i];
        }
    }
}
