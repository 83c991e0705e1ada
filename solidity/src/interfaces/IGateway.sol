// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ILightClient} from "./ILightClient.sol";
import {IOutbox} from "./IOutbox.sol";

/// @title Which endpoints a gateway is joined to.
interface IGateway {
    /// @notice A remote endpoint as it is registered. `lastHeight` counts while it is `retired`; `succeeded` says that another
    /// endpoint was registered for its chain since.
    struct Remote {
        ILightClient client;
        address gateway;
        bytes chainPart;
        bool paused;
        bool retired;
        bool succeeded;
        uint256 lastHeight;
    }

    event RemoteRegistered(bytes32 indexed endpointId, bytes gateway, bytes32 genesisHash, address client);
    event ClientReplaced(bytes32 indexed endpointId, address client);
    event RemotePaused(bytes32 indexed endpointId, bool paused);
    event RemoteRetired(bytes32 indexed endpointId, uint256 lastHeight);
    event RemoteReinstated(bytes32 indexed endpointId);

    error InvalidGateway(bytes found);
    error RemoteIsSelf(bytes32 endpointId);
    error RemoteAlreadyRegistered(bytes32 endpointId);
    error ChainAlreadyRouted(bytes32 routeKey, bytes32 endpointId);
    /// @notice Another endpoint was registered for the chain of this one, which is retired for good.
    error RemoteIsSucceeded(bytes32 endpointId);
    error RemoteUnknown(bytes32 endpointId);
    error ClientNotActive(address client);
    /// @notice An endpoint cannot be told from another chain with the same id and address without a genesis hash.
    error GenesisHashMissing();
    /// @notice Chain ids are 1 to 2^64 - 1.
    error UnsupportedChainId(uint256 found);

    function endpointId() external view returns (bytes32);

    function genesisHash() external view returns (bytes32);

    /// @notice Joins a remote endpoint and opens the public lane towards it.
    /// @param gateway Canonical ERC-7930 bytes of the remote gateway.
    /// @param genesisHash_ Hash of the remote chain's genesis block.
    function registerRemote(
        bytes calldata gateway,
        bytes32 genesisHash_,
        ILightClient client,
        IOutbox.Limits calldata limits
    ) external returns (bytes32 endpointId_);

    function replaceClient(bytes32 endpointId_, ILightClient client) external;

    /// @notice Stops sending to and delivering from a remote, at once.
    function pauseRemote(bytes32 endpointId_) external;

    function unpauseRemote(bytes32 endpointId_) external;

    /// @notice Gives up a remote, because its chain was reset or its gateway replaced. Nothing can be sent to it. What it sent
    /// up to `lastHeight` can still be delivered, by proofs of headers no higher than that, until another endpoint is registered
    /// for its chain: recipients could not tell the two apart, so from then on it delivers nothing. Of a retired remote that has
    /// no successor, it changes the height.
    /// @param lastHeight Block number of the remote chain: its last block before the reset, or before it is not trusted any more.
    function retireRemote(bytes32 endpointId_, uint256 lastHeight) external;

    /// @notice Takes a retirement back. Impossible once another endpoint was registered for the chain. A remote that is paused
    /// stays so.
    function reinstateRemote(bytes32 endpointId_) external;

    function remote(bytes32 endpointId_) external view returns (Remote memory);

    /// @notice The endpoint that messages to a chain go to; 0 for none.
    function route(bytes32 routeKey) external view returns (bytes32 endpointId_);

    /// @notice The lane from this endpoint to a remote one.
    function outboundLaneId(bytes32 destination, bytes32 channel, uint8 flags) external view returns (bytes32);

    /// @notice The lane from a remote endpoint to this one.
    function inboundLaneId(bytes32 source, bytes32 channel, uint8 flags) external view returns (bytes32);
}
