// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CompactProof} from "../../src/libraries/CompactProof.sol";
import {CompactProofHarness} from "../support/CompactProofHarness.sol";
import {Rlp} from "../support/Rlp.sol";
import {Test} from "../support/Test.sol";
import {Trie} from "../support/Trie.sol";

/// @title Compact proofs lead to the root of the trie that they were taken from, and to nothing else (INV-1, INV-8).
contract CompactProofTest is Test {
    CompactProofHarness internal harness = CompactProofHarness(deployed("CompactProofHarness"));

    // ------------------------------------------------------------------------------------------------ whole tries

    function test_INV1_emptyTrie() public view {
        Trie.Pairs memory trie = Trie.sorted(new bytes32[](0), new bytes[](0));
        assertEq(Trie.storageProof(trie, keccak256("any")), hex"04");
        _check(trie, keccak256("any"), 0);
        assertEq(CompactProof.EMPTY_ROOT, Trie.root(trie));
    }

    function test_INV1_singleLeaf() public view {
        Trie.Pairs memory trie = _random("single", 1);
        _checkAll(trie);
        // The leaf of another key stands in its place.
        assertEq(uint8(Trie.storageProof(trie, keccak256("absent"))[0]), 2);
        _check(trie, keccak256("absent"), 0);
    }

    /// @dev 120 random keys: branches full and sparse, leaves at depths 2 and 3, exclusion by empty places and other leaves.
    function test_INV1_manyKeys() public view {
        Trie.Pairs memory trie = _random("many", 120);
        bytes32 root = Trie.root(trie);
        uint256 places;
        uint256 leaves;
        for (uint256 i = 0; i < 40; ++i) {
            _checkAgainst(root, trie, trie.keys[i * 3], uint256(keccak256(abi.encode(trie.keys[i * 3]))));
            bytes32 key = keccak256(abi.encode("absent", i));
            uint8 terminal = _checkAgainst(root, trie, key, 0);
            if (terminal == 1) ++places;
            if (terminal == 2) ++leaves;
        }
        assertGt(places, 5);
        assertGt(leaves, 5);
    }

    /// @dev Every number of children from 1 (with ours: 2) to 16, each with ours at every place and absent.
    function test_INV1_branchesOfAllSizes() public view {
        for (uint256 size = 1; size <= 16; ++size) {
            bytes32[] memory keys = new bytes32[](size);
            bytes[] memory values = new bytes[](size);
            for (uint256 i = 0; i < size; ++i) {
                // 5 is coprime to 16: nibbles all over the place, none twice.
                keys[i] = bytes32(((i * 5 + size) % 16) << 252 | (uint256(keccak256(abi.encode(size, i))) >> 4));
                values[i] = Rlp.word(keccak256(abi.encode(i)));
            }
            Trie.Pairs memory trie = Trie.sorted(keys, values);
            _checkAll(trie);
            for (uint256 digit = 0; digit < 16; ++digit) {
                _check(trie, bytes32(digit << 252), 0);
            }
        }
    }

    /// @dev Values of every length, and those around RLP's single bytes.
    function test_INV1_valuesOfAllLengths() public view {
        for (uint256 length = 1; length <= 32; ++length) {
            _checkValue(uint256(1) << (8 * length - 8));
            _checkValue(type(uint256).max >> (256 - 8 * length));
        }
        _checkValue(0x7f);
        _checkValue(0x80);
        _checkValue(0x81);
        _checkValue(0xff);
    }

    function _checkValue(uint256 value) private view {
        bytes32[] memory keys = new bytes32[](2);
        bytes[] memory values = new bytes[](2);
        (keys[0], keys[1]) = (keccak256("one"), keccak256("other"));
        (values[0], values[1]) = (Rlp.integer(value), Rlp.integer(value));
        Trie.Pairs memory trie = Trie.sorted(keys, values);
        _checkAll(trie);
        (, bytes32 found) = harness.storageRootOfKey(Trie.storageProof(trie, keys[0]), keys[0]);
        assertEq(uint256(found), value);
    }

    /// @dev Two keys that share `shared` nibbles, and a third elsewhere: an extension of every length, leaves at every depth,
    /// nodes that their parents embed once the leaves are short, and 64 nibbles of path above a leaf.
    function test_INV1_extensionsOfLengthsTo31() public view {
        _checkExtensions(1, 31);
    }

    /// @dev The others: all at once are more than a transaction's gas.
    function test_INV1_extensionsOfLengthsFrom32() public view {
        _checkExtensions(32, 63);
    }

    function _checkExtensions(uint256 first, uint256 last) private view {
        for (uint256 shared = first; shared <= last; ++shared) {
            this.checkExtension(shared);
        }
    }

    function checkExtension(uint256 shared) external view {
        _checkAll(_pairSharing(shared, 0, false));
        _checkAll(_pairSharing(shared, 0xff00ff, true));
        // Keys that leave within the extension, before it, and behind it.
        Trie.Pairs memory trie = _pairSharing(shared, 0, true);
        _checkAll(trie);
        bytes32 root = Trie.root(trie);
        for (uint256 digit = 0; digit < 64; ++digit) {
            bytes32 key = bytes32(uint256(trie.keys[0]) ^ (3 << (252 - 4 * digit)));
            if (key != trie.keys[1]) _checkAgainst(root, trie, key, 0);
        }
    }

    function _pairSharing(uint256 shared, uint256 value, bool third) private pure returns (Trie.Pairs memory) {
        bytes32[] memory keys = new bytes32[](third ? 3 : 2);
        bytes[] memory values = new bytes[](keys.length);
        keys[0] = keccak256(abi.encode("shared", shared)) & ~bytes32(uint256(15) << (252 - 4 * shared));
        keys[1] = bytes32(uint256(keys[0]) | (1 << (252 - 4 * shared)));
        if (third) keys[2] = ~keys[0];
        for (uint256 i = 0; i < keys.length; ++i) {
            values[i] = Rlp.integer(value + i + 1);
        }
        return Trie.sorted(keys, values);
    }

    /// @dev Sixteen embedded leaves, then ever more of them replaced by hashes.
    function test_INV1_embeddedChildrenAmongHashes() public view {
        for (uint256 mask = 0; mask <= 0xffff; mask = mask * 2 + 1) {
            bytes32[] memory keys = new bytes32[](16);
            bytes[] memory values = new bytes[](16);
            for (uint256 i = 0; i < 16; ++i) {
                keys[i] = bytes32((uint256(keccak256("deep")) & ~uint256(0xfff)) | (i << 8) | 0x42);
                values[i] = mask >> ((i * 7) % 16) & 1 != 0 ? Rlp.word(keccak256(abi.encode(i))) : Rlp.integer(i + 1);
            }
            Trie.Pairs memory trie = Trie.sorted(keys, values);
            _checkAll(trie);
            // Another leaf stands where this key's would.
            _check(trie, bytes32(uint256(keys[3]) ^ 1), 0);
            if (mask == 0xffff) break;
        }
    }

    /// @dev Empty places beside embedded children.
    function test_INV1_emptyPlaceBesideEmbeddedChildren() public view {
        bytes32[] memory keys = new bytes32[](3);
        bytes[] memory values = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) {
            keys[i] = bytes32(uint256(keccak256("deep")) << 4 >> 12 << 8 | (i * 5 << 4));
            values[i] = Rlp.integer(i + 1);
        }
        Trie.Pairs memory trie = Trie.sorted(keys, values);
        _checkAll(trie);
        for (uint256 digit = 0; digit < 16; ++digit) {
            bytes32 key = bytes32(uint256(keys[0]) | (digit << 4));
            if (digit % 5 != 0 || digit == 15) _check(trie, key, 0);
        }
    }

    /// @dev Random tries whose keys share long prefixes, so that all shapes come up together.
    /// forge-config: default.fuzz.runs = 128
    function testFuzz_INV1_crowdedTries(uint256 seed) public view {
        uint256 count = 1 + seed % 24;
        bytes32[] memory keys = new bytes32[](count);
        bytes[] memory values = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            // Branch off an earlier key at a random nibble.
            uint256 depth = (random >> 8) % 64;
            uint256 keep = i == 0 ? 0 : ~(type(uint256).max >> (4 * depth));
            uint256 from = i == 0 ? 0 : uint256(keys[(random >> 16) % i]);
            keys[i] = bytes32((from & keep) | (random & ~keep));
            values[i] = Rlp.integer((random >> (8 * (random % 32))) | 1);
        }
        Trie.Pairs memory trie = _distinct(Trie.sorted(keys, values));
        _checkAll(trie);
        for (uint256 i = 0; i < 16; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, "absent", i)));
            bytes32 key = bytes32(uint256(trie.keys[random % trie.keys.length]) ^ (1 << (random >> 248)));
            bool there;
            for (uint256 j = 0; j < trie.keys.length; ++j) {
                there = there || trie.keys[j] == key;
            }
            if (!there) _check(trie, key, 0);
        }
    }

    // ------------------------------------------------------------------------------------------------ elsewhere

    /// @dev Roots of the same pairs by the Ethereum Foundation's `trie` 4.0 for Python: what is built here are tries as others
    /// build them.
    function test_INV1_rootsByAnotherImplementation() public view {
        bytes32[] memory keys = new bytes32[](100);
        bytes[] memory values = new bytes[](100);
        for (uint256 i = 0; i < 100; ++i) {
            keys[i] = keccak256(abi.encode(i));
            values[i] = Rlp.word(keccak256(abi.encode(keys[i])));
        }
        Trie.Pairs memory trie = Trie.sorted(keys, values);
        assertEq(Trie.root(trie), 0x791342dd6e67f4d915ab3972d1d68aa9a14098acbe0a9c7e40472b5775e67277);
        for (uint256 i = 0; i < 100; i += 9) {
            _checkAgainst(Trie.root(trie), trie, keys[i], uint256(keccak256(abi.encode(keys[i]))));
        }

        // Keys that part in their last 3 to 9 nibbles, and small values: embedded nodes.
        (keys, values) = (new bytes32[](40), new bytes[](40));
        for (uint256 i = 0; i < 40; ++i) {
            uint256 low = (1 << (4 * (3 + i % 7))) - 1;
            keys[i] = bytes32((uint256(keccak256("deep")) & ~low) | (uint256(keccak256(abi.encode(i))) & low));
            values[i] = Rlp.integer(i + 1);
        }
        trie = Trie.sorted(keys, values);
        assertEq(Trie.root(trie), 0xe54ef35455889aeb509c678e2ff5a20de651f2bca86419d961f050fd68dc2831);
        _checkAll(trie);

        (keys, values) = (new bytes32[](30), new bytes[](30));
        for (uint256 i = 0; i < 30; ++i) {
            keys[i] = keccak256(abi.encodePacked(address(uint160(i))));
            values[i] = Trie.account(i, i * 1 ether, keccak256(abi.encode(i)), keccak256(abi.encode(i + 1000)));
        }
        trie = Trie.sorted(keys, values);
        bytes32 root = Trie.root(trie);
        assertEq(root, 0x168c7f9b4453e297e75db896327a6629562c94ef40deee1aea4c81b3a17ebb1c);
        for (uint256 i = 0; i < 30; ++i) {
            address account = address(uint160(i));
            bytes memory proof = this.accountProof(trie, keccak256(abi.encodePacked(account)));
            assertEq(harness.stateRoot(proof, account, keccak256(abi.encode(i))), root);
        }
    }

    // ------------------------------------------------------------------------------------------------ accounts

    /// @dev The lengths of nonce and balance, and depths from a lone account to the third level.
    function test_INV1_accounts() public view {
        for (uint256 count = 1; count <= 64; count *= 4) {
            bytes32[] memory keys = new bytes32[](count);
            bytes[] memory values = new bytes[](count);
            for (uint256 i = 0; i < count; ++i) {
                keys[i] = keccak256(abi.encodePacked(address(uint160(i + 1))));
                uint256 balance = i % 34 == 0 ? 0 : type(uint256).max >> (256 - 8 * (i % 34 == 33 ? 1 : i % 34));
                uint256 nonce = i % 10 == 0 ? 0 : type(uint64).max >> (64 - 8 * (i % 10 == 9 ? 1 : i % 10));
                values[i] =
                    Trie.account(nonce, balance, keccak256(abi.encode("root", i)), keccak256(abi.encode("code", i)));
            }
            Trie.Pairs memory trie = Trie.sorted(keys, values);
            bytes32 root = Trie.root(trie);
            for (uint256 i = 0; i < count; ++i) {
                bytes32 storageRoot = keccak256(abi.encode("root", i));
                address account = address(uint160(i + 1));
                bytes memory proof = this.accountProof(trie, keccak256(abi.encodePacked(account)));
                assertEq(harness.stateRoot(proof, account, storageRoot), root);
                assertNotEq(harness.stateRoot(proof, account, storageRoot ^ bytes32(uint256(1))), root);
            }
        }
    }

    // ------------------------------------------------------------------------------------------------ helpers

    /// @dev The key's value is what the proof says, and the root the trie's; with another key it says nothing of this trie.
    function _check(Trie.Pairs memory trie, bytes32 key, uint256 value) internal view returns (uint8 terminal) {
        return _checkAgainst(Trie.root(trie), trie, key, value);
    }

    function _checkAgainst(bytes32 root, Trie.Pairs memory trie, bytes32 key, uint256 value)
        internal
        view
        returns (uint8 terminal)
    {
        // In a frame of its own, whose memory is given back.
        bytes memory proof = this.storageProof(trie, key);
        (bytes32 found, bytes32 word) = harness.storageRootOfKey(proof, key);
        assertEq(found, root, "root");
        assertEq(uint256(word), value, "value");
        return uint8(proof[0]);
    }

    function storageProof(Trie.Pairs memory trie, bytes32 key) external pure returns (bytes memory) {
        return Trie.storageProof(trie, key);
    }

    function accountProof(Trie.Pairs memory trie, bytes32 key) external pure returns (bytes memory) {
        return Trie.accountProof(trie, key);
    }

    function _checkAll(Trie.Pairs memory trie) internal view {
        bytes32 root = Trie.root(trie);
        for (uint256 i = 0; i < trie.keys.length; ++i) {
            bytes memory value = trie.values[i];
            // An integer's RLP: the tag off, the rest is the word's lowest bytes.
            uint256 word =
                value.length == 1 ? uint8(value[0]) : uint256(bytes32(value) << 8) >> (264 - 8 * value.length);
            if (value.length == 33) {
                assembly ("memory-safe") {
                    word := mload(add(value, 33))
                }
            }
            _checkAgainst(root, trie, trie.keys[i], word);
        }
    }

    function _random(string memory name, uint256 count) internal pure returns (Trie.Pairs memory) {
        bytes32[] memory keys = new bytes32[](count);
        bytes[] memory values = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            keys[i] = keccak256(abi.encode(name, i));
            values[i] = Rlp.word(keccak256(abi.encode(keys[i])));
        }
        return Trie.sorted(keys, values);
    }

    function _distinct(Trie.Pairs memory trie) private pure returns (Trie.Pairs memory) {
        uint256 count = 1;
        for (uint256 i = 1; i < trie.keys.length; ++i) {
            if (trie.keys[i] == trie.keys[count - 1]) continue;
            (trie.keys[count], trie.values[count]) = (trie.keys[i], trie.values[i]);
            ++count;
        }
        bytes32[] memory keys = new bytes32[](count);
        bytes[] memory values = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            (keys[i], values[i]) = (trie.keys[i], trie.values[i]);
        }
        return Trie.Pairs(keys, values);
    }
}
