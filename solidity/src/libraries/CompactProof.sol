// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TrieNodes} from "./TrieNodes.sol";

/// @title Compact trie proofs, rebuilt from their end upwards (docs/reference/wire-formats.md §5).
/// @notice Nothing is compared here: the bytes lead to a root, and whoever calls decides whether it is the right one.
///
/// Positions are places in calldata. The reader only moves forwards and uses no byte that it does not move past, and what
/// calldata lacks reads as zero: so one comparison of the position after all reading with the end of the proof covers every
/// bound, and it is the caller's to make.
library CompactProof {
    /// @notice The proof breaks the format at this byte of calldata.
    error ProofMalformed(uint256 offset);

    /// @dev What a storage proof ends in.
    uint256 private constant SLOT_LEAF = 0;
    uint256 private constant EMPTY_PLACE = 1;
    uint256 private constant OTHER_LEAF = 2;
    uint256 private constant OTHER_EXTENSION = 3;
    uint256 private constant EMPTY_TRIE = 4;

    /// @dev Steps through a branch; EXTENSION + n passes n nibbles.
    uint256 private constant FULL_BRANCH = 0;
    uint256 private constant BRANCH = 1;
    uint256 private constant MIXED_BRANCH = 2;
    uint256 private constant EXTENSION = 0x80;

    uint256 private constant KEY_NIBBLES = 64;

    /// @dev keccak256 of the empty string's RLP.
    bytes32 internal constant EMPTY_ROOT = 0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421;

    /// @notice The place of a slot in its account's storage trie.
    function keyOf(bytes32 slot) internal pure returns (bytes32 key) {
        assembly ("memory-safe") {
            mstore(0x00, slot)
            key := keccak256(0x00, 0x20)
        }
    }

    /// @notice The place of an account in the state trie.
    function keyOf(address account) internal pure returns (bytes32 key) {
        assembly ("memory-safe") {
            mstore(0x00, shl(96, account))
            key := keccak256(0x00, 20)
        }
    }

    /// @notice Reads a storageProof.
    /// @param key keccak256 of the slot.
    /// @return root The storage root that the proof leads to.
    /// @return value The slot's word; 0 when the proof shows that it is absent.
    /// @return next The position after the proof.
    function storageRoot(uint256 position, bytes32 key, uint256 buffer)
        internal
        pure
        returns (bytes32 root, bytes32 value, uint256 next)
    {
        unchecked {
            uint256 depth;
            uint256 length;
            bytes32 node;
            if (_byteAt(position) == SLOT_LEAF) {
                (depth, length, node, value, next) = _slotLeaf(position, key, buffer);
            } else {
                (depth, length, node, next) = _absence(position, key, buffer);
            }
            (root, next) = _climb(next, depth, key, length, node, buffer);
        }
    }

    /// @notice Reads an accountProof.
    /// @param key keccak256 of the account.
    /// @param storageRoot_ The account's storage root.
    /// @return root The state root that the proof leads to.
    /// @return next The position after the proof.
    function stateRoot(uint256 position, bytes32 key, bytes32 storageRoot_, uint256 buffer)
        internal
        pure
        returns (bytes32 root, uint256 next)
    {
        unchecked {
            uint256 head = uint256(_wordAt(position));
            uint256 depth = head >> 248;
            uint256 size = (head >> 240) & 0xff;
            uint256 end = buffer + TrieNodes.PATH_END;
            uint256 flaws;
            // The leaf's value: a string that is a list of nonce, balance, storageRoot, codeHash; 68 to 109 bytes of payload,
            // so both headers have two bytes.
            assembly ("memory-safe") {
                flaws := or(gt(depth, KEY_NIBBLES), gt(sub(size, 2), 41))
                position := add(position, 2)
                mstore(end, shl(224, add(0xb844f842, mul(0x00010001, size))))
                end := add(end, 4)
                calldatacopy(end, position, size)
                end := add(end, size)
                position := add(position, size)
                mstore8(end, 0xa0)
                mstore(add(end, 1), storageRoot_)
                mstore8(add(end, 33), 0xa0)
                mstore(add(end, 34), calldataload(position))
                end := add(end, 66)
                position := add(position, 32)
            }
            if (flaws != 0) revert ProofMalformed(position);
            (uint256 length, bytes32 node) = TrieNodes.leaf(key, depth, buffer, end);
            return _climb(position, depth, key, length, node, buffer);
        }
    }

    /// @dev terminal 0.
    function _slotLeaf(uint256 position, bytes32 key, uint256 buffer)
        private
        pure
        returns (uint256 depth, uint256 length, bytes32 node, bytes32 value, uint256 next)
    {
        unchecked {
            uint256 end = buffer + TrieNodes.PATH_END;
            uint256 flaws;
            assembly ("memory-safe") {
                depth := byte(1, calldataload(position))
                let size := byte(2, calldataload(position))
                next := add(add(position, 3), size)
                let word := calldataload(add(position, 3))
                value := shr(sub(256, shl(3, size)), word)
                flaws := or(gt(depth, KEY_NIBBLES), or(gt(sub(size, 1), 31), iszero(byte(0, word))))

                // The value is a string in a string; one byte below 0x80 stands for itself in both.
                switch lt(value, 0x80)
                case 0 {
                    mstore(end, shl(240, add(0x8180, mul(0x0101, size))))
                    mstore(add(end, 2), word)
                    end := add(add(end, 2), size)
                }
                default {
                    mstore(end, word)
                    end := add(end, 1)
                }
            }
            if (flaws != 0) revert ProofMalformed(position);
            (length, node) = TrieNodes.leaf(key, depth, buffer, end);
        }
    }

    /// @dev Any other terminal. The empty trie is what is above depth 0 in any case.
    function _absence(uint256 position, bytes32 key, uint256 buffer)
        private
        pure
        returns (uint256 depth, uint256 length, bytes32 node, uint256 next)
    {
        unchecked {
            uint256 terminal = _byteAt(position);
            if (terminal == EMPTY_TRIE) return (0, TrieNodes.HASHED, EMPTY_ROOT, position + 1);
            depth = _byteAt(position + 1);
            if (terminal > EMPTY_TRIE || depth > KEY_NIBBLES) revert ProofMalformed(position);
            next = position + 2;
            if (terminal == EMPTY_PLACE) {
                if (depth == 0 || _byteAt(next) > MIXED_BRANCH) revert ProofMalformed(position);
            } else if (terminal == OTHER_LEAF) {
                (length, node, next) = _otherLeaf(next, depth, key, buffer);
            } else {
                (length, node, next) = _otherExtension(next, depth, key, buffer);
            }
        }
    }

    /// @dev terminal 2, after its depth: a leaf stands where the key's leaf would stand.
    function _otherLeaf(uint256 position, uint256 depth, bytes32 key, uint256 buffer)
        private
        pure
        returns (uint256 length, bytes32 node, uint256 next)
    {
        unchecked {
            // The path: as many nibbles as the key has left, but others.
            uint256 count = KEY_NIBBLES - depth;
            uint256 path = _readPath(position, count);
            if (_pathFlag(position) != (TrieNodes.LEAF_FLAG | (count & 1)) || path == _rest(key, depth)) {
                revert ProofMalformed(position);
            }
            // Of an even path the flag's byte has nothing else to say.
            if (count & 1 == 0 && _byteAt(position) & 0x0f != 0) revert ProofMalformed(position);
            position += 1 + (count >> 1);

            // The value: one canonical string.
            uint256 size = _byteAt(position);
            ++position;
            uint256 first = _byteAt(position);
            if (size == 1) {
                if (first > 0x80) revert ProofMalformed(position);
            } else {
                if (size - 2 > 31 || first != 0x7f + size) revert ProofMalformed(position);
                if (size == 2 && _byteAt(position + 1) < 0x80) revert ProofMalformed(position);
            }
            next = position + size;

            uint256 start = TrieNodes.writePath(buffer + TrieNodes.PATH_END, path, count, TrieNodes.LEAF_FLAG);
            uint256 end = buffer + TrieNodes.PATH_END;
            assembly ("memory-safe") {
                // As a string in the node; one byte below 0x80 stands for itself.
                if or(gt(size, 1), eq(first, 0x80)) {
                    mstore8(end, add(0x80, size))
                    end := add(end, 1)
                }
                calldatacopy(end, position, size)
                end := add(end, size)
            }
            (length, node) = TrieNodes.closeList(start, end);
        }
    }

    /// @dev terminal 3, after its depth: an extension leads away from the key.
    function _otherExtension(uint256 position, uint256 depth, bytes32 key, uint256 buffer)
        private
        pure
        returns (uint256 length, bytes32 node, uint256 next)
    {
        unchecked {
            // The path: at least a nibble, at most what the key has left, and not how the key goes on.
            uint256 size = _byteAt(position);
            ++position;
            uint256 flag = _pathFlag(position);
            uint256 left = KEY_NIBBLES - depth;
            // `size` 0 gives a count that is far too high.
            uint256 count = ((size - 1) << 1) + flag;
            if (flag > 1 || count - 1 > left - 1 || left == 0) revert ProofMalformed(position);
            if (flag == 0 && _byteAt(position) != 0) revert ProofMalformed(position);
            uint256 path = _readPath(position, count);
            if (path == _rest(key, depth) >> ((left - count) << 2)) revert ProofMalformed(position);
            position += size;

            // The child: a hash, or a list as long as its first byte says.
            size = _byteAt(position);
            ++position;
            if (size != TrieNodes.HASHED && (size - 1 > 30 || _byteAt(position) != 0xbf + size)) {
                revert ProofMalformed(position);
            }
            next = position + size;

            (length, node) = TrieNodes.extension(path, count, size, _wordAt(position), buffer);
        }
    }

    /// @dev Makes the nodes above a node, up to the root.
    /// @param depth Nibbles of the key above the node.
    function _climb(uint256 position, uint256 depth, bytes32 key, uint256 length, bytes32 node, uint256 buffer)
        private
        pure
        returns (bytes32 root, uint256 next)
    {
        unchecked {
            while (true) {
                // The root is a hash even of a node that a parent would embed.
                while (length != TrieNodes.HASHED) {
                    if (depth == 0) return (_hash(length, node), position);
                    (position, depth, length, node) = _anyStep(position, depth, key, length, node, buffer);
                }
                // Almost every step is one among hashes.
                while (true) {
                    if (depth == 0) return (node, position);
                    uint256 head = uint256(_wordAt(position));
                    uint256 index = (uint256(key) >> (256 - (depth << 2))) & 15;
                    if (head >> 248 == FULL_BRANCH) {
                        node = TrieNodes.fullBranch(position + 1, index, node, buffer);
                        position += 1 + 15 * 32;
                    } else {
                        // Below 2^16 only for BRANCH; with siblings, and ours not among them.
                        uint256 siblings = (head >> 232) ^ (BRANCH << 16);
                        if ((siblings | ((siblings & (0x8000 >> index)) << 16)) - 1 >= 0xffff) break;
                        (node, position) = TrieNodes.hashedBranch(position + 3, siblings, index, node, buffer);
                    }
                    --depth;
                }
                (position, depth, length, node) = _anyStep(position, depth, key, length, node, buffer);
            }
        }
    }

    /// @dev A step of any kind.
    function _anyStep(uint256 position, uint256 depth, bytes32 key, uint256 length, bytes32 node, uint256 buffer)
        private
        pure
        returns (uint256, uint256, uint256, bytes32)
    {
        unchecked {
            uint256 kind = _byteAt(position);
            // The nibbles above the node, the nearest lowest.
            uint256 path = uint256(key) >> (256 - (depth << 2));
            if (kind <= MIXED_BRANCH) {
                (position, length, node) = _anyBranch(position, kind, path & 15, length, node, buffer);
                return (position, depth - 1, length, node);
            }
            uint256 count = kind - EXTENSION;
            if (count - 1 > KEY_NIBBLES - 2 || count > depth) revert ProofMalformed(position);
            (length, node) = TrieNodes.extension(path & ((1 << (count << 2)) - 1), count, length, node, buffer);
            return (position + 1, depth - count, length, node);
        }
    }

    /// @dev A step through a branch with children of any kind, `position` at its first byte.
    function _anyBranch(uint256 position, uint256 kind, uint256 index, uint256 length, bytes32 node, uint256 buffer)
        private
        pure
        returns (uint256, uint256, bytes32)
    {
        unchecked {
            // Masks of the other children; bit 15 stands for child 0.
            uint256 own = 0x8000 >> index;
            uint256 hashed = 0xffff ^ own;
            uint256 embedded = 0;
            uint256 next = position + 1;
            if (kind != FULL_BRANCH) {
                hashed = uint256(_wordAt(next)) >> 240;
                next += 2;
                if (kind == MIXED_BRANCH) {
                    embedded = uint256(_wordAt(next)) >> 240;
                    next += 2;
                }
                if ((hashed | embedded) & own | (hashed & embedded) != 0) revert ProofMalformed(position);
            }
            // The embedded children follow the hashes.
            uint256 hashes = next;
            for (uint256 mask = hashed; mask != 0; mask &= mask - 1) {
                next += 32;
            }
            uint256 start = buffer + TrieNodes.PAYLOAD_START;
            uint256 end = start;
            for (uint256 child = 0; child < 16; ++child) {
                uint256 bit = 0x8000 >> child;
                if (bit == own) {
                    end = TrieNodes.writeNode(end, length, node);
                } else if (hashed & bit != 0) {
                    end = TrieNodes.writeNode(end, TrieNodes.HASHED, _wordAt(hashes));
                    hashes += 32;
                } else if (embedded & bit != 0) {
                    // A list of less than 32 bytes says its length in its first.
                    uint256 size = _byteAt(next) - 0xbf;
                    if (size - 1 > 30) revert ProofMalformed(next);
                    end = TrieNodes.writeNode(end, size, _wordAt(next));
                    next += size;
                } else {
                    end = TrieNodes.writeNode(end, 0, 0);
                }
            }
            // A branch of a trie of fixed-length keys has no value.
            end = TrieNodes.writeNode(end, 0, 0);
            (length, node) = TrieNodes.closeList(start, end);
            return (next, length, node);
        }
    }

    function _hash(uint256 length, bytes32 node) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore(0x00, node)
            hash := keccak256(0x00, length)
        }
    }

    /// @dev The nibbles of a key below `depth`.
    function _rest(bytes32 key, uint256 depth) private pure returns (uint256) {
        unchecked {
            return uint256(key) & (type(uint256).max >> (depth << 2));
        }
    }

    /// @dev The first nibble of a hex-prefix path.
    function _pathFlag(uint256 position) private pure returns (uint256) {
        return _byteAt(position) >> 4;
    }

    /// @dev The nibbles of a hex-prefix path that has `count` of them.
    function _readPath(uint256 position, uint256 count) private pure returns (uint256) {
        unchecked {
            // An odd path's first nibble shares the flag's byte.
            uint256 word = count & 1 == 0 ? uint256(_wordAt(position + 1)) : uint256(_wordAt(position)) << 4;
            return word >> (256 - (count << 2));
        }
    }

    function _byteAt(uint256 position) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := byte(0, calldataload(position))
        }
    }

    function _wordAt(uint256 position) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(position)
        }
    }
}
