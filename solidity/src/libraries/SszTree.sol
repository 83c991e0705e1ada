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

    /// @notice Rebuilds a root from some of its leaves.
    /// @param nodes Memory with (place, leaf) for each, by ascending place. It is used up.
    /// @param count How many, at least one.
    /// @param leaves How many the tree has, a power of two.
    /// @param position Where the siblings stand that can't be computed: level by level from the leaves, by ascending place.
    /// @return root The only node that is left.
    /// @return next The position after the siblings.
    function multiproof(uint256 nodes, uint256 count, uint256 leaves, uint256 position)
        internal
        view
        returns (bytes32 root, uint256 next)
    {
        bool done;
        assembly ("memory-safe") {
            done := 1
            next := position
            let end := add(nodes, shl(6, count))
            for {} gt(leaves, 1) { leaves := shr(1, leaves) } {
                // A level's nodes are read, and their parents written over them.
                let to := nodes
                for { let from := nodes } lt(from, end) {} {
                    let place := mload(from)
                    let side := shl(5, and(place, 1))
                    mstore(side, mload(add(from, 0x20)))
                    from := add(from, 0x40)
                    // The right neighbour of a left node comes next, if it is here.
                    switch and(lt(from, end), eq(mload(from), or(place, 1)))
                    case 0 {
                        mstore(xor(side, 0x20), calldataload(next))
                        next := add(next, 0x20)
                    }
                    default {
                        mstore(0x20, mload(add(from, 0x20)))
                        from := add(from, 0x40)
                    }
                    mstore(to, shr(1, place))
                    done := and(done, staticcall(gas(), 2, 0x00, 0x40, add(to, 0x20), 0x20))
                    to := add(to, 0x40)
                }
                end := to
            }
            root := mload(add(nodes, 0x20))
        }
        if (!done) revert HashFailed();
    }
}
