// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Rlp} from "./Rlp.sol";

/// @title A Merkle-Patricia trie of 32-byte keys, built whole from the top, and compact proofs of it
/// (docs/reference/wire-formats.md §5).
/// @notice Keys must be in ascending order and distinct. Values are what leaves hold.
library Trie {
    struct Pairs {
        bytes32[] keys;
        bytes[] values;
    }

    function sorted(bytes32[] memory keys, bytes[] memory values) internal pure returns (Pairs memory) {
        for (uint256 i = 1; i < keys.length; ++i) {
            for (uint256 j = i; j > 0 && keys[j] < keys[j - 1]; --j) {
                (keys[j], keys[j - 1]) = (keys[j - 1], keys[j]);
                (values[j], values[j - 1]) = (values[j - 1], values[j]);
            }
        }
        return Pairs(keys, values);
    }

    function root(Pairs memory trie) internal pure returns (bytes32) {
        return keccak256(node(trie, 0, trie.keys.length, 0));
    }

    /// @notice A storageProof of a key, which may be absent.
    function storageProof(Pairs memory trie, bytes32 key) internal pure returns (bytes memory) {
        return _prove(trie, 0, trie.keys.length, 0, key);
    }

    /// @notice An accountProof of a key that is there, its value being an account's RLP with a long list.
    function accountProof(Pairs memory trie, bytes32 key) internal pure returns (bytes memory) {
        bytes memory proof = _prove(trie, 0, trie.keys.length, 0, key);
        uint256 index;
        while (trie.keys[index] != key) ++index;
        bytes memory value = trie.values[index];
        // 0xf8 length ‖ nonce ‖ balance ‖ 0xa0 storageRoot ‖ 0xa0 codeHash
        bytes memory numbers = slice(value, 2, value.length - 66);
        bytes memory codeHash = slice(value, value.length - 32, value.length);
        // The steps come after terminal ‖ depth ‖ length ‖ value.
        bytes memory steps = slice(proof, 3 + uint8(proof[2]), proof.length);
        return bytes.concat(proof[1], bytes1(uint8(numbers.length)), numbers, codeHash, steps);
    }

    function account(uint256 nonce, uint256 balance, bytes32 storageRoot, bytes32 codeHash)
        internal
        pure
        returns (bytes memory)
    {
        return
            Rlp.list(bytes.concat(Rlp.integer(nonce), Rlp.integer(balance), Rlp.word(storageRoot), Rlp.word(codeHash)));
    }

    function node(Pairs memory trie, uint256 low, uint256 high, uint256 depth) internal pure returns (bytes memory) {
        if (low == high) return hex"80";
        bytes32 key = trie.keys[low];
        if (high - low == 1) {
            return Rlp.list(bytes.concat(Rlp.string_(path(key, depth, 64, true)), Rlp.string_(trie.values[low])));
        }
        uint256 common = commonNibbles(key, trie.keys[high - 1], depth);
        if (common != 0) {
            return Rlp.list(
                bytes.concat(
                    Rlp.string_(path(key, depth, depth + common, false)), referTo(node(trie, low, high, depth + common))
                )
            );
        }
        bytes memory children;
        for (uint256 i = 0; i < 16; ++i) {
            (uint256 from, uint256 to) = group(trie, low, high, depth, i);
            children = bytes.concat(children, referTo(node(trie, from, to, depth + 1)));
        }
        return Rlp.list(bytes.concat(children, hex"80"));
    }

    function referTo(bytes memory node_) internal pure returns (bytes memory) {
        return node_.length < 32 ? node_ : Rlp.word(keccak256(node_));
    }

    function _prove(Pairs memory trie, uint256 low, uint256 high, uint256 depth, bytes32 key)
        private
        pure
        returns (bytes memory)
    {
        if (low == high) return hex"04";
        if (high - low == 1) {
            if (trie.keys[low] == key) {
                bytes memory value = _unwrap(trie.values[low]);
                return bytes.concat(abi.encodePacked(uint8(0), uint8(depth), uint8(value.length)), value);
            }
            return bytes.concat(
                abi.encodePacked(uint8(2), uint8(depth)),
                path(trie.keys[low], depth, 64, true),
                bytes1(uint8(trie.values[low].length)),
                trie.values[low]
            );
        }
        uint256 common = commonNibbles(trie.keys[low], trie.keys[high - 1], depth);
        if (common != 0) {
            if (commonNibbles(trie.keys[low], key, depth) < common) {
                bytes memory other = path(trie.keys[low], depth, depth + common, false);
                bytes memory child = node(trie, low, high, depth + common);
                if (child.length >= 32) child = abi.encodePacked(keccak256(child));
                return bytes.concat(
                    abi.encodePacked(uint8(3), uint8(depth), uint8(other.length)),
                    other,
                    bytes1(uint8(child.length)),
                    child
                );
            }
            return bytes.concat(_prove(trie, low, high, depth + common, key), bytes1(uint8(0x80 + common)));
        }
        (uint256 from, uint256 to) = group(trie, low, high, depth, nibble(key, depth));
        bytes memory below =
            from == to ? abi.encodePacked(uint8(1), uint8(depth + 1)) : _prove(trie, from, to, depth + 1, key);
        return bytes.concat(below, _step(trie, low, high, depth, nibble(key, depth)));
    }

    function _step(Pairs memory trie, uint256 low, uint256 high, uint256 depth, uint256 own)
        private
        pure
        returns (bytes memory)
    {
        uint16 hashed;
        uint16 embedded;
        bytes memory hashes;
        bytes memory nodes;
        for (uint256 i = 0; i < 16; ++i) {
            (uint256 from, uint256 to) = group(trie, low, high, depth, i);
            if (i == own || from == to) continue;
            bytes memory child = node(trie, from, to, depth + 1);
            if (child.length < 32) {
                embedded |= uint16(1 << (15 - i));
                nodes = bytes.concat(nodes, child);
            } else {
                hashed |= uint16(1 << (15 - i));
                hashes = abi.encodePacked(hashes, keccak256(child));
            }
        }
        if (embedded != 0) return abi.encodePacked(uint8(2), hashed, embedded, hashes, nodes);
        if (hashes.length == 15 * 32) return abi.encodePacked(uint8(0), hashes);
        return abi.encodePacked(uint8(1), hashed, hashes);
    }

    /// @notice The pairs low..high whose nibble at `depth` is `digit`.
    function group(Pairs memory trie, uint256 low, uint256 high, uint256 depth, uint256 digit)
        internal
        pure
        returns (uint256 from, uint256 to)
    {
        from = low;
        while (from < high && nibble(trie.keys[from], depth) < digit) ++from;
        to = from;
        while (to < high && nibble(trie.keys[to], depth) == digit) ++to;
    }

    function nibble(bytes32 key, uint256 depth) internal pure returns (uint256) {
        return (uint256(key) >> (252 - 4 * depth)) & 15;
    }

    function commonNibbles(bytes32 one, bytes32 other, uint256 depth) internal pure returns (uint256 count) {
        while (depth + count < 64 && nibble(one, depth + count) == nibble(other, depth + count)) ++count;
    }

    /// @notice The hex-prefix path of a key's nibbles from..to.
    function path(bytes32 key, uint256 from, uint256 to, bool leaf) internal pure returns (bytes memory out) {
        uint256 count = to - from;
        uint256 flag = (leaf ? 2 : 0) | (count & 1);
        out = new bytes(count / 2 + 1);
        // The flag, a zero for an even path, the nibbles: read from the end in pairs.
        for (uint256 i = out.length; i > 0; --i) {
            uint256 low = to > from ? nibble(key, --to) : 0;
            uint256 high = to > from ? nibble(key, --to) : flag;
            out[i - 1] = bytes1(uint8((high << 4) | low));
        }
    }

    function slice(bytes memory data, uint256 from, uint256 to) internal pure returns (bytes memory out) {
        out = new bytes(to - from);
        for (uint256 i = 0; i < out.length; ++i) {
            out[i] = data[from + i];
        }
    }

    /// @dev The payload of a short RLP string, or of a list as it is (an account, which the caller takes apart).
    function _unwrap(bytes memory value) private pure returns (bytes memory) {
        if (uint8(value[0]) < 0x80 || uint8(value[0]) >= 0xc0) return value;
        return slice(value, 1, value.length);
    }
}
