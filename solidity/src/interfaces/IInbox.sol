// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title The receiving half of a gateway: proven messages, each executed with success at most once.
interface IInbox {
    enum Outcome {
        Processed,
        AlreadyDelivered
    }

    /// @notice The bits of one page that one call turned on. `first` is the sequence of the batch's first item in that page,
    /// `count` how many of its items lie in it; bit i of `mask` stands for sequence (page << 8) + i.
    event Delivered(bytes32 indexed laneId, uint64 first, uint256 count, uint256 mask);

    /// @notice The recipient refused or failed; the message can be delivered again. `reason` is at most 32 bytes of its return data.
    event MessageFailed(bytes32 indexed id, bytes reason);

    /// @notice The message's deadline has passed; it was not executed.
    event MessageExpired(bytes32 indexed id);

    event InboundLanePaused(bytes32 indexed laneId, bool paused);

    error MalformedBatch(uint256 offset);
    error UnknownRemote(bytes32 endpointId);
    error RemoteIsPaused(bytes32 endpointId);
    error InboundLaneIsPaused(bytes32 laneId);
    error UnsupportedLaneFlags(uint256 found);
    /// @notice The batch's hashes do not lead to the head that the light client proves.
    error HeadMismatch(bytes32 computed, bytes32 proven);
    /// @notice The transaction carries too little gas for the next recipient; nothing of the batch took place.
    error InsufficientGas(uint256 found, uint256 needed);
    /// @notice A retired remote is believed up to the height that its retirement names; this proof is of a later one.
    error BeyondRetirement(bytes32 endpointId, uint256 height, uint256 lastHeight);
    /// @notice The recipient's own calls could not nest by this many frames: `deliver` was called too deep in the call stack, or
    /// with too little gas to find out. Nothing of the batch took place.
    error CallStackTooShort(uint256 frames);
    error DeliverIsLocked();
    error OnlySelf(address caller);

    /// @notice Proves and executes a batch of one lane. Permissionless.
    /// @param batch docs/reference/wire-formats.md §4.
    /// @param proof What the lane's light client takes to prove the page head.
    /// @return outcome AlreadyDelivered when the batch has full messages and every one was delivered before: nothing was verified.
    /// @return executed How many messages this call executed with success.
    /// @return failed How many recipients failed.
    /// @return expired How many were past their deadline.
    function deliver(bytes calldata batch, bytes calldata proof)
        external
        returns (Outcome outcome, uint256 executed, uint256 failed, uint256 expired);

    function isDelivered(bytes32 laneId, uint64 sequence) external view returns (bool);

    /// @notice The word of a page: bit i = sequence (page << 8) + i was executed with success.
    function delivered(bytes32 laneId, uint256 page) external view returns (uint256);

    function pauseInboundLane(bytes32 source, bytes32 channel, uint8 flags) external;

    function unpauseInboundLane(bytes32 source, bytes32 channel, uint8 flags) external;
}
