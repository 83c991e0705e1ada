// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Endpoint} from "./Endpoint.sol";
import {Inbox} from "./Inbox.sol";
import {IGateway} from "./interfaces/IGateway.sol";
import {ILightClient} from "./interfaces/ILightClient.sol";
import {IOutbox} from "./interfaces/IOutbox.sol";
import {CanonicalAddress} from "./libraries/CanonicalAddress.sol";
import {Lanes} from "./libraries/Lanes.sol";
import {Outbox} from "./Outbox.sol";

/// @title An endpoint: one contract, one address, that sends and receives, and the registry of the endpoints it is joined to.
/// @notice Not upgradeable: a moved bitmap would let every message run again.
contract Gateway is Outbox, Inbox {
    /// @dev The endpoint that was registered last for a chain, be it paused or retired. No earlier one ever speaks for that
    /// chain again.
    mapping(bytes32 routeKey => bytes32 endpointId) private _holders;

    /// @param authority The AccessManager that says who may register, replace and pause.
    /// @param genesisHash_ Hash of this chain's genesis block.
    constructor(address authority, bytes32 genesisHash_) AccessManaged(authority) Endpoint(genesisHash_) {}

    /// @inheritdoc IGateway
    function registerRemote(
        bytes calldata gateway,
        bytes32 genesisHash_,
        ILightClient client,
        IOutbox.Limits calldata limits
    ) external restricted returns (bytes32 remoteId) {
        (bool valid, uint256 chainLength, uint256 addressLength, bytes32 account) = CanonicalAddress.read(gateway);
        if (!valid || addressLength != 20 || account == 0) revert InvalidGateway(gateway);
        if (genesisHash_ == 0) revert GenesisHashMissing();
        remoteId = keccak256(abi.encode(gateway, genesisHash_));
        if (remoteId == endpointId) revert RemoteIsSelf(remoteId);
        if (address(_remotes[remoteId].client) != address(0)) revert RemoteAlreadyRegistered(remoteId);
        bytes32 key = CanonicalAddress.routeKey(gateway, chainLength);
        bytes32 holder = _holders[key];
        if (holder != 0 && !_remotes[holder].retired) revert ChainAlreadyRouted(key, holder);
        _requireActive(client);
        // Recipients know a chain by its id alone: from here on, that id is the new endpoint's.
        if (holder != 0) _remotes[holder].succeeded = true;

        RemoteRecord storage record = _remotes[remoteId];
        record.client = client;
        record.gateway = address(uint160(uint256(account)));
        _setChainPart(remoteId, gateway[:chainLength]);
        _holders[key] = remoteId;
        _routes[key] = remoteId;
        emit RemoteRegistered(remoteId, gateway, genesisHash_, address(client));
        _openLane(remoteId, 0, 0, limits, address(0));
    }

    /// @inheritdoc IGateway
    function replaceClient(bytes32 remoteId, ILightClient client) external restricted {
        _requireRemote(remoteId);
        _requireActive(client);
        _remotes[remoteId].client = client;
        emit ClientReplaced(remoteId, address(client));
    }

    /// @inheritdoc IGateway
    function pauseRemote(bytes32 remoteId) external restricted {
        _requireRemote(remoteId);
        RemoteRecord storage record = _remotes[remoteId];
        if (record.paused) return;
        record.paused = true;
        if (!record.retired) delete _routes[_routeKey(remoteId)];
        emit RemotePaused(remoteId, true);
    }

    /// @inheritdoc IGateway
    function unpauseRemote(bytes32 remoteId) external restricted {
        _requireRemote(remoteId);
        RemoteRecord storage record = _remotes[remoteId];
        if (!record.paused) return;
        record.paused = false;
        if (!record.retired) _routes[_routeKey(remoteId)] = remoteId;
        emit RemotePaused(remoteId, false);
    }

    /// @inheritdoc IGateway
    /// @dev While nobody has succeeded it, nobody else holds its route: what is deleted is its own, or nothing.
    function retireRemote(bytes32 remoteId, uint256 lastHeight) external restricted {
        _requireRemote(remoteId);
        RemoteRecord storage record = _remotes[remoteId];
        if (record.succeeded) revert RemoteIsSucceeded(remoteId);
        record.retired = true;
        record.lastHeight = lastHeight;
        delete _routes[_routeKey(remoteId)];
        emit RemoteRetired(remoteId, lastHeight);
    }

    /// @inheritdoc IGateway
    function reinstateRemote(bytes32 remoteId) external restricted {
        _requireRemote(remoteId);
        RemoteRecord storage record = _remotes[remoteId];
        if (!record.retired) return;
        if (record.succeeded) revert RemoteIsSucceeded(remoteId);
        record.retired = false;
        record.lastHeight = 0;
        if (!record.paused) _routes[_routeKey(remoteId)] = remoteId;
        emit RemoteReinstated(remoteId);
    }

    /// @inheritdoc IGateway
    function remote(bytes32 remoteId) external view returns (Remote memory) {
        _requireRemote(remoteId);
        RemoteRecord storage record = _remotes[remoteId];
        return Remote({
            client: record.client,
            gateway: record.gateway,
            chainPart: _chainPart(remoteId, record.chain),
            paused: record.paused,
            retired: record.retired,
            succeeded: record.succeeded,
            lastHeight: record.lastHeight
        });
    }

    /// @inheritdoc IGateway
    function route(bytes32 routeKey) external view returns (bytes32) {
        return _routes[routeKey];
    }

    /// @inheritdoc IGateway
    function outboundLaneId(bytes32 destination, bytes32 channel, uint8 flags) external view returns (bytes32) {
        return Lanes.id(endpointId, destination, channel, flags);
    }

    /// @inheritdoc IGateway
    function inboundLaneId(bytes32 source, bytes32 channel, uint8 flags) external view returns (bytes32) {
        return Lanes.id(source, endpointId, channel, flags);
    }

    function _requireRemote(bytes32 remoteId) internal view override {
        if (address(_remotes[remoteId].client) == address(0)) revert RemoteUnknown(remoteId);
    }

    function _revertUnrouted(bytes32 key) internal view override {
        bytes32 holder = _holders[key];
        if (holder != 0 && !_remotes[holder].retired) revert RouteIsPaused(holder);
        revert NoRoute(key);
    }

    function _routeKey(bytes32 remoteId) private view returns (bytes32) {
        return keccak256(_chainPart(remoteId, _remotes[remoteId].chain));
    }

    function _requireActive(ILightClient client) private view {
        if (address(client).code.length == 0 || client.status() != ILightClient.Status.Active) {
            revert ClientNotActive(address(client));
        }
    }
}
