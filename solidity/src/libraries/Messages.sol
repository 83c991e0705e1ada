// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @notice A message as its leaf commits to it (docs/reference/wire-formats.md §2). The order and the word-wide types are
/// the format: in memory this struct is the leaf's preimage.
struct Message {
    uint256 version;
    bytes32 laneId;
    uint256 sequence;
    bytes32 sender;
    bytes32 recipient;
    uint256 gasLimit;
    uint256 deadline;
    uint256 fee;
    bytes32 payloadHash;
}

/// @title Leaves and heads.
library Messages {
    uint256 internal constant LEAF_VERSION = 1;

    /// @notice The leaf, which is the message's id everywhere, of a message whose payload lies in calldata. Its sequence and
    /// its payload's hash are put into `message`.
    function leafOf(Message memory message, uint256 sequence, uint256 payloadFrom, uint256 payloadLength)
        internal
        pure
        returns (bytes32 hash)
    {
        // The nine words lie in memory as abi.encode would lay them. A batch hashes every payload in the same place, behind the
        // allocated memory.
        assembly ("memory-safe") {
            mstore(add(message, 0x40), sequence)
            let place := mload(0x40)
            calldatacopy(place, payloadFrom, payloadLength)
            mstore(add(message, 0x100), keccak256(place, payloadLength))
            hash := keccak256(message, 0x120)
        }
    }

    /// @notice The leaf of a message without a fee, from its parts.
    function leafOf(
        bytes32 laneId,
        uint256 sequence,
        bytes32 sender,
        bytes32 recipient,
        uint256 gasLimit,
        uint256 deadline,
        bytes32 payloadHash
    ) internal pure returns (bytes32 hash) {
        // Hashed in free memory without taking it: a struct would be zeroed first.
        assembly ("memory-safe") {
            let place := mload(0x40)
            mstore(place, LEAF_VERSION)
            mstore(add(place, 0x20), laneId)
            mstore(add(place, 0x40), sequence)
            mstore(add(place, 0x60), sender)
            mstore(add(place, 0x80), recipient)
            mstore(add(place, 0xa0), gasLimit)
            mstore(add(place, 0xc0), deadline)
            mstore(add(place, 0xe0), 0)
            mstore(add(place, 0x100), payloadHash)
            hash := keccak256(place, 0x120)
        }
    }

    /// @notice The running head after one more leaf.
    function append(bytes32 head, bytes32 leaf_) internal pure returns (bytes32 hash) {
        // Two words fit the scratch space, so nothing is allocated.
        assembly ("memory-safe") {
            mstore(0x00, head)
            mstore(0x20, leaf_)
            hash := keccak256(0x00, 0x40)
        }
    }

    /// @notice The running head after the leaves that lie one behind the other in calldata from `cursor` to `end`.
    function appendAll(bytes32 head, uint256 cursor, uint256 end) internal pure returns (bytes32 hash) {
        // The head stays in the scratch space from one leaf to the next.
        assembly ("memory-safe") {
            mstore(0x00, head)
            for {} lt(cursor, end) { cursor := add(cursor, 0x20) } {
                mstore(0x20, calldataload(cursor))
                mstore(0x00, keccak256(0x00, 0x40))
            }
            hash := mload(0x00)
        }
    }

    /// @notice keccak256 of a piece of memory.
    function hashMemory(uint256 place, uint256 length) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(place, length)
        }
    }

    /// @notice keccak256 of a piece of calldata.
    function hashCalldata(uint256 cursor, uint256 length) internal pure returns (bytes32 hash) {
        // Copied behind the allocated memory and not kept: a batch hashes every payload in the same place.
        assembly ("memory-safe") {
            let to := mload(0x40)
            calldatacopy(to, cursor, length)
            hash := keccak256(to, length)
        }
    }

    /// @notice Memory for the leaves of [first, end), and where it begins: an array would be zeroed, and checked at each
    /// access.
    function reserveLeaves(uint256 first, uint256 end) internal pure returns (uint256 begin) {
        assembly ("memory-safe") {
            begin := mload(0x40)
            mstore(0x40, add(begin, shl(5, sub(end, first))))
        }
    }

    /// @notice The running head after one more leaf, which is kept in reserved memory; `next` is the place for the next one.
    function append(bytes32 head, bytes32 leaf_, uint256 place) internal pure returns (bytes32 hash, uint256 next) {
        assembly ("memory-safe") {
            mstore(place, leaf_)
            next := add(place, 0x20)
        }
        hash = append(head, leaf_);
    }

    function leafAt(uint256 place) internal pure returns (bytes32 leaf) {
        assembly ("memory-safe") {
            leaf := mload(place)
        }
    }
}
