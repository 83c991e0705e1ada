// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title The seam between the protocol and a consensus.
/// @notice A light client of one remote chain: it knows why a header of that chain is to be believed, and nothing of
/// messages. Every proof is checked in the call that uses it.
interface ILightClient {
    enum Status {
        Active,
        Expired,
        Frozen
    }

    /// @notice Trusted state moved.
    event Updated(uint64 indexed height, uint64 timestamp);

    /// @notice A verified state root was stored for proofs that refer to it.
    event Anchored(uint64 indexed height, uint64 timestamp, bytes32 stateRoot);

    /// @notice Misbehaviour was proven; nothing is believed until the admin bootstraps the client again.
    event FrozenByMisbehaviour(uint64 indexed height);

    /// @notice The client is not Active.
    error NotActive(Status found);

    /// @notice Proves the value of a storage slot of an account of the remote chain.
    /// @param proof Client-specific bytes (docs/reference/wire-formats.md).
    /// @return value The word; 0 when the slot is proven absent. An absent account is rejected.
    /// @return height The block number of the header that proves it.
    /// @return timestamp That header's time, in seconds.
    function storageAt(bytes calldata proof, address account, bytes32 slot)
        external
        view
        returns (bytes32 value, uint64 height, uint64 timestamp);

    /// @notice The only way that trusted state moves. Permissionless.
    function update(bytes calldata data) external;

    /// @notice Stores a verified (height, timestamp, stateRoot) in the slot that the namespace
    /// `postroad.client.anchor` fixes. Permissionless.
    function anchor(bytes calldata data) external;

    /// @notice Proves misbehaviour and freezes the client. Permissionless.
    function freeze(bytes calldata data) external;

    function status() external view returns (Status);
}
