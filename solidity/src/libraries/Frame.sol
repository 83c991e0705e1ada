// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC7786Recipient} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {Memory} from "@postroad/evm/Memory.sol";
import {IInbox} from "../interfaces/IInbox.sol";

/// @title The self-call frame around a recipient: what a failed message did is undone, whatever it was.
/// @notice `create`, `setSender`, `setTarget` and `call` run in the gateway that delivers, `enter` in the same gateway called
/// by itself. The call data is laid out once a batch; from message to message only what differs is written.
///
///     call data := selector 4 ‖ recipient 20 ‖ gas u96 ‖ the recipient's call data, receiveMessage(id, sender, payload)
///     a frame that fails reverts with 0x01 ‖ 0..32 bytes of the recipient's return data
///     a frame that has too little gas to be fair reverts with InsufficientGas, or with nothing when it cannot even do that
///
/// The first byte is the frame's own, so no recipient can pass its failure off as a lack of gas and stop the batch.
library Frame {
    uint256 private constant FAILED = 1;
    uint256 private constant MOST_REASON = 32;
    /// @dev Offsets in the call data: recipient and gas, the recipient's call data, its id, the length of its sender.
    uint256 private constant TARGET = 4;
    uint256 private constant NESTED = 36;
    uint256 private constant ID = 40;
    uint256 private constant SENDER = 136;
    /// @dev Room beside the chain part: what is before it, an address and its length, padding, the payload's length.
    uint256 private constant ROOM = 295;
    /// @dev Gas that the frame needs beside the recipient's: a cold account 2,600, a cold EIP-7702 delegate 2,600, the frame's
    /// own steps below 400, and a margin for prices to come. It is asked for, not spent.
    uint256 private constant RESERVE = 10_000;
    /// @dev How many frames a recipient's own calls may nest at least: several times what a governor, its timelock, proxies and
    /// a bridged token with hooks need together, which is some 20.
    uint256 private constant HEADROOM = 64;

    /// @notice Reverts unless the call stack has room for a recipient and HEADROOM frames below it, whoever called the gateway
    /// how deep. At the end of the stack a recipient's inner calls fail whatever their gas, and one that carries on without them
    /// would be booked as executed without its effect.
    /// @dev A rung answers only after the one below it has. So the end of the stack, and a lack of gas on any rung, end the batch.
    function requireHeadroom() internal view {
        bool reached;
        // The first rung stands where the frame around a recipient will, the second where the recipient will.
        assembly ("memory-safe") {
            mstore8(0x00, add(HEADROOM, 1))
            reached := staticcall(gas(), address(), 0x00, 0x01, 0x00, 0x00)
        }
        if (!reached) revert IInbox.CallStackTooShort(HEADROOM);
    }

    /// @notice One rung: calls the next unless it is the last, and ends the frame. The call's data is one byte, how many rungs
    /// follow; other data is no rung's.
    // slither-disable-start incorrect-exp
    function climb() internal view {
        assembly ("memory-safe") {
            if xor(calldatasize(), 1) { revert(0x00, 0x00) }
            let rungs := byte(0, calldataload(0x00))
            if rungs {
                mstore8(0x00, sub(rungs, 1))
                if iszero(staticcall(gas(), address(), 0x00, 0x01, 0x00, 0x00)) { revert(0x00, 0x00) }
            }
            return(0x00, 0x00)
        }
    }
    // slither-disable-end incorrect-exp

    /// @notice Lays out call data up to the payload's length; the payload itself stands in free memory, from being written to
    /// being sent.
    function create(bytes4 selector, bytes memory chainPart) internal pure returns (uint256 frame) {
        bytes4 receiveSelector = IERC7786Recipient.receiveMessage.selector;
        // Two selectors of 4 bytes make words that no Solidity type has. All that is read later is written: the rest here.
        assembly ("memory-safe") {
            frame := mload(0x40)
            mstore(0x40, and(add(add(frame, ROOM), mload(chainPart)), not(0x1f)))
            mstore(frame, selector)
            mstore(add(frame, NESTED), receiveSelector)
            mstore(add(frame, add(ID, 0x20)), 0x60)
        }
    }

    /// @notice Writes the sender as ERC-7930 bytes: on an eip155 chain 20 bytes, unless the leaf names more; else 32.
    /// @return payloadAt Where the payload's length stands now.
    function setSender(uint256 frame, bytes memory chainPart, bytes32 sender)
        internal
        pure
        returns (uint256 payloadAt)
    {
        // An unaligned concatenation in place: chain part, length byte, address, zeros to the end of the word. Bytes 2 and 3
        // of the chain part are the chain type, 0 for eip155.
        uint256 addressLength = 32;
        uint256 from;
        uint256 chainLength;
        uint256 place;
        assembly ("memory-safe") {
            if iszero(or(and(shr(224, mload(add(chainPart, 0x20))), 0xffff), shr(160, sender))) {
                addressLength := 20
            }
            from := add(chainPart, 0x20)
            chainLength := mload(chainPart)
            let length := add(add(chainLength, 1), addressLength)
            mstore(add(frame, SENDER), length)
            place := add(frame, add(SENDER, 0x20))
            payloadAt := add(place, and(add(length, 0x1f), not(0x1f)))
        }
        Memory.copy(place, from, chainLength);
        assembly ("memory-safe") {
            place := add(place, chainLength)
            mstore8(place, addressLength)
            mstore(add(place, 1), shl(shl(3, sub(32, addressLength)), sender))
            mstore(add(add(place, 1), addressLength), 0)
            mstore(add(frame, add(ID, 0x40)), sub(payloadAt, add(frame, ID)))
        }
    }

    /// @param recipient An address, padded on the left.
    /// @param gasLimit What the recipient gets: never less, whoever relays.
    function setTarget(uint256 frame, bytes32 recipient, uint256 gasLimit) internal pure {
        assembly ("memory-safe") {
            mstore(add(frame, TARGET), or(shl(96, recipient), gasLimit))
        }
    }

    /// @notice Gives one message to its recipient.
    /// @return delivered True when the recipient accepted it. Otherwise `requireFair` must follow, then `reason` may.
    function call(uint256 frame, uint256 payloadAt, bytes32 id, uint256 payloadFrom, uint256 payloadLength)
        internal
        returns (bool delivered)
    {
        // The word behind the payload is its padding.
        assembly ("memory-safe") {
            mstore(add(frame, ID), id)
            mstore(payloadAt, payloadLength)
            let place := add(payloadAt, 0x20)
            calldatacopy(place, payloadFrom, payloadLength)
            mstore(add(place, payloadLength), 0)
            let end := add(place, and(add(payloadLength, 0x1f), not(0x1f)))
            delivered := call(gas(), address(), 0, frame, sub(end, frame), 0, 0)
        }
    }

    /// @notice Reverts the whole transaction unless the frame says that the recipient had its gas and failed. Anything else is
    /// the frame's InsufficientGas, or nothing at all: out of gas before its check.
    function requireFair() internal view {
        uint256 size;
        assembly ("memory-safe") {
            size := returndatasize()
        }
        if (size == 0) revert IInbox.InsufficientGas(gasleft(), RESERVE);
        if (size > MOST_REASON + 1) {
            assembly ("memory-safe") {
                let place := mload(0x40)
                returndatacopy(place, 0x00, size)
                revert(place, size)
            }
        }
    }

    /// @notice What the recipient of the last failed `call` returned, 32 bytes at most.
    function reason() internal pure returns (bytes memory data) {
        // Straight from the frame's return data, behind the byte that says that it failed.
        assembly ("memory-safe") {
            data := mload(0x40)
            let length := sub(returndatasize(), 1)
            mstore(data, length)
            returndatacopy(add(data, 0x20), 1, length)
            mstore(0x40, add(data, 0x40))
        }
    }

    /// @notice The inner side: calls the recipient and ends the frame.
    function enter() internal {
        if (msg.sender != address(this)) revert IInbox.OnlySelf(msg.sender);
        bytes4 selector = IERC7786Recipient.receiveMessage.selector;
        uint256 target;
        uint256 place;
        // The recipient's call data is copied as it came: one copy, in free memory that nobody uses after.
        assembly ("memory-safe") {
            target := calldataload(TARGET)
            place := mload(0x40)
            calldatacopy(place, NESTED, sub(calldatasize(), NESTED))
        }
        uint256 gasLimit = uint96(target);
        uint256 needed;
        // EIP-150: a call gets at most 63/64 of what is left after its own costs. Nothing that grows follows the check.
        unchecked {
            needed = (gasLimit << 6) / 63 + RESERVE;
        }
        if (gasleft() < needed) revert IInbox.InsufficientGas(gasleft(), needed);
        // One word of the answer is copied, however long it is. An account without code answers nothing, a precompile never
        // the selector.
        assembly ("memory-safe") {
            let ok := call(gasLimit, shr(96, target), 0, place, sub(calldatasize(), NESTED), 0x00, MOST_REASON)
            let size := returndatasize()
            if and(and(ok, gt(size, 31)), eq(mload(0x00), selector)) { return(0x00, 0x00) }
            if gt(size, MOST_REASON) { size := MOST_REASON }
            mstore8(place, FAILED)
            returndatacopy(add(place, 1), 0x00, size)
            revert(place, add(size, 1))
        }
    }
}
