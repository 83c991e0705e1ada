// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {Memory} from "@postroad/evm/Memory.sol";

/// @title Lays out the data of ERC-7786's MessageSent in memory, once, and lends its parts to whoever hashes them.
/// @notice The compiler's encoder would copy the recipient and the payload a second time and take a thousand gas of every send.
///
///     data := 5 words: places of sender, recipient and payload, value 0, place of attributes
///           ‖ sender ‖ recipient ‖ payload                       each its length and its bytes, padded
///           ‖ attributes                                         by `close`
library SentLog {
    /// @notice Everything but the attributes. The sender is the caller, on the chain whose part is given.
    /// @return data Where the event's data begins; it ends where free memory begins.
    /// @return recipientAt Where the recipient's bytes are.
    /// @return payloadAt Where the payload's bytes are.
    function open(bytes32 chainPart, uint256 chainLength, bytes calldata recipient, bytes calldata payload)
        internal
        view
        returns (uint256 data, uint256 recipientAt, uint256 payloadAt)
    {
        // Parts are written with a word of zeros behind them, which is their padding; the next part writes over the rest.
        assembly ("memory-safe") {
            data := mload(0x40)
            mstore(data, 0xa0)
            let length := add(chainLength, 21)
            mstore(add(data, 0xa0), length)
            let from := add(data, 0xc0)
            mstore(from, chainPart)
            mstore(add(data, 0xe0), 0)
            mstore(add(from, chainLength), or(shl(248, 20), shl(88, caller())))

            recipientAt := add(add(from, and(add(length, 0x1f), not(0x1f))), 0x20)
            mstore(add(data, 0x20), sub(sub(recipientAt, data), 0x20))
            mstore(sub(recipientAt, 0x20), recipient.length)
            calldatacopy(recipientAt, recipient.offset, recipient.length)
            mstore(add(recipientAt, recipient.length), 0)

            payloadAt := add(add(recipientAt, and(add(recipient.length, 0x1f), not(0x1f))), 0x20)
            mstore(add(data, 0x40), sub(sub(payloadAt, data), 0x20))
            mstore(add(data, 0x60), 0)
            mstore(sub(payloadAt, 0x20), payload.length)
            calldatacopy(payloadAt, payload.offset, payload.length)
            mstore(add(payloadAt, payload.length), 0)

            let end := add(payloadAt, and(add(payload.length, 0x1f), not(0x1f)))
            mstore(add(data, 0x80), sub(end, data))
            mstore(0x40, end)
        }
    }

    /// @notice Writes the attributes and emits.
    function close(uint256 data, bytes32 id, bytes[] calldata attributes) internal {
        bytes32 topic = IERC7786GatewaySource.MessageSent.selector;
        if (attributes.length == 0) {
            assembly ("memory-safe") {
                let end := mload(0x40)
                mstore(end, 0)
                log2(data, sub(add(end, 0x20), data), topic, id)
            }
            return;
        }
        uint256 end;
        assembly ("memory-safe") {
            end := mload(0x40)
        }
        bytes memory encoded = abi.encode(attributes);
        // An encoded argument alone begins with its place, which the event has in its head: the rest moves down over it.
        uint256 from;
        uint256 size;
        assembly ("memory-safe") {
            from := add(encoded, 0x40)
            size := sub(mload(encoded), 0x20)
        }
        Memory.copy(end, from, size);
        assembly ("memory-safe") {
            log2(data, sub(add(end, size), data), topic, id)
        }
    }
}
