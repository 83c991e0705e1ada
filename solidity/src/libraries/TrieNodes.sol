// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Nodes of a Merkle-Patricia trie, built in memory from below (yellow paper, appendix D).
/// @notice A node is handed upwards as (length, node): (32, its hash), or (1..31, its bytes from the left) where the parent
/// embeds it, or (0, -) for an empty place.
library TrieNodes {
    /// @dev Hex-prefix flags; the low bit stands for an odd number of nibbles.
    uint256 internal constant LEAF_FLAG = 2;
    uint256 internal constant EXTENSION_FLAG = 0;

    /// @notice The length of a node that is handed upwards by its hash.
    uint256 internal constant HASHED = 32;

    /// @notice A node being built: the largest branch has 529 bytes and its header, which is written right-aligned in a word.
    uint256 internal constant NODE_SIZE = 0x240;
    /// @notice Where paths end: before it lie the longest path, 34 bytes with its header, and a word with the list's header.
    uint256 internal constant PATH_END = 0x60;
    /// @notice Where the payload of a branch begins that is written forwards.
    uint256 internal constant PAYLOAD_START = 0x20;
    /// @dev After the node, the place of the full branch, or 0 while there is none.
    uint256 private constant FULL_BRANCH = 0x240;
    uint256 private constant BUFFER_SIZE = 0x260;

    /// @notice The place where nodes are rebuilt, for all proofs of one call. Between proofs its first 192 bytes are free.
    function allocateBuffer() internal pure returns (uint256 buffer) {
        assembly ("memory-safe") {
            buffer := mload(0x40)
            mstore(0x40, add(buffer, BUFFER_SIZE))
            mstore(add(buffer, FULL_BRANCH), 0)
        }
    }

    /// @notice The leaf of a key below `depth` nibbles, its value being written from PATH_END to `end`.
    function leaf(bytes32 key, uint256 depth, uint256 buffer, uint256 end)
        internal
        pure
        returns (uint256 length, bytes32 node)
    {
        unchecked {
            uint256 nibbles = uint256(key) & (type(uint256).max >> (depth << 2));
            return closeList(writePath(buffer + PATH_END, nibbles, 64 - depth, LEAF_FLAG), end);
        }
    }

    /// @notice An extension over `count` nibbles, at least one, to a node.
    function extension(uint256 nibbles, uint256 count, uint256 length, bytes32 node, uint256 buffer)
        internal
        pure
        returns (uint256, bytes32)
    {
        unchecked {
            uint256 start = writePath(buffer + PATH_END, nibbles, count, EXTENSION_FLAG);
            return closeList(start, writeNode(buffer + PATH_END, length, node));
        }
    }

    // fullBranch means an exclusive or, not a power; in hashedBranch it is 1 that is shifted.
    // slither-disable-start incorrect-exp,incorrect-shift

    /// @notice A branch of sixteen hashes: 15 at `hashes`, and `node` as child `index`.
    function fullBranch(uint256 hashes, uint256 index, bytes32 node, uint256 buffer)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            // In such a branch only the hashes change from one to the next: the rest of its 532 bytes is made once.
            let branch := mload(add(buffer, FULL_BRANCH))
            if iszero(branch) {
                branch := mload(0x40)
                mstore(0x40, add(branch, 0x220))
                mstore(add(buffer, FULL_BRANCH), branch)
                mstore(branch, shl(232, 0xf90211))
                for { let tag := add(branch, 3) } lt(tag, add(branch, 531)) { tag := add(tag, 132) } {
                    mstore8(tag, 0xa0)
                    mstore8(add(tag, 33), 0xa0)
                    mstore8(add(tag, 66), 0xa0)
                    mstore8(add(tag, 99), 0xa0)
                }
                mstore8(add(branch, 531), 0x80)
            }

            // The 15 others are the half that the index is not in, the quarter of its half, the pair of its quarter, and its
            // neighbour. Each of these runs lies together both in calldata and in the node, so nothing is tested inside of
            // it. `hashes` lacks the index itself: a run after it begins 32 bytes earlier there.
            let children := add(branch, 4)

            let run := xor(and(index, 8), 8)
            let from := add(hashes, mul(28, run))
            let to := add(children, mul(33, run))
            mstore(to, calldataload(from))
            mstore(add(to, 33), calldataload(add(from, 32)))
            mstore(add(to, 66), calldataload(add(from, 64)))
            mstore(add(to, 99), calldataload(add(from, 96)))
            mstore(add(to, 132), calldataload(add(from, 128)))
            mstore(add(to, 165), calldataload(add(from, 160)))
            mstore(add(to, 198), calldataload(add(from, 192)))
            mstore(add(to, 231), calldataload(add(from, 224)))

            run := xor(and(index, 12), 4)
            from := add(hashes, sub(shl(5, run), shl(3, and(run, 4))))
            to := add(children, mul(33, run))
            mstore(to, calldataload(from))
            mstore(add(to, 33), calldataload(add(from, 32)))
            mstore(add(to, 66), calldataload(add(from, 64)))
            mstore(add(to, 99), calldataload(add(from, 96)))

            run := xor(and(index, 14), 2)
            from := add(hashes, sub(shl(5, run), shl(4, and(run, 2))))
            to := add(children, mul(33, run))
            mstore(to, calldataload(from))
            mstore(add(to, 33), calldataload(add(from, 32)))

            run := xor(index, 1)
            from := add(hashes, sub(shl(5, run), shl(5, and(run, 1))))
            mstore(add(children, mul(33, run)), calldataload(from))

            mstore(add(children, mul(33, index)), node)
            hash := keccak256(branch, 532)
        }
    }

    /// @notice A branch of hashes: those of `children`, a mask of at least one with bit 15 for child 0, stand in order at
    /// `hashes`, and `node` is child `index`, which the mask lacks.
    function hashedBranch(uint256 hashes, uint256 children, uint256 index, bytes32 node, uint256 buffer)
        internal
        pure
        returns (bytes32 hash, uint256 next)
    {
        assembly ("memory-safe") {
            // Sixteen copies of a mask side by side, of each another bit, and their sum as a remainder.
            function countBits(mask) -> bits {
                bits := mul(mask, 0x8000400020001000080004000200010000800040002000100008000400020001)
                bits := and(bits, 0x8000800080008000800080008000800080008000800080008000800080008000)
                bits := mod(shr(15, bits), 0xffff)
            }

            // The node from its end to its front. With each hash go 31 bytes of 0x80 before its tag, for absent children; the
            // hash before it overwrites the rest of them. A mask's lowest bit is m & -m, and powers of two below 2^16 leave
            // distinct remainders by 19, which a table leads to their exponents: the child of bit e, with k children after
            // it, has its tag 34 + e + 32 * k bytes before the end.
            let size := shl(5, countBits(children))
            next := add(hashes, size)
            let end := add(buffer, NODE_SIZE)
            mstore(sub(end, 32), 0x8080808080808080808080808080808080808080808080808080808080808080)
            let exponent := sub(15, index)
            let own := shl(exponent, 1)
            let ownGap := sub(sub(end, 65), add(exponent, shl(5, countBits(and(children, sub(own, 1))))))
            mstore(ownGap, 0x80808080808080808080808080808080808080808080808080808080808080a0)
            let source := next
            let shift := sub(sub(end, 33), next)
            for { let mask := children } mask {} {
                let lowest := and(mask, sub(0, mask))
                mask := xor(mask, lowest)
                source := sub(source, 32)
                let gap :=
                    sub(
                        add(source, shift),
                        add(
                            byte(mod(lowest, 19), 0x0000010d02000e060308000c0f05070b040a0900000000000000000000000000),
                            shl(5, gt(lowest, own))
                        )
                    )
                mstore(gap, 0x80808080808080808080808080808080808080808080808080808080808080a0)
                mstore(add(gap, 32), calldataload(source))
            }
            // Ours last: the gap of the child after it has fallen on it.
            mstore(add(ownGap, 32), node)

            // 17 bytes and 32 more for each child: 81 with two, 241 with seven, 273 with eight.
            let payload := add(size, 49)
            let start := sub(end, payload)
            switch gt(payload, 0xff)
            case 0 {
                mstore(sub(start, 32), or(0xf800, payload))
                hash := keccak256(sub(start, 2), add(payload, 2))
            }
            default {
                mstore(sub(start, 32), or(0xf90000, payload))
                hash := keccak256(sub(start, 3), add(payload, 3))
            }
        }
    }

    // slither-disable-end incorrect-exp,incorrect-shift

    /// @notice Writes what stands for a node in its parent, and returns where that ends.
    function writeNode(uint256 place, uint256 length, bytes32 node) internal pure returns (uint256 end) {
        assembly ("memory-safe") {
            switch length
            case 32 {
                mstore8(place, 0xa0)
                mstore(add(place, 1), node)
                end := add(place, 33)
            }
            case 0 {
                mstore8(place, 0x80)
                end := add(place, 1)
            }
            default {
                mstore(place, node)
                end := add(place, length)
            }
        }
    }

    /// @notice Writes a hex-prefix path as an RLP string that stops before `end`, and returns where it begins.
    function writePath(uint256 end, uint256 nibbles, uint256 count, uint256 flag)
        internal
        pure
        returns (uint256 start)
    {
        assembly ("memory-safe") {
            // An odd path's first nibble shares the flag's byte; an even path has a zero there.
            let odd := and(count, 1)
            let size := add(shr(1, count), 1)
            start := sub(end, size)
            mstore(sub(end, 32), or(nibbles, shl(shl(2, sub(add(count, 1), odd)), or(flag, odd))))
            // 64 nibbles fill the word by themselves.
            if eq(size, 33) { mstore8(start, shl(4, flag)) }
            // One byte is below 0x80 and stands for itself.
            if gt(size, 1) {
                start := sub(start, 1)
                mstore8(start, add(0x80, size))
            }
        }
    }

    /// @notice Writes the list's header before `start`, and returns the node as its parent refers to it.
    function closeList(uint256 start, uint256 end) internal pure returns (uint256 length, bytes32 node) {
        assembly ("memory-safe") {
            let payload := sub(end, start)
            switch lt(sub(payload, 56), 200)
            case 1 {
                mstore(sub(start, 32), or(0xf800, payload))
                length := 32
                node := keccak256(sub(start, 2), add(payload, 2))
            }
            default {
                switch gt(payload, 0xff)
                case 1 {
                    mstore(sub(start, 32), or(0xf90000, payload))
                    length := 32
                    node := keccak256(sub(start, 3), add(payload, 3))
                }
                default {
                    mstore(sub(start, 32), add(0xc0, payload))
                    start := sub(start, 1)
                    length := sub(end, start)
                    node := mload(start)
                    if gt(length, 31) {
                        node := keccak256(start, length)
                        length := 32
                    }
                }
            }
        }
    }
}
