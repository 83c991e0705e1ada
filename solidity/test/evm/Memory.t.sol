// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Memory} from "@postroad/evm/Memory.sol";
import {Test} from "../support/Test.sol";

/// @title A copy writes what it should and nothing else, in the build that is tested.
contract MemoryTest is Test {
    uint256 private constant ROOM = 512;

    function testFuzz_copies_and_writes_no_other_byte(uint256 seed, uint256 to, uint256 from, uint256 size)
        public
        pure
    {
        size = bound(size, 0, 200);
        to = bound(to, 0, 255);
        from = bound(from, 256, ROOM - size);
        _check(seed, to, from, size);
    }

    /// @dev Overlapping places, the target below.
    function testFuzz_moves_down(uint256 seed, uint256 to, uint256 distance, uint256 size) public pure {
        size = bound(size, 0, 200);
        to = bound(to, 0, 100);
        distance = bound(distance, 0, 100);
        _check(seed, to, to + distance, size);
    }

    function test_sizes_and_distances_around_whole_words() public pure {
        uint8[8] memory edges = [0, 1, 31, 32, 33, 63, 64, 65];
        for (uint256 i = 0; i < edges.length; ++i) {
            for (uint256 j = 0; j < edges.length; ++j) {
                _check(i * j, 7, 7 + edges[j], edges[i]);
            }
        }
    }

    function _check(uint256 seed, uint256 to, uint256 from, uint256 size) private pure {
        bytes memory area = new bytes(ROOM);
        bytes memory expected = new bytes(ROOM);
        for (uint256 i = 0; i < ROOM; ++i) {
            area[i] = bytes32(uint256(keccak256(abi.encode(seed, i / 32))))[i % 32];
            expected[i] = area[i];
        }
        for (uint256 i = 0; i < size; ++i) {
            expected[to + i] = area[from + i];
        }
        uint256 start;
        assembly ("memory-safe") {
            start := add(area, 0x20)
        }
        Memory.copy(start + to, start + from, size);
        assertEq(area, expected);
    }
}
