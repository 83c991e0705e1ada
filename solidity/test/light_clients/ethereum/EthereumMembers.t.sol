// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Bls12381} from "../../../src/light_clients/ethereum/Bls12381.sol";
import {EthereumLightClient} from "../../../src/light_clients/ethereum/EthereumLightClient.sol";
import {SyncCommittee} from "../../../src/light_clients/ethereum/SyncCommittee.sol";
import {Trie} from "../../support/Trie.sol";
import {BlsKeys, Committee} from "./support/BlsKeys.sol";
import {EthereumClientTest, Scene, Wire} from "./support/EthereumClientTest.sol";
import {PlainSsz} from "./support/PlainSsz.sol";

/// @title Who signed: absent members are read from the bits and subtracted, all of them, or nothing is believed (INV-7).
/// forge-config: default.evm_version = "prague"
contract EthereumMembersTest is EthereumClientTest {
    bytes internal constant PRIME =
        hex"1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";

    EthereumLightClient internal client;

    function setUp() public override {
        super.setUp();
        client = deploy();
    }

    // ------------------------------------------------------------------------------------------------ participation

    /// @dev Every count from all to none: from 22 of 32 on it is enough.
    function test_INV7_participation() public {
        uint256 mask = 0;
        for (uint256 count = 0; count <= 32; ++count) {
            bytes memory data = _absent(mask);
            if (32 - count >= THRESHOLD) {
                _accepted(data);
            } else {
                assertUpdateRejected(
                    client,
                    data,
                    abi.encodeWithSelector(SyncCommittee.ParticipationTooLow.selector, 32 - count, THRESHOLD)
                );
            }
            // The next absent one, scattered: 7 and 32 have no common divisor.
            mask |= 1 << (count * 7 % 32);
        }
    }

    function test_INV7_participation_allAreNeeded() public {
        client = deployAt(TRUSTED_SLOT, SIZE, SIZE, false);
        _accepted(_absent(0));
        assertUpdateRejected(
            client, _absent(1), abi.encodeWithSelector(SyncCommittee.ParticipationTooLow.selector, 31, 32)
        );
    }

    function testFuzz_participation(uint32 mask) public {
        // At most ten are absent, wherever they are.
        uint256 absent = mask;
        for (uint256 count = 0; count < 10 && absent != 0; ++count) {
            absent &= absent - 1;
        }
        _accepted(_absent(mask ^ absent));
    }

    /// @dev The sizes between, and the places of every member alone.
    function test_everySizeAndPlace() public {
        for (uint16 size = 8; size <= 512; size *= 2) {
            client = deployAt(TRUSTED_SLOT, size, size - 2, false);
            Scene memory scene = sceneAt(380);
            scene.size = size;
            settle(scene);
            _accepted(signed(scene));
            // Of larger ones some places, for memory is not given back.
            uint256 step = size > 32 ? size / 2 - 1 : 1;
            for (uint256 i = 0; i < size; i += step) {
                scene.absent[i / 256] = 1 << (i % 256);
                uint256 other = (i * 5 + 3) % size;
                scene.absent[other / 256] |= 1 << (other % 256);
                _accepted(signed(scene));
                scene.absent = [uint256(0), 0];
            }
            scene.absent[(size - 1) / 256] = 1 << ((size - 1) % 256);
            _accepted(signed(scene));
        }
    }

    // ------------------------------------------------------------------------------------------------ dropped absentees

    /// @dev One who is absent is marked as there.
    function test_INV7_markedAsPresent() public {
        Wire memory w = _wire(0x90);
        w.members = _absentWire(0x80).members;
        _rejected(w, SyncCommittee.SignatureInvalid.selector);
        w = _wire(0x80);
        w.members = abi.encodePacked(committeeOf(5, SIZE).pubkeysRoot);
        w.flags = 0;
        _rejected(w, SyncCommittee.SignatureInvalid.selector);
        // And one who is there as absent.
        w = _wire(0x80);
        w.members = _absentWire(0x90).members;
        _rejected(w, SyncCommittee.SignatureInvalid.selector);
    }

    /// @dev Nobody is absent, in the longer form.
    function test_nobodyAbsent() public {
        Wire memory w = _wire(0);
        w.flags = hex"01";
        w.members = bytes.concat(hex"00000000", committeeOf(5, SIZE).pubkeysRoot);
        _rejected(w, SyncCommittee.NobodyAbsent.selector);
    }

    function test_INV7_keysOfOthers() public {
        Committee memory committee = committeeOf(5, SIZE);
        (bytes memory marks, bytes memory keys, bytes memory siblings) = memberParts(committee, [uint256(0x90), 0]);
        Wire memory w = _wire(0x90);
        // In the wrong order: their sum is right.
        w.members = bytes.concat(marks, committee.keys[7], committee.keys[4], siblings);
        _rejected(w, EthereumLightClient.NotTrustedCommittee.selector);
        // Others' instead, with the same sum: 5 + 6 = 4 + 7.
        w.members = bytes.concat(marks, committee.keys[5], committee.keys[6], siblings);
        _rejected(w, EthereumLightClient.NotTrustedCommittee.selector);
        // Bits of others: 4 and 5.
        w.members = bytes.concat(hex"30000000", keys, siblings);
        _rejected(w, EthereumLightClient.NotTrustedCommittee.selector);
        // Keys of strangers that sum up to nothing.
        bytes memory stranger = BlsKeys.publicKey(99);
        w = _wire(0);
        w.flags = hex"01";
        w.members = bytes.concat(marks, stranger, _negative(stranger), siblings);
        _rejected(w, EthereumLightClient.NotTrustedCommittee.selector);
    }

    function test_INV7_siblings() public {
        (bytes memory marks, bytes memory keys, bytes memory siblings) =
            memberParts(committeeOf(5, SIZE), [uint256(0x90), 0]);
        Wire memory w = _wire(0x90);
        bytes memory front = bytes.concat(marks, keys);
        w.members = bytes.concat(front, Trie.slice(siblings, 32, siblings.length));
        _rejected(w, EthereumLightClient.NotTrustedCommittee.selector);
        // One more moves all that follows.
        w.members = bytes.concat(front, siblings, bytes32(0));
        vm.expectRevert();
        client.update{gas: 5_000_000}(join(w));
        w.members = bytes.concat(front, bytes32(0), siblings);
        _rejected(w, EthereumLightClient.NotTrustedCommittee.selector);
    }

    /// @dev The other root of the same x: another leaf, or another sum.
    function test_INV7_wrongSign() public {
        (bytes memory marks, bytes memory keys, bytes memory siblings) =
            memberParts(committeeOf(5, SIZE), [uint256(0x80), 0]);
        Wire memory w = _wire(0x80);
        w.members = bytes.concat(marks, _negative(keys), siblings);
        _rejected(w, EthereumLightClient.NotTrustedCommittee.selector);
        w = _wire(0);
        w.key = _negative(w.key);
        _rejected(w, EthereumLightClient.NotTrustedCommittee.selector);
    }

    // ------------------------------------------------------------------------------------------------ bad points

    /// @dev A y that is not x's, of the same half: the leaf is right, the point is on no curve.
    function test_INV7_offTheCurve() public {
        Wire memory w = _wire(0x80);
        w.members = _withByte(w.members, 4 + 95);
        _rejected(w, abi.encodeWithSelector(Bls12381.PrecompileFailed.selector, 0x0b));
        w = _wire(0);
        w.key = _withByte(w.key, 95);
        _rejected(w, abi.encodeWithSelector(Bls12381.PrecompileFailed.selector, 0x0f));
    }

    /// @dev Coordinates from p on, whose remainders would do.
    function test_INV7_coordinatesFromThePrimeOn() public {
        Wire memory w = _wire(0);
        bytes memory y = Trie.slice(w.key, 48, 96);
        w.key = bytes.concat(Trie.slice(w.key, 0, 48), _plus(y, PRIME));
        _rejected(w, SyncCommittee.KeyInvalid.selector);
        w.key = bytes.concat(Trie.slice(w.key, 0, 48), PRIME);
        _rejected(w, SyncCommittee.KeyInvalid.selector);
        w.key = new bytes(96);
        _rejected(w, SyncCommittee.KeyInvalid.selector);
        // In x the compressed form is another.
        w = _wire(0);
        w.key = bytes.concat(_plus(Trie.slice(w.key, 0, 48), PRIME), y);
        _rejected(w, EthereumLightClient.NotTrustedCommittee.selector);
    }

    /// @dev An aggregate of which nothing is left would sign anything.
    function test_INV7_infinityAfterSubtraction() public {
        // Eight members: 1, 2, 3, 4, 5, 6 have a sum of zero and sign; the two others are the aggregate, and absent.
        Committee memory committee = BlsKeys.committee(1000, 8);
        uint256 last = BlsKeys.ORDER - (1000 + 1001 + 1002 + 1003 + 1004);
        committee.keys[5] = BlsKeys.publicKey(last);
        committee.leaves[5] = PlainSsz.keyLeaf(BlsKeys.compress(committee.keys[5]));
        committee.aggregate = BlsKeys.add(committee.keys[6], committee.keys[7]);
        committee.pubkeysRoot = PlainSsz.root(committee.leaves);
        client =
            new EthereumLightClient(address(manager), parametersOf(8, 6), TRUSTED_SLOT, BlsKeys.rootOf(committee), 0);
        Wire memory w = _wire(0x80);
        w.key = committee.aggregate;
        w.members = membersOf(committee, [uint256(0xc0), 0]);
        w.signature = new bytes(192);
        _rejected(w, SyncCommittee.AggregateInfinity.selector);
    }

    function test_INV7_signature() public {
        Wire memory w = _wire(0);
        bytes memory right = w.signature;
        w.signature = new bytes(192);
        _rejected(w, SyncCommittee.SignatureInfinity.selector);
        // Another signature, and the negative of the right one.
        w.signature = _wire(1).signature;
        _rejected(w, SyncCommittee.SignatureInvalid.selector);
        w.signature = bytes.concat(
            Trie.slice(right, 0, 96),
            _minus(PRIME, Trie.slice(right, 96, 144)),
            _minus(PRIME, Trie.slice(right, 144, 192))
        );
        _rejected(w, SyncCommittee.SignatureInvalid.selector);
        // Off the curve, and with a coordinate that is not reduced.
        w.signature = _withByte(right, 191);
        _rejected(w, abi.encodeWithSelector(Bls12381.PrecompileFailed.selector, 0x0f));
        w.signature = bytes.concat(_plus(Trie.slice(right, 0, 48), PRIME), Trie.slice(right, 48, 192));
        _rejected(w, abi.encodeWithSelector(Bls12381.PrecompileFailed.selector, 0x0f));
        w.signature = right;
        _accepted(join(w));
    }

    /// @dev On the curve of G2 and outside of its subgroup.
    function test_INV7_signatureOffTheSubgroup() public {
        Wire memory w = _wire(0);
        w.signature = OFF_SUBGROUP;
        (bool onCurve,) = address(0x0d).staticcall(bytes.concat(BlsKeys.pad(OFF_SUBGROUP), new bytes(256)));
        assertTrue(onCurve);
        _rejected(w, abi.encodeWithSelector(Bls12381.PrecompileFailed.selector, 0x0f));
    }

    bytes internal constant OFF_SUBGROUP =
        hex"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000200000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000018c6b864ae17dc9da64203ffefb966306425a7bc6aeb7c75247438372716284a4173830420cd476ba1a365b95bfcec38172e93db764a8400a7d5071b6b6f5de0da2f0f4a063119abca014006b7c40a2cfe291a1924e65db0d6d0fcfbf3bf3d5c";

    // ------------------------------------------------------------------------------------------------ parts

    function _absent(uint256 mask) private returns (bytes memory) {
        return join(_wire(mask));
    }

    function _wire(uint256 mask) private returns (Wire memory) {
        return _absentWire(mask);
    }

    function _absentWire(uint256 mask) private returns (Wire memory) {
        Scene memory scene = sceneAt(380);
        scene.absent[0] = mask;
        return wireOf(scene, false);
    }

    function _accepted(bytes memory data) private {
        uint256 before = vm.snapshotState();
        client.update(data);
        vm.revertToStateAndDelete(before);
    }

    function _rejected(Wire memory w, bytes4 selector) private {
        assertUpdateRejected(client, join(w), selector);
    }

    function _rejected(Wire memory w, bytes memory reason) private {
        assertUpdateRejected(client, join(w), reason);
    }

    function _negative(bytes memory key) private pure returns (bytes memory) {
        return bytes.concat(Trie.slice(key, 0, 48), _minus(PRIME, Trie.slice(key, 48, 96)));
    }

    function _withByte(bytes memory data, uint256 place) private pure returns (bytes memory out) {
        out = bytes.concat(data);
        out[place] ^= 0x01;
    }

    function _plus(bytes memory one, bytes memory other) private pure returns (bytes memory sum) {
        sum = new bytes(48);
        uint256 carry = 0;
        for (uint256 i = 48; i > 0; --i) {
            carry += uint256(uint8(one[i - 1])) + uint8(other[i - 1]);
            sum[i - 1] = bytes1(uint8(carry));
            carry >>= 8;
        }
    }

    function _minus(bytes memory one, bytes memory other) private pure returns (bytes memory rest) {
        rest = new bytes(48);
        int256 borrow = 0;
        for (uint256 i = 48; i > 0; --i) {
            borrow += int256(uint256(uint8(one[i - 1]))) - int256(uint256(uint8(other[i - 1])));
            rest[i - 1] = bytes1(uint8(uint256(borrow) & 0xff));
            borrow >>= 8;
        }
    }
}
