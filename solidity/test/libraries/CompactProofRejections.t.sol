// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CompactProof} from "../../src/libraries/CompactProof.sol";
import {CompactProofHarness} from "../support/CompactProofHarness.sol";
import {Mutation} from "../support/Mutation.sol";
import {Rlp} from "../support/Rlp.sol";
import {Test} from "../support/Test.sol";
import {Trie} from "../support/Trie.sol";

/// @title What is no compact proof (docs/reference/wire-formats.md §5), rule by rule (INV-1, INV-8).
contract CompactProofRejectionsTest is Test {
    /// @dev The nibbles of KEY are 1 2 3 4 ... e f 0 1 ...
    bytes32 internal constant KEY = 0x123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0;
    bytes32 internal constant HASH = keccak256("sibling");

    CompactProofHarness internal harness = CompactProofHarness(deployed("CompactProofHarness"));

    // ------------------------------------------------------------------------------------------------ terminals

    function test_terminals() public {
        _accepted(hex"04");
        for (uint256 terminal = 5; terminal < 256; terminal += 10) {
            _rejected(abi.encodePacked(uint8(terminal)));
        }
        _wrongLength(hex"0400");
        _wrongLength(hex"040000");
    }

    function test_depths() public {
        // An empty trie has no depth; the others have one of at most 64.
        for (uint256 terminal = 0; terminal < 4; ++terminal) {
            _rejected(bytes.concat(abi.encodePacked(uint8(terminal), uint8(65), uint8(1)), new bytes(600)));
            _rejected(bytes.concat(abi.encodePacked(uint8(terminal), uint8(255), uint8(1)), new bytes(600)));
        }
        _accepted(bytes.concat(hex"00400105bf", _branch(0x0001)));
    }

    function test_values() public {
        _accepted(hex"00000101");
        _accepted(bytes.concat(hex"000020", HASH));
        _rejected(hex"000000");
        _rejected(bytes.concat(hex"00002101", HASH));
        _rejected(bytes.concat(hex"0000ff01", new bytes(254)));
        _rejected(hex"00000100");
        _rejected(hex"0000020001");
        _rejected(bytes.concat(hex"000020", HASH >> 8));
    }

    /// @dev Nothing but a branch has an empty place.
    function test_emptyPlaces() public {
        _accepted(bytes.concat(hex"0101", _branch(0x0001)));
        _accepted(bytes.concat(hex"0101", hex"00", _hashes(15)));
        _accepted(bytes.concat(hex"0102", _branch(0x0001), hex"81"));
        _rejected(bytes.concat(hex"0100"));
        _rejected(bytes.concat(hex"0100", _branch(0x0001)));
        _rejected(bytes.concat(hex"0101", hex"81"));
        _rejected(bytes.concat(hex"0102", hex"81", _branch(0x0001)));
        _rejected(bytes.concat(hex"0101", hex"03"));
    }

    // ------------------------------------------------------------------------------------------------ another leaf

    function test_otherLeaf() public {
        bytes32 other = KEY ^ bytes32(uint256(1));
        _accepted(bytes.concat(hex"0200", hex"20", other, hex"0101"));
        _accepted(bytes.concat(hex"0201", _odd(3, other, 1), hex"0101", _branch(0x0001)));
        // The key's own leaf excludes nothing, at any depth.
        _rejected(bytes.concat(hex"0200", hex"20", KEY, hex"0101"));
        _rejected(bytes.concat(hex"0201", _odd(3, KEY, 1), hex"0101", _branch(0x0001)));
        _rejected(bytes.concat(hex"0240", hex"20", hex"0101", hex"be81"));
    }

    function test_otherLeafPaths() public {
        bytes32 other = KEY ^ bytes32(uint256(1));
        // Flags: of an extension, odd for an even path, unknown; padding that is not zero.
        bytes1[8] memory flags = [bytes1(0x00), 0x10, 0x30, 0x40, 0xa0, 0x21, 0x2f, 0x80];
        for (uint256 i = 0; i < flags.length; ++i) {
            _rejected(bytes.concat(hex"0200", flags[i], other, hex"0101"));
        }
        uint8[6] memory oddFlags = [0, 1, 2, 4, 7, 11];
        for (uint256 i = 0; i < oddFlags.length; ++i) {
            _rejected(bytes.concat(hex"0201", _odd(oddFlags[i], other, 1), hex"0101", _branch(0x0001)));
        }
    }

    /// @dev The leaf's value: one canonical string of 1 to 33 bytes.
    function test_otherLeafValues() public {
        bytes memory head = bytes.concat(hex"020020", KEY ^ bytes32(uint256(1)));
        bytes[8] memory good = [
            bytes(hex"0100"),
            hex"017f",
            hex"0180",
            hex"028180",
            hex"0281ff",
            hex"03820001",
            bytes.concat(hex"38b7", new bytes(55)),
            bytes.concat(hex"21a0", HASH)
        ];
        for (uint256 i = 0; i < good.length; ++i) {
            if (uint8(good[i][0]) > 33) _rejected(bytes.concat(head, good[i]));
            else _accepted(bytes.concat(head, good[i]));
        }
        bytes[11] memory bad = [
            bytes(hex"00"),
            hex"0181",
            hex"01c0",
            hex"01ff",
            hex"028100",
            hex"02817f",
            hex"0201ff",
            hex"02c101",
            hex"03811234",
            hex"0383aabb",
            bytes.concat(hex"22a1", new bytes(33))
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            _rejected(bytes.concat(head, bad[i]));
        }
    }

    // ------------------------------------------------------------------------------------------------ another extension

    function test_otherExtension() public {
        bytes memory child = bytes.concat(hex"20", HASH);
        // Away from the key at once, after some nibbles, at the very last.
        _accepted(bytes.concat(hex"03000119", child));
        _accepted(bytes.concat(hex"030003", hex"001235", child));
        _accepted(bytes.concat(hex"030021", hex"00", KEY ^ bytes32(uint256(1)), child));
        _accepted(bytes.concat(hex"033f0111", child, _deep(63)));
        // A prefix of the key, or its whole rest.
        _rejected(bytes.concat(hex"03000111", child));
        _rejected(bytes.concat(hex"030003", hex"001234", child));
        _rejected(bytes.concat(hex"030021", hex"00", KEY, child));
        _rejected(bytes.concat(hex"033f0110", child, _deep(63)));
        // No nibble, no byte, more nibbles than the key has left.
        _rejected(bytes.concat(hex"03000100", child));
        _rejected(bytes.concat(hex"030000", child));
        _rejected(bytes.concat(hex"030022", hex"00", KEY ^ bytes32(uint256(1)), hex"00", child));
        _rejected(bytes.concat(hex"033f02", hex"0011", child, _deep(63)));
        _rejected(bytes.concat(hex"03400111", child, _deep(64)));
        _rejected(bytes.concat(hex"0340", hex"00", child, _deep(64)));
        // A leaf's flag, unknown flags, padding.
        bytes1[6] memory flags = [bytes1(0x39), 0x29, 0x49, 0x99, 0x09, 0xf9];
        for (uint256 i = 0; i < flags.length; ++i) {
            _rejected(bytes.concat(hex"030001", flags[i], child));
        }
        _rejected(bytes.concat(hex"030003", hex"011235", child));
    }

    function test_otherExtensionChildren() public {
        bytes memory head = hex"03000119";
        _accepted(bytes.concat(head, hex"01c0"));
        _accepted(bytes.concat(head, hex"1fde", new bytes(30)));
        bytes[7] memory bad = [
            bytes(hex"00"),
            hex"01c1",
            hex"0180",
            hex"02c001",
            hex"02c2",
            bytes.concat(hex"1fdf", new bytes(30)),
            bytes.concat(hex"21e0", new bytes(32))
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            _rejected(bytes.concat(head, bad[i]));
        }
    }

    // ------------------------------------------------------------------------------------------------ steps

    /// @dev KEY's first nibble is 1: bit 14 is its own.
    function test_steps() public {
        bytes memory leaf = bytes.concat(hex"000120", HASH);
        _accepted(bytes.concat(leaf, _branch(0x0001)));
        _accepted(bytes.concat(leaf, _branch(0xbfff)));
        _accepted(bytes.concat(leaf, hex"00", _hashes(15)));
        _accepted(bytes.concat(leaf, hex"010000"));
        // Ours among the siblings.
        _rejected(bytes.concat(leaf, _branch(0x4000)));
        _rejected(bytes.concat(leaf, _branch(0xffff)));
        for (uint256 kind = 3; kind <= 0x80; ++kind) {
            _rejected(bytes.concat(leaf, bytes1(uint8(kind)), _hashes(15)));
        }
        for (uint256 kind = 0xc0; kind <= 0xff; ++kind) {
            _rejected(bytes.concat(leaf, bytes1(uint8(kind)), _hashes(15)));
        }
        // Steps end at the root, neither before nor after.
        _wrongLength(leaf);
        _wrongLength(bytes.concat(leaf, _branch(0x0001), _branch(0x0001)));
    }

    function test_extensionsEndAtTheRoot() public {
        for (uint256 depth = 1; depth < 64; depth += 7) {
            bytes memory leaf = bytes.concat(abi.encodePacked(uint8(0), uint8(depth), uint8(32)), HASH);
            _accepted(bytes.concat(leaf, bytes1(uint8(0x80 + depth))));
            _rejected(bytes.concat(leaf, bytes1(uint8(0x81 + depth))));
        }
        // 63 nibbles are the most: one over 64 would leave no place for what it leads to.
        _rejected(bytes.concat(hex"004020", HASH, hex"c0"));
        _accepted(bytes.concat(hex"004020", HASH, hex"bf", _branch(0x0001)));
    }

    function test_mixedBranches() public {
        bytes memory leaf = bytes.concat(hex"000120", HASH);
        _accepted(bytes.concat(leaf, hex"0200010002", HASH, hex"c101"));
        _accepted(bytes.concat(leaf, hex"0200008001", hex"c0", hex"de", new bytes(30)));
        _accepted(bytes.concat(leaf, hex"0200000000"));
        // A child that is there both ways; ours, either way.
        _rejected(bytes.concat(leaf, hex"0200010001", HASH, hex"c101"));
        _rejected(bytes.concat(leaf, hex"0240000002", HASH, hex"c101"));
        _rejected(bytes.concat(leaf, hex"0200014000", HASH, hex"c101"));
        // What is no list of less than 32 bytes.
        bytes1[6] memory first = [bytes1(0x00), 0x80, 0xbf, 0xdf, 0xf8, 0xff];
        for (uint256 i = 0; i < first.length; ++i) {
            _rejected(bytes.concat(leaf, hex"0200010002", HASH, first[i], new bytes(40)));
        }
    }

    // ------------------------------------------------------------------------------------------------ accounts

    function test_accounts() public {
        bytes memory account = bytes.concat(hex"0080", keccak256("code"));
        harness.stateRootOfKey(bytes.concat(hex"0002", account), KEY, HASH);
        harness.stateRootOfKey(bytes.concat(hex"002b", new bytes(43), keccak256("code")), KEY, HASH);
        bytes[4] memory bad = [
            bytes.concat(hex"4102", account, new bytes(600)),
            bytes.concat(hex"0001", account),
            bytes.concat(hex"0000", keccak256("code")),
            bytes.concat(hex"002c", new bytes(44), keccak256("code"))
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectPartialRevert(CompactProof.ProofMalformed.selector);
            harness.stateRootOfKey(bad[i], KEY, HASH);
        }
        bytes memory good = bytes.concat(hex"0002", account);
        vm.expectPartialRevert(CompactProofHarness.LengthMismatch.selector);
        harness.stateRootOfKey(bytes.concat(good, hex"00"), KEY, HASH);
    }

    // ------------------------------------------------------------------------------------------------ mutations

    /// @dev A trie with full, sparse and mixed branches, extensions, and leaves at great depth: a changed proof leads nowhere or
    /// to another root.
    /// forge-config: default.fuzz.runs = 10000
    function testFuzz_INV1_mutatedProof(uint256 seed) public {
        if (proofs.length == 0) _prepare();
        uint256 which = (seed >> 240) % proofs.length;
        bytes memory mutant = Mutation.make(proofs[which], seed);
        if (keccak256(mutant) == keccak256(proofs[which])) return;
        try harness.storageRootOfKey(mutant, keys[which]) returns (bytes32 found, bytes32) {
            assertNotEq(found, root, "a mutated proof leads to the root");
        } catch {}
    }

    function test_INV1_truncatedAtEveryLength() public {
        _prepare();
        for (uint256 i = 0; i < proofs.length; ++i) {
            for (uint256 length = 0; length < proofs[i].length; ++length) {
                bytes memory cut = proofs[i];
                assembly ("memory-safe") {
                    mstore(cut, length)
                }
                try harness.storageRootOfKey(cut, keys[i]) {
                    assertTrue(false, "a truncated proof was accepted");
                } catch {}
            }
        }
    }

    bytes[] internal proofs;
    bytes32[] internal keys;
    bytes32 internal root;

    function setUp() public {
        _prepare();
    }

    function _prepare() private {
        if (proofs.length != 0) return;
        bytes32[] memory all = new bytes32[](60);
        bytes[] memory values = new bytes[](60);
        for (uint256 i = 0; i < 60; ++i) {
            uint256 random = uint256(keccak256(abi.encode("crowd", i)));
            all[i] = bytes32(random);
            values[i] = Rlp.integer(random | 1);
            // A deep corner: keys that part in the last nibbles, with short values.
            if (i >= 44) {
                all[i] = bytes32((uint256(all[0]) & ~uint256(0xffffff)) | (i << 8) | (random & 0xff));
                values[i] = Rlp.integer(i % 5 == 0 ? random : i);
            }
        }
        Trie.Pairs memory trie = Trie.sorted(all, values);
        root = Trie.root(trie);
        for (uint256 i = 0; i < 60; i += 6) {
            keys.push(trie.keys[i]);
            keys.push(keccak256(abi.encode("absent", i)));
            keys.push(bytes32(uint256(trie.keys[i]) ^ (0x10 << (4 * (i % 12)))));
        }
        for (uint256 i = 0; i < keys.length; ++i) {
            proofs.push(Trie.storageProof(trie, keys[i]));
        }
    }

    // ------------------------------------------------------------------------------------------------ helpers

    function _accepted(bytes memory proof) private view {
        harness.storageRootOfKey(proof, KEY);
    }

    function _rejected(bytes memory proof) private {
        vm.expectPartialRevert(CompactProof.ProofMalformed.selector);
        harness.storageRootOfKey(proof, KEY);
    }

    function _wrongLength(bytes memory proof) private {
        vm.expectPartialRevert(CompactProofHarness.LengthMismatch.selector);
        harness.storageRootOfKey(proof, KEY);
    }

    function _hashes(uint256 count) private pure returns (bytes memory out) {
        for (uint256 i = 0; i < count; ++i) {
            out = abi.encodePacked(out, keccak256(abi.encode(i)));
        }
    }

    function _branch(uint16 children) private pure returns (bytes memory) {
        uint256 count;
        for (uint256 i = 0; i < 16; ++i) {
            count += children >> i & 1;
        }
        return bytes.concat(hex"01", bytes2(children), _hashes(count));
    }

    /// @dev A leaf's odd path from `depth` on, with a flag of one's choice.
    function _odd(uint8 flag, bytes32 key, uint256 depth) private pure returns (bytes memory out) {
        out = Trie.path(key, depth, 64, true);
        out[0] = bytes1((flag << 4) | (uint8(out[0]) & 0x0f));
    }

    /// @dev Steps up from `depth`: one extension, and a branch at the root.
    function _deep(uint256 depth) private pure returns (bytes memory) {
        return bytes.concat(bytes1(uint8(0x80 + depth - 1)), _branch(0x0001));
    }
}
