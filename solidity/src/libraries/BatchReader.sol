// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInbox} from "../interfaces/IInbox.sol";
import {Message} from "./Messages.sol";

/// @title Reads batches from calldata (docs/reference/wire-formats.md §4).
/// @notice Places are absolute offsets into the call's data. Reading past the end of a batch gives whatever follows or
/// zeros and does no harm by itself: whoever moves on compares the new place with the batch's end.
library BatchReader {
    /// @dev source 32, lane 1, previous head 32, first 8, extra gas 4, items 2.
    uint256 private constant FIXED = 79;
    /// @dev channel 32, flags 1.
    uint256 private constant CHANNEL = 33;

    /// @notice The tag of a message that is only hashed past, and the length of its item.
    uint256 internal constant LEAF = 0;
    uint256 internal constant LEAF_ITEM = 33;
    /// @notice The tag of a full message that differs from the one before in its payload alone.
    uint256 internal constant FULL = 0x80;
    uint256 internal constant SENDER = 0x03;
    /// @dev The lower bits of the two-bit fields.
    uint256 private constant KINDS = 0x05;
    uint256 private constant GAS_LIMIT = 0x10;
    uint256 private constant DEADLINE = 0x20;
    uint256 private constant FEE = 0x40;

    /// @notice Which lane a batch is of; `rest` is where its previous head is.
    function readLane(bytes calldata batch)
        internal
        pure
        returns (bytes32 source, bytes32 channel, uint256 flags, uint256 rest)
    {
        if (batch.length < FIXED) revert IInbox.MalformedBatch(batch.length);
        unchecked {
            rest = begin(batch) + 33;
            source = word(rest - 33);
            uint256 kind = tagAt(rest - 1);
            if (kind == 0) return (source, 0, 0, rest);
            if (kind != 1) revert IInbox.MalformedBatch(32);
            if (batch.length < FIXED + CHANNEL) revert IInbox.MalformedBatch(batch.length);
            channel = word(rest);
            flags = tagAt(rest + 32);
            // The public lane has one encoding.
            if (channel == 0 && flags == 0) revert IInbox.MalformedBatch(33);
            rest += CHANNEL;
        }
    }

    /// @notice Which messages a batch holds, [first, stop), and where its items begin. `rest` is where the previous head is.
    function readRange(bytes calldata batch, uint256 rest)
        internal
        pure
        returns (uint256 first, uint256 stop, uint256 extraGas, uint256 items)
    {
        unchecked {
            uint256 numbers = uint256(word(rest + 32));
            first = numbers >> 192;
            extraGas = uint32(numbers >> 160);
            stop = first + uint16(numbers >> 144);
            items = rest + 46;
            if (stop == first) revert IInbox.MalformedBatch(items - 2 - begin(batch));
        }
    }

    /// @notice Whether a tag can stand before a full message: its bit, no two-bit field of value 3, and in a batch's first
    /// full item both sender and recipient, for there is none to take them from.
    function isFull(uint256 tag, bool first) internal pure returns (bool full) {
        // A shift lays the two bits of a field over its lower one.
        assembly ("memory-safe") {
            full := and(
                and(gt(tag, 0x7f), iszero(and(and(tag, shr(1, tag)), KINDS))),
                or(iszero(first), eq(and(or(tag, shr(1, tag)), KINDS), KINDS))
            )
        }
    }

    /// @notice Reads the fields between the tag of a full item and its length into `message`; what is left out stays.
    /// @param place Where the tag is; it must be one that `isFull`.
    /// @return next Where the length is.
    function readFields(Message memory message, uint256 tag, uint256 place) internal pure returns (uint256 next) {
        // Fields differ in width and in whether they are there: each moves the place on by its own. An account of kind 1 has
        // 20 bytes, of kind 2 32.
        assembly ("memory-safe") {
            next := add(place, 1)
            let kind := and(tag, SENDER)
            if kind {
                mstore(add(message, 0x60), shr(mul(96, sub(2, kind)), calldataload(next)))
                next := add(next, add(8, mul(12, kind)))
            }
            kind := and(shr(2, tag), SENDER)
            if kind {
                mstore(add(message, 0x80), shr(mul(96, sub(2, kind)), calldataload(next)))
                next := add(next, add(8, mul(12, kind)))
            }
            if and(tag, GAS_LIMIT) {
                mstore(add(message, 0xa0), shr(224, calldataload(next)))
                next := add(next, 4)
            }
            if and(tag, DEADLINE) {
                mstore(add(message, 0xc0), shr(192, calldataload(next)))
                next := add(next, 8)
            }
            if and(tag, FEE) {
                mstore(add(message, 0xe0), shr(128, calldataload(next)))
                next := add(next, 16)
            }
        }
    }

    /// @notice The length of a payload, three bytes.
    function lengthAt(uint256 place) internal pure returns (uint256) {
        return uint256(word(place)) >> 232;
    }

    /// @notice One byte.
    function tagAt(uint256 place) internal pure returns (uint256 tag) {
        assembly ("memory-safe") {
            tag := byte(0, calldataload(place))
        }
    }

    function word(uint256 place) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(place)
        }
    }

    function begin(bytes calldata batch) internal pure returns (uint256 place) {
        assembly ("memory-safe") {
            place := batch.offset
        }
    }

    function end(bytes calldata batch) internal pure returns (uint256 place) {
        assembly ("memory-safe") {
            place := add(batch.offset, batch.length)
        }
    }
}
