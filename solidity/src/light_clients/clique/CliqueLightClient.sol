// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../interfaces/ILightClient.sol";
import {CompactProof} from "../../libraries/CompactProof.sol";
import {TrieNodes} from "../../libraries/TrieNodes.sol";
import {LightClient} from "../shared/LightClient.sol";
import {CliqueRun} from "./CliqueRun.sol";
import {CliqueSigners} from "./CliqueSigners.sol";

/// @title A light client of a Clique chain (EIP-225; docs/reference/wire-formats.md §8).
/// @notice Trusts one signer set, by its hash. A header is believed when more than half of the set built on it, one after the
/// other. That is no finality: a reorganisation as deep is unlikely, not impossible (docs/adr/0021-clique.md).
contract CliqueLightClient is LightClient {
    using CliqueRun for CliqueRun.Run;

    struct TrustedState {
        bytes32 setHash;
        uint64 height;
        uint64 timestamp;
        bool frozen;
    }

    /// @dev The first byte behind the trusted set in an update.
    uint256 private constant FROM_TRUSTED = 0;
    uint256 private constant FROM_EPOCH = 1;

    uint64 private constant MOST_EXTRA_DEPTH = 100;

    /// @notice After how many blocks the chain discards votes and lists its signers.
    uint64 public immutable epoch;
    /// @notice How many headers more than a majority of the signers have to stand on a header.
    uint64 public immutable extraDepth;

    TrustedState private _trusted;

    /// @notice The admin chose the trusted state, at deployment or again. The signers are in no other place on this chain.
    event Bootstrapped(uint64 indexed height, uint64 timestamp, address[] signers);

    error NotTrustedSet(bytes32 found, bytes32 trusted);
    /// @notice Too few headers follow for the one that would be believed.
    error DepthNotReached(uint256 found, uint256 needed);
    /// @notice Too few of the trusted signers are among those who built on it.
    error MajorityNotReached(uint256 found, uint256 needed);
    /// @notice The last change of the signers is not old enough.
    error ChangeTooLate(uint256 headers, uint256 most);
    error NoEpochBlock(uint256 number, uint256 epoch);
    error TimestampBelow(uint256 found, uint256 least);
    error HeightsDiffer(uint256 first, uint256 second);
    /// @notice Both headers are one block.
    error NoMisbehaviour(bytes32 blockHash);
    error HeightZero();
    error RulesInvalid(uint64 epoch, uint64 extraDepth);

    /// @param authority AccessManager whose roles say who may bootstrap again.
    /// @param signers Who may seal behind the block at `height`, ascending.
    /// @param height Block number from which on the client trusts, at least 1.
    /// @param timestamp That block's time, in seconds.
    constructor(
        address authority,
        uint64 epoch_,
        uint64 extraDepth_,
        address[] memory signers,
        uint64 height,
        uint64 timestamp,
        uint64 trustingPeriod_,
        uint64 maxClockDrift_
    ) LightClient(authority, trustingPeriod_, maxClockDrift_) {
        if (epoch_ == 0 || extraDepth_ > MOST_EXTRA_DEPTH) {
            revert RulesInvalid(epoch_, extraDepth_);
        }
        epoch = epoch_;
        extraDepth = extraDepth_;
        _bootstrap(signers, height, timestamp);
    }

    // ------------------------------------------------------------------------------------------------ proving

    /// @inheritdoc ILightClient
    function storageAt(bytes calldata proof, address account, bytes32 slot)
        external
        view
        returns (bytes32 value, uint64 height, uint64 timestamp)
    {
        unchecked {
            _requireActive();
            uint256 buffer = TrieNodes.allocateBuffer();
            uint256 position = _start(proof);
            uint256 form = _byteAt(position);
            bytes32 root;
            (root, value, position) = CompactProof.storageRoot(position + 1, CompactProof.keyOf(slot), buffer);
            (root, position) = CompactProof.stateRoot(position, CompactProof.keyOf(account), root, buffer);

            if (form == BY_HEADER) {
                address[] memory signers;
                (signers, position) = _readTrustedSet(position);
                CliqueRun.Run memory run = CliqueRun.begin(signers, epoch, depthOf(signers.length) + 1, false);
                position = run.readWith(position, root);
                (height, timestamp) = (uint64(run.number), uint64(run.timestamp));
                _requireEnd(proof, _readOn(run, position));
                _requireNotAhead(timestamp);
                return (value, height, timestamp);
            }
            (height, timestamp) = _requireAnchored(proof, position, form, root);
        }
    }

    // ------------------------------------------------------------------------------------------------ moving trust

    /// @inheritdoc ILightClient
    function update(bytes calldata data) external {
        unchecked {
            _requireActive();
            (address[] memory trusted, uint256 position) = _readTrustedSet(_start(data));
            uint256 form = _byteAt(position);
            address[] memory first = trusted;
            ++position;
            if (form == FROM_EPOCH) {
                (first, position) = CliqueSigners.read(position);
                CliqueSigners.requireSet(first);
            } else if (form != FROM_TRUSTED) {
                revert FormUnknown(form);
            }

            uint256 count = _byteAt(position);
            CliqueRun.Run memory run = CliqueRun.begin(first, epoch, count, true);
            uint256[2][] memory placed = new uint256[2][](count);
            ++position;
            for (uint256 i = 0; i < count; ++i) {
                position = run.read(position);
                (placed[i][0], placed[i][1]) = (run.number, run.timestamp);
            }
            _requireEnd(data, position);

            uint256 depth = depthOf(run.signers.length);
            if (count <= depth) revert DepthNotReached(count, depth + 1);
            if (form == FROM_EPOCH) {
                if (placed[0][0] % epoch != 0) revert NoEpochBlock(placed[0][0], epoch);
                _requireMajority(trusted, run);
            }
            // The signers behind the header that becomes trusted are those that its successors were checked with.
            if (run.changed > count - depth) revert ChangeTooLate(run.changed, count - depth);
            _move(CliqueSigners.hash(run.signers), placed[count - 1 - depth][0], placed[count - 1 - depth][1]);
        }
    }

    /// @inheritdoc ILightClient
    function anchor(bytes calldata data) external {
        _requireActive();
        (address[] memory signers, uint256 position) = _readTrustedSet(_start(data));
        // Behind flags, index and parentHash.
        bytes32 root = _wordAt(position + 34);
        (uint256 number, uint256 timestamp,, uint256 end) = _readBelieved(signers, position);
        _requireEnd(data, end);
        _requireNotAhead(timestamp);
        _moveAnchor(root, uint64(number), uint64(timestamp));
    }

    /// @inheritdoc ILightClient
    /// @dev Two sealed blocks of one height are ordinary; two that more than half of the signers built on are not. An expired
    /// client can be frozen, and headers may lie in the future: two such headers are proof enough.
    function freeze(bytes calldata data) external {
        if (_trusted.frozen) revert NotActive(Status.Frozen);
        (address[] memory signers, uint256 position) = _readTrustedSet(_start(data));
        (uint256 number,, bytes32 hash, uint256 second) = _readBelieved(signers, position);
        (uint256 otherNumber,, bytes32 otherHash, uint256 end) = _readBelieved(signers, second);
        _requireEnd(data, end);
        if (number != otherNumber) revert HeightsDiffer(number, otherNumber);
        if (hash == otherHash) revert NoMisbehaviour(hash);
        _trusted.frozen = true;
        emit FrozenByMisbehaviour(uint64(number));
    }

    /// @notice Chooses the trusted state anew, unfreezes, and forgets the anchor. For the admin, behind its delay: after
    /// misbehaviour was settled, or after an absence longer than the trusting period.
    function bootstrap(address[] calldata signers, uint64 height, uint64 timestamp) external restricted {
        _storeAnchor(0, 0);
        _bootstrap(signers, height, timestamp);
    }

    // ------------------------------------------------------------------------------------------------ reading

    /// @inheritdoc ILightClient
    function status() public view returns (Status) {
        if (_trusted.frozen) return Status.Frozen;
        return _isExpired(_trusted.timestamp) ? Status.Expired : Status.Active;
    }

    /// @return setHash keccak256 of the signers, 20 bytes each, ascending.
    function trustedState() external view returns (bytes32 setHash, uint64 height, uint64 timestamp, bool frozen) {
        return (_trusted.setHash, _trusted.height, _trusted.timestamp, _trusted.frozen);
    }

    /// @notice How many headers have to stand on one before it is believed, for a set of `count` signers.
    function depthOf(uint256 count) public view returns (uint256) {
        unchecked {
            return CliqueSigners.majority(count) + extraDepth;
        }
    }

    // ------------------------------------------------------------------------------------------------ rules

    function _requireActive() private view {
        Status found = status();
        if (found != Status.Active) revert NotActive(found);
    }

    function _readTrustedSet(uint256 position) private view returns (address[] memory signers, uint256 next) {
        (signers, next) = CliqueSigners.read(position);
        bytes32 found = CliqueSigners.hash(signers);
        if (found != _trusted.setHash) revert NotTrustedSet(found, _trusted.setHash);
    }

    /// @dev A header with its stateRoot, and the headers that stand on it.
    function _readBelieved(address[] memory signers, uint256 position)
        private
        view
        returns (uint256 number, uint256 timestamp, bytes32 hash, uint256 next)
    {
        unchecked {
            CliqueRun.Run memory run = CliqueRun.begin(signers, epoch, depthOf(signers.length) + 1, false);
            next = run.read(position);
            (number, timestamp, hash) = (run.number, run.timestamp, run.hash);
            next = _readOn(run, next);
        }
    }

    /// @dev The headers that stand on the first. No signer seals twice among floor(n/2) + 1, so these are distinct.
    function _readOn(CliqueRun.Run memory run, uint256 position) private pure returns (uint256 next) {
        unchecked {
            next = position;
            while (run.count < run.sealers.length) {
                next = run.read(next);
            }
        }
    }

    /// @dev More than half of the trusted signers sealed the epoch block or built on it: one signer alone writes what it
    /// lists. A change by votes needs no such check, because more than half of the trusted signers sealed the votes.
    function _requireMajority(address[] memory trusted, CliqueRun.Run memory run) private pure {
        unchecked {
            uint256 found = 0;
            for (uint256 i = 0; i < trusted.length; ++i) {
                for (uint256 j = 0; j < run.count; ++j) {
                    if (run.sealers[j] != trusted[i]) continue;
                    ++found;
                    break;
                }
            }
            uint256 needed = CliqueSigners.majority(trusted.length);
            if (found < needed) revert MajorityNotReached(found, needed);
        }
    }

    function _move(bytes32 setHash, uint256 height, uint256 timestamp) private {
        (uint64 above, uint64 least) = (_trusted.height, _trusted.timestamp);
        if (height <= above) revert HeightNotAbove(height, above);
        if (timestamp < least) revert TimestampBelow(timestamp, least);
        _requireNotAhead(timestamp);
        _trusted = TrustedState(setHash, uint64(height), uint64(timestamp), false);
        emit Updated(uint64(height), uint64(timestamp));
    }

    function _bootstrap(address[] memory signers, uint64 height, uint64 timestamp) private {
        CliqueSigners.requireSet(signers);
        if (height == 0) revert HeightZero();
        _requireNotAhead(timestamp);
        _trusted = TrustedState(CliqueSigners.hash(signers), height, timestamp, false);
        // A state that is too old to be believed is a mistake, not a state.
        _requireActive();
        emit Bootstrapped(height, timestamp, signers);
    }

    function _wordAt(uint256 position) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(position)
        }
    }
}
