// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IOutbox} from "../interfaces/IOutbox.sol";

/// @notice An outgoing lane in one storage word, so that a send reads and writes it once. From the lowest bit:
///
///     nextSequence u64 ‖ open u8 ‖ paused u8 ‖ flags u8 ‖ defaultGasLimit u32 ‖ maxGasLimit u32 ‖ maxPayload u32 ‖ 72 bits free
///
/// (A Solidity struct would put the limits in a word of their own.)
type LaneWord is uint256;

using LaneWords for LaneWord global;

/// @title What a lane's word says.
library LaneWords {
    uint256 private constant OPEN = 1 << 64;
    uint256 private constant PAUSED = 1 << 72;
    uint256 private constant FLAGS = 80;
    uint256 private constant LIMITS = 88;

    function create(uint8 flags) internal pure returns (LaneWord) {
        return LaneWord.wrap(OPEN | uint256(flags) << FLAGS);
    }

    function isOpen(LaneWord word) internal pure returns (bool) {
        return LaneWord.unwrap(word) & OPEN != 0;
    }

    function isPaused(LaneWord word) internal pure returns (bool) {
        return LaneWord.unwrap(word) & PAUSED != 0;
    }

    /// @notice Open and not paused, in one comparison.
    function isServed(LaneWord word) internal pure returns (bool) {
        return LaneWord.unwrap(word) & (OPEN | PAUSED) == OPEN;
    }

    function nextSequence(LaneWord word) internal pure returns (uint256) {
        return uint64(LaneWord.unwrap(word));
    }

    function defaultGasLimit(LaneWord word) internal pure returns (uint256) {
        return uint32(LaneWord.unwrap(word) >> LIMITS);
    }

    function maxGasLimit(LaneWord word) internal pure returns (uint256) {
        return uint32(LaneWord.unwrap(word) >> (LIMITS + 32));
    }

    function maxPayload(LaneWord word) internal pure returns (uint256) {
        return uint32(LaneWord.unwrap(word) >> (LIMITS + 64));
    }

    /// @notice The word after one more message. 2^64 messages are more than a chain can hold.
    function advanced(LaneWord word) internal pure returns (LaneWord) {
        unchecked {
            return LaneWord.wrap(LaneWord.unwrap(word) + 1);
        }
    }

    function withPaused(LaneWord word, bool paused) internal pure returns (LaneWord) {
        uint256 rest = LaneWord.unwrap(word) & ~PAUSED;
        return LaneWord.wrap(paused ? rest | PAUSED : rest);
    }

    function withLimits(LaneWord word, IOutbox.Limits calldata limits) internal pure returns (LaneWord) {
        uint256 packed =
            uint256(limits.defaultGasLimit) | uint256(limits.maxGasLimit) << 32 | uint256(limits.maxPayload) << 64;
        uint256 rest = LaneWord.unwrap(word) & ~(uint256(type(uint96).max) << LIMITS);
        return LaneWord.wrap(rest | packed << LIMITS);
    }

    function unpack(LaneWord word) internal pure returns (IOutbox.OutboundLane memory) {
        return IOutbox.OutboundLane({
            nextSequence: uint64(word.nextSequence()),
            open: word.isOpen(),
            paused: word.isPaused(),
            flags: uint8(LaneWord.unwrap(word) >> FLAGS),
            limits: IOutbox.Limits({
                defaultGasLimit: uint32(word.defaultGasLimit()),
                maxGasLimit: uint32(word.maxGasLimit()),
                maxPayload: uint32(word.maxPayload())
            })
        });
    }
}
