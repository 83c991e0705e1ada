// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Trees of SSZ (consensus-specs, ssz/simple-serialize.md), rebuilt from their leaves.
library SszTree {
    /// @notice SHA-256 was not answered: gas ran out.
    error HashFailed();

    /// @dev hash(0, 0).
    bytes32 internal constant ZERO_PAIR = 0xf5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b;

    /// @notice SHA-256 of two roots.
    function hash(bytes32 left, bytes32 right) internal view returns (bytes32 root) {
        bool done;
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            done := staticcall(gas(), 2, 0x00, 0x40, 0x00, 0x20)
            root := mload(0x00)
        }
        if (!done) revert HashFailed();
    }

    /// @notice A number's leaf, from its 8 bytes in calldata.
    function numberLeaf(uint256 position) internal pure returns (bytes32 leaf) {
        assembly ("memory-safe") {
            leaf := shl(192, shr(192, calldataload(position)))
        }
    }

    /// @notice A number, from its 8 little-endian bytes in calldata.
    function number(uint256 position) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(192, calldataload(position))
            value := or(and(shr(8, value), 0x00ff00ff00ff00ff), shl(8, and(value, 0x00ff00ff00ff00ff)))
            value := or(and(shr(16, value), 0x0000ffff0000ffff), shl(16, and(value, 0x0000ffff0000ffff)))
            value := or(shr(32, value), shl(32, and(value, 0xffffffff)))
        }
    }

    // multiproof means an exclusive or, not a power.
    // slither-disable-start incorrect-exp

    /// @notice Rebuilds a root from some of its leaves.
    /// @param nodes The last thing in memory: (generalized index, leaf) of each, at least one, by ascending index.
    /// @param end Where they end.
    /// @param position Where the siblings stand that can't be computed: level by level from the leaves, by ascending place.
    /// @return root The only node that is left.
    /// @return next The position after the siblings.
    function multiproof(uint256 nodes, uint256 end, uint256 position)
        internal
        view
        returns (bytes32 root, uint256 next)
    {
        bool done;
        assembly ("memory-safe") {
            done := 1
            next := position
            // A queue: parents come after the last node of the level below.
            for { let index := mload(nodes) } gt(index, 1) { index := mload(nodes) } {
                let side := and(shl(5, index), 0x20)
                mstore(side, mload(add(nodes, 0x20)))
                nodes := add(nodes, 0x40)
                mstore(end, shr(1, index))
                end := add(end, 0x20)
                // The right neighbour of a left node comes next, if it is here.
                switch eq(mload(nodes), xor(index, 1))
                case 0 {
                    mstore(xor(side, 0x20), calldataload(next))
                    next := add(next, 0x20)
                }
                default {
                    mstore(0x20, mload(add(nodes, 0x20)))
                    nodes := add(nodes, 0x40)
                }
                done := and(staticcall(gas(), 2, 0x00, 0x40, end, 0x20), done)
                end := add(end, 0x20)
            }
            root := mload(add(nodes, 0x20))
            mstore(0x40, end)
        }
        if (!done) revert HashFailed();
    }

    // slither-disable-end incorrect-exp
}
