// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "@postroad/contracts/interfaces/ILightClient.sol";
import {CompactProof} from "@postroad/contracts/libraries/CompactProof.sol";
import {TrieNodes} from "@postroad/contracts/libraries/TrieNodes.sol";
import {LightClient} from "@postroad/contracts/light_clients/shared/LightClient.sol";

/// @title A light client of a chain whose blocks one key signs.
/// @notice A header is number (8 bytes), timestamp (8), state root (32, left out in a proof, which leads to it), parent hash
/// (32) and seal (r, s, parity: 65). A header is believed when the seal over keccak256 of the rest is the key's.
contract SoloLightClient is LightClient {
    struct Header {
        uint256 number;
        uint256 timestamp;
        bytes32 stateRoot;
        bytes32 hash;
    }

    address public immutable signer;

    uint64 private _height;
    uint64 private _timestamp;
    bool private _frozen;

    /// @notice The admin chose the trusted state, at deployment or again.
    event Bootstrapped(uint64 indexed height, uint64 timestamp);

    error NotSigned(address found, address expected);
    error HeightsDiffer(uint256 first, uint256 second);
    error NoMisbehaviour(bytes32 hash);
    error HeightZero();

    /// @param signer_ Whose blocks are believed.
    /// @param height Block number from which on the client trusts, at least 1.
    /// @param timestamp That block's time, in seconds.
    constructor(
        address authority,
        address signer_,
        uint64 height,
        uint64 timestamp,
        uint64 trustingPeriod_,
        uint64 maxClockDrift_
    ) LightClient(authority, trustingPeriod_, maxClockDrift_) {
        signer = signer_;
        _bootstrap(height, timestamp);
    }

    /// @inheritdoc ILightClient
    function storageAt(bytes calldata proof, address account, bytes32 slot)
        external
        view
        returns (bytes32 value, uint64 height, uint64 timestamp)
    {
        _requireActive();
        uint256 buffer = TrieNodes.allocateBuffer();
        uint256 position = _start(proof);
        uint256 form = _byteAt(position);
        bytes32 root;
        (root, value, position) = CompactProof.storageRoot(position + 1, CompactProof.keyOf(slot), buffer);
        (root, position) = CompactProof.stateRoot(position, CompactProof.keyOf(account), root, buffer);
        if (form == BY_HEADER) {
            Header memory header;
            (header, position) = _readWith(position, root);
            _requireEnd(proof, position);
            _requireNotAhead(header.timestamp);
            return (value, uint64(header.number), uint64(header.timestamp));
        }
        (height, timestamp) = _requireAnchored(proof, position, form, root);
    }

    /// @inheritdoc ILightClient
    function update(bytes calldata data) external {
        _requireActive();
        Header memory header = _readWhole(data);
        if (header.number <= _height) revert HeightNotAbove(header.number, _height);
        if (header.timestamp < _timestamp) revert HeightNotAbove(header.timestamp, _timestamp);
        _requireNotAhead(header.timestamp);
        (_height, _timestamp) = (uint64(header.number), uint64(header.timestamp));
        emit Updated(_height, _timestamp);
    }

    /// @inheritdoc ILightClient
    function anchor(bytes calldata data) external {
        _requireActive();
        Header memory header = _readWhole(data);
        _requireNotAhead(header.timestamp);
        _moveAnchor(header.stateRoot, uint64(header.number), uint64(header.timestamp));
    }

    /// @inheritdoc ILightClient
    function freeze(bytes calldata data) external {
        if (_frozen) revert NotActive(Status.Frozen);
        (Header memory first, uint256 position) = _read(_start(data));
        (Header memory second, uint256 end) = _read(position);
        _requireEnd(data, end);
        if (first.number != second.number) revert HeightsDiffer(first.number, second.number);
        if (first.hash == second.hash) revert NoMisbehaviour(first.hash);
        _frozen = true;
        emit FrozenByMisbehaviour(uint64(first.number));
    }

    /// @notice Chooses the trusted state anew, unfreezes, and forgets the anchor. For the admin, behind its delay.
    function bootstrap(uint64 height, uint64 timestamp) external restricted {
        _storeAnchor(0, 0);
        _bootstrap(height, timestamp);
    }

    /// @inheritdoc ILightClient
    function status() public view returns (Status) {
        if (_frozen) return Status.Frozen;
        return _isExpired(_timestamp) ? Status.Expired : Status.Active;
    }

    function trustedState() external view returns (uint64 height, uint64 timestamp, bool frozen) {
        return (_height, _timestamp, _frozen);
    }

    function _bootstrap(uint64 height, uint64 timestamp) private {
        if (height == 0) revert HeightZero();
        _requireNotAhead(timestamp);
        (_height, _timestamp, _frozen) = (height, timestamp, false);
        _requireActive();
        emit Bootstrapped(height, timestamp);
    }

    function _requireActive() private view {
        Status found = status();
        if (found != Status.Active) revert NotActive(found);
    }

    function _readWhole(bytes calldata data) private view returns (Header memory header) {
        uint256 end;
        (header, end) = _read(_start(data));
        _requireEnd(data, end);
    }

    /// @dev A header with its state root.
    function _read(uint256 position) private view returns (Header memory header, uint256 next) {
        (header.number, header.timestamp) = (_uint64At(position), _uint64At(position + 8));
        header.stateRoot = _wordAt(position + 16);
        next = _finish(header, position + 48);
    }

    /// @dev A header whose state root is what a proof leads to.
    function _readWith(uint256 position, bytes32 root) private view returns (Header memory header, uint256 next) {
        (header.number, header.timestamp) = (_uint64At(position), _uint64At(position + 8));
        header.stateRoot = root;
        next = _finish(header, position + 16);
    }

    /// @dev Reads parent hash and seal, and requires the key's signature. Returns the position after them.
    function _finish(Header memory header, uint256 position) private view returns (uint256) {
        header.hash = keccak256(
            abi.encodePacked(
                uint64(header.number), uint64(header.timestamp), header.stateRoot, _wordAt(position)
            )
        );
        (bytes32 r, bytes32 s) = (_wordAt(position + 32), _wordAt(position + 64));
        uint256 parity = _byteAt(position + 96);
        if (parity > 1) revert FormUnknown(parity);
        address found = ecrecover(header.hash, uint8(27 + parity), r, s);
        if (found == address(0) || found != signer) revert NotSigned(found, signer);
        return position + 97;
    }

    function _uint64At(uint256 position) private pure returns (uint256) {
        return uint256(_wordAt(position)) >> 192;
    }

    function _wordAt(uint256 position) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(position)
        }
    }
}
