// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Test} from "../../support/Test.sol";
import {PlainSsz} from "./support/PlainSsz.sol";
import {SszTreeHarness} from "./support/SszTreeHarness.sol";

/// @title Multiproofs against whole trees, and numbers as SSZ writes them.
contract SszTreeTest is Test {
    SszTreeHarness internal harness = SszTreeHarness(deployed("SszTreeHarness"));

    function testFuzz_multiproof(uint256 seed, uint256 mask) public view {
        uint256 leaves = 8 << (seed % 4);
        if (seed >> 200 & 1 != 0) mask &= seed >> 8;
        mask &= (1 << leaves) - 1;
        if (mask == 0) mask = 1 << (seed % leaves);
        _check(leaves, mask);
    }

    function test_multiproof_oneAndAll() public view {
        for (uint256 leaves = 1; leaves <= 64; leaves *= 2) {
            for (uint256 i = 0; i < leaves; ++i) {
                _check(leaves, 1 << i);
            }
            _check(leaves, (1 << leaves) - 1);
        }
    }

    function testFuzz_numbers(uint64 value, bytes8 after_) public view {
        bytes memory wire = bytes.concat(PlainSsz.number(value), after_);
        assertEq(harness.number(wire), value);
        assertEq(harness.numberLeaf(wire), bytes32(PlainSsz.number(value)));
    }

    function test_gas() public {
        (uint256[] memory places, bytes32[] memory nodes, bytes memory siblings) =
            _parts(PlainSsz.filler(512, 512, 1), 1);
        (,, uint256 gas) = harness.multiproof(512, places, nodes, siblings);
        vm.snapshotValue("ethereum", "multiproof of one of 512", gas);
    }

    function _check(uint256 leaves, uint256 mask) private view {
        bytes32[] memory tree = PlainSsz.filler(leaves, leaves, mask);
        (uint256[] memory places, bytes32[] memory nodes, bytes memory siblings) = _parts(tree, mask);
        (bytes32 root, uint256 read,) = harness.multiproof(leaves, places, nodes, siblings);
        assertEq(root, PlainSsz.root(tree));
        assertEq(read, siblings.length);
    }

    function _parts(bytes32[] memory tree, uint256 mask)
        private
        pure
        returns (uint256[] memory places, bytes32[] memory nodes, bytes memory siblings)
    {
        bool[] memory marked = new bool[](tree.length);
        uint256 count = 0;
        for (uint256 i = 0; i < tree.length && i < 256; ++i) {
            marked[i] = mask >> i & 1 != 0;
            if (marked[i]) ++count;
        }
        (places, nodes) = (new uint256[](count), new bytes32[](count));
        for (uint256 i = tree.length; i > 0; --i) {
            if (!marked[i - 1]) continue;
            --count;
            (places[count], nodes[count]) = (i - 1, tree[i - 1]);
        }
        siblings = PlainSsz.siblings(tree, marked);
    }
}
