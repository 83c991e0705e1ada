// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title SSZ trees in their plainest form: whole, from all leaves. What the contracts rebuild from a few must agree.
library PlainSsz {
    function hash(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(left, right));
    }

    /// @notice A number as it is serialized: 8 bytes, little-endian.
    function number(uint64 value) internal pure returns (bytes memory out) {
        out = new bytes(8);
        for (uint256 i = 0; i < 8; ++i) {
            out[i] = bytes1(uint8(value >> (8 * i)));
        }
    }

    function numberLeaf(uint64 value) internal pure returns (bytes32) {
        return bytes32(number(value));
    }

    function keyLeaf(bytes memory compressed) internal pure returns (bytes32) {
        require(compressed.length == 48, "a compressed key has 48 bytes");
        return sha256(bytes.concat(compressed, bytes16(0)));
    }

    /// @notice The root over leaves, as many as a power of two.
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        bytes32[] memory level = leaves;
        while (level.length > 1) level = above(level);
        return level[0];
    }

    function above(bytes32[] memory level) internal pure returns (bytes32[] memory parents) {
        parents = new bytes32[](level.length / 2);
        for (uint256 i = 0; i < parents.length; ++i) {
            parents[i] = hash(level[2 * i], level[2 * i + 1]);
        }
    }

    /// @notice The root over leaves from..to.
    function part(bytes32[] memory leaves, uint256 from, uint256 to) internal pure returns (bytes32) {
        bytes32[] memory some = new bytes32[](to - from);
        for (uint256 i = from; i < to; ++i) {
            some[i - from] = leaves[i];
        }
        return root(some);
    }

    /// @notice Siblings on a leaf's way, from its neighbour upwards.
    function branch(bytes32[] memory leaves, uint256 index) internal pure returns (bytes memory out) {
        for (bytes32[] memory level = leaves; level.length > 1; level = above(level)) {
            out = bytes.concat(out, level[index ^ 1]);
            index >>= 1;
        }
    }

    /// @notice Siblings that marked leaves need, level by level from the leaves, by ascending place.
    function siblings(bytes32[] memory leaves, bool[] memory marked) internal pure returns (bytes memory out) {
        for (bytes32[] memory level = leaves; level.length > 1; level = above(level)) {
            bool[] memory known = new bool[](level.length / 2);
            for (uint256 i = 0; i < level.length; ++i) {
                if (!marked[i]) continue;
                known[i / 2] = true;
                if (!marked[i ^ 1]) out = bytes.concat(out, level[i ^ 1]);
            }
            marked = known;
        }
    }

    /// @notice Leaves of no meaning, distinct by salt and place.
    function filler(uint256 count, uint256 used, uint256 salt) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < used; ++i) {
            leaves[i] = keccak256(abi.encode("leaf", salt, i));
        }
    }
}
