// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../interfaces/ILightClient.sol";
import {CompactProof} from "../../libraries/CompactProof.sol";
import {TrieNodes} from "../../libraries/TrieNodes.sol";
import {LightClient} from "../shared/LightClient.sol";
import {BftHeader} from "./BftHeader.sol";
import {BftTrust} from "./BftTrust.sol";

/// @title A light client of a QBFT, IBFT 2.0 or legacy Istanbul chain (docs/reference/wire-formats.md §6).
/// @notice Trusts one validator set, by its hash. A header is believed when its own list is that set and a quorum of it
/// sealed; a new set only when a quorum of the old one sealed headers that list it (INV-7).
contract BftLightClient is BftTrust {
    /// @dev How an update names the validators: positions of the trusted ones and of each new one's index among them.
    struct Link {
        bool changes;
        uint256 trusted;
        uint256 trustedCount;
        uint256 indices;
        uint256 count;
    }

    /// @dev The first byte of a link.
    uint256 private constant SAME_SET = 0;
    uint256 private constant CHANGED_SET = 1;
    /// @dev A new validator that is not among the trusted ones.
    uint256 private constant NEWCOMER = 0xff;

    uint256 private constant MOST_HEADERS = 8;

    BftHeader.Kinds private immutable _kinds;

    error HeaderCountInvalid(uint256 found, uint256 most);
    /// @notice Headers of one update list different sets.
    error SetsDiffer(bytes32 found, bytes32 expected);
    /// @notice An update claims that the set changes, and it does not.
    error SetUnchanged(bytes32 found);
    error LinkLengthMismatch(uint256 found, uint256 expected);
    /// @notice A link's index names another validator than the header does, or none.
    error LinkMismatch(uint256 index, address found, address expected);

    /// @param authority AccessManager whose roles say who may bootstrap again.
    /// @param kind_ The protocol of the blocks below `laterFrom_`.
    /// @param laterKind_ The protocol of all others; the same where the chain has no change ahead.
    /// @param laterFrom_ The first block of the later protocol.
    /// @param validators Members of the set that sealed the block at `height`, in the order of its header.
    /// @param height Block number from which on the client trusts, at least 1.
    /// @param timestamp That block's time, in seconds.
    constructor(
        address authority,
        BftHeader.Kind kind_,
        BftHeader.Kind laterKind_,
        uint64 laterFrom_,
        address[] memory validators,
        uint64 height,
        uint64 timestamp,
        uint64 trustingPeriod_,
        uint64 maxClockDrift_
    ) LightClient(authority, trustingPeriod_, maxClockDrift_) {
        _kinds = BftHeader.kindsOf(kind_, laterKind_, laterFrom_);
        _bootstrap(validators, height, timestamp);
    }

    // ------------------------------------------------------------------------------------------------ proving

    /// @inheritdoc ILightClient
    function storageAt(bytes calldata proof, address account, bytes32 slot)
        external
        view
        returns (bytes32 value, uint64 height, uint64 timestamp)
    {
        unchecked {
            uint256 belief = _requireActive();
            uint256 buffer = TrieNodes.allocateBuffer();
            uint256 position = _start(proof);
            uint256 form = _byteAt(position);
            bytes32 root;
            (root, value, position) = CompactProof.storageRoot(position + 1, CompactProof.keyOf(slot), buffer);
            (root, position) = CompactProof.stateRoot(position, CompactProof.keyOf(account), root, buffer);

            if (form == BY_HEADER) {
                (bytes32 hash, bytes32 setHash, uint256 number, uint256 time, uint256 validators, uint256 sealers) =
                    BftHeader.readWith(position, _kinds, root);
                if ((uint256(setHash) ^ belief) >> SET_SHIFT != 0) revert NotTrustedSet(setHash, _trusted.setHash);
                _requireNotAhead(time);
                _requireEnd(proof, _requireQuorum(hash, validators, sealers, buffer));
                return (value, uint64(number), uint64(time));
            }
            (height, timestamp) = _requireAnchored(proof, position, form, root);
        }
    }

    // ------------------------------------------------------------------------------------------------ moving trust

    /// @inheritdoc ILightClient
    function update(bytes calldata data) external {
        unchecked {
            uint256 belief = _requireActive();
            uint256 buffer = TrieNodes.allocateBuffer();
            uint256 position = _start(data);
            uint256 headers = _byteAt(position);
            if (headers - 1 > MOST_HEADERS - 1) revert HeaderCountInvalid(headers, MOST_HEADERS);
            Link memory link;
            (link, position) = _readLink(position + 1);

            bytes32 trustedSet = _trusted.setHash;
            bytes32 setHash = 0;
            (uint256 height, uint256 timestamp) = (_trusted.height, _timestampOf(belief));
            // Trusted validators that sealed any of the headers, by index.
            uint256 witnesses = 0;
            for (uint256 i = 0; i < headers; ++i) {
                BftHeader.Header memory header = BftHeader.read(position, _kinds);

                // Its place: above all before, no earlier than all before.
                if (header.number <= height) revert HeightNotAbove(header.number, height);
                if (header.timestamp < timestamp) revert TimestampBelow(header.timestamp, timestamp);
                (height, timestamp) = (header.number, header.timestamp);

                // Its set: one for all headers, and the trusted one or linked to it.
                if (i == 0) {
                    setHash = header.setHash;
                    _requireLinked(link, header, trustedSet);
                } else if (header.setHash != setHash) {
                    revert SetsDiffer(header.setHash, setHash);
                }

                // Its seals: a quorum of its own set.
                position = _requireQuorum(header.hash, header.validators, header.sealers, buffer);
                if (link.changes) witnesses |= _witnesses(link, header);
            }
            _requireEnd(data, position);
            _requireNotAhead(timestamp);
            if (link.changes) {
                uint256 found = _countBits(witnesses);
                uint256 needed = BftHeader.quorum(link.trustedCount);
                if (found < needed) revert QuorumNotReached(found, needed);
                _trusted.setHash = setHash;
            }
            _trusted.belief = _beliefOf(setHash, timestamp);
            _trusted.height = uint64(height);
            emit Updated(uint64(height), uint64(timestamp));
        }
    }

    /// @inheritdoc ILightClient
    function anchor(bytes calldata data) external {
        _requireActive();
        uint256 position = _start(data);
        BftHeader.Header memory header = BftHeader.read(position, _kinds);
        _requireTrustedSet(header.setHash);
        _requireNotAhead(header.timestamp);
        uint256 buffer = TrieNodes.allocateBuffer();
        _requireEnd(data, _requireQuorum(header.hash, header.validators, header.sealers, buffer));
        _moveAnchor(BftHeader.stateRootAt(position), uint64(header.number), uint64(header.timestamp));
    }

    /// @inheritdoc ILightClient
    /// @dev An expired client can be frozen, and headers may lie in the future: two such headers are proof enough.
    function freeze(bytes calldata data) external {
        if (_trusted.belief & FROZEN != 0) revert NotActive(Status.Frozen);
        uint256 buffer = TrieNodes.allocateBuffer();
        uint256 first = _start(data);
        (uint256 number, uint256 second) = _requireTrusted(first, buffer);
        (uint256 otherNumber, uint256 end) = _requireTrusted(second, buffer);
        _requireEnd(data, end);

        if (number != otherNumber) revert HeightsDiffer(number, otherNumber);
        bytes32 hash = BftHeader.onChainHash(first, _kinds);
        if (hash == BftHeader.onChainHash(second, _kinds)) revert NoMisbehaviour(hash);
        _trusted.belief |= FROZEN;
        emit FrozenByMisbehaviour(uint64(number));
    }

    /// @notice Chooses the trusted state anew, unfreezes, and forgets the anchor. For the admin, behind its delay: after
    /// misbehaviour was settled, or after an absence longer than the trusting period.
    function bootstrap(address[] calldata validators, uint64 height, uint64 timestamp) external restricted {
        _storeAnchor(0, 0);
        _bootstrap(validators, height, timestamp);
    }

    // ------------------------------------------------------------------------------------------------ reading

    /// @return first The protocol of the blocks below `laterFrom`.
    /// @return later The protocol of all others; the same where the chain has no change ahead.
    function kinds() external view returns (BftHeader.Kind first, BftHeader.Kind later, uint64 laterFrom) {
        return BftHeader.split(_kinds);
    }

    // ------------------------------------------------------------------------------------------------ rules

    /// @dev A header of the trusted set, whatever its time. Returns its number and the position after it.
    function _requireTrusted(uint256 position, uint256 buffer) private view returns (uint256 number, uint256 next) {
        BftHeader.Header memory header = BftHeader.read(position, _kinds);
        _requireTrustedSet(header.setHash);
        next = _requireQuorum(header.hash, header.validators, header.sealers, buffer);
        number = header.number;
    }

    function _readLink(uint256 position) private pure returns (Link memory link, uint256 next) {
        unchecked {
            uint256 form = _byteAt(position);
            next = position + 1;
            if (form == SAME_SET) return (link, next);
            if (form != CHANGED_SET) revert FormUnknown(form);
            link.changes = true;
            link.trustedCount = _byteAt(next);
            link.trusted = next + 1;
            next = link.trusted + link.trustedCount * 20;
            link.count = _byteAt(next);
            link.indices = next + 1;
            next = link.indices + link.count;
        }
    }

    /// @dev The header's set is the trusted one, or the link leads from there to it.
    function _requireLinked(Link memory link, BftHeader.Header memory header, bytes32 trusted) private pure {
        unchecked {
            bytes32 old = header.setHash;
            // Empty unless the set changes, and then read from the link.
            // slither-disable-next-line uninitialized-local
            address[] memory oldSet;
            if (link.changes) {
                oldSet = _list(link.trusted, link.trustedCount);
                old = _setHash(oldSet);
            }
            if (old != trusted) revert NotTrustedSet(old, trusted);
            if (!link.changes) return;

            if (header.setHash == trusted) revert SetUnchanged(trusted);
            uint256 count = _byteAt(header.validators);
            if (count == 0) revert ValidatorCountInvalid(0, MOST_VALIDATORS);
            if (link.count != count) revert LinkLengthMismatch(link.count, count);
            address[] memory newSet = _list(header.validators + 1, count);
            _requireMembers(newSet);
            for (uint256 i = 0; i < newSet.length; ++i) {
                uint256 index = _byteAt(link.indices + i);
                if (index == NEWCOMER) continue;
                address named = index < oldSet.length ? oldSet[index] : address(0);
                if (named != newSet[i]) revert LinkMismatch(i, named, newSet[i]);
            }
        }
    }

    /// @dev The trusted validators among a header's sealers, as a mask of their indices.
    function _witnesses(Link memory link, BftHeader.Header memory header) private pure returns (uint256 mask) {
        unchecked {
            // Where the seals lie is of no interest here.
            // slither-disable-next-line unused-return
            (uint256 sealers,) = BftHeader.sealersOf(header.validators, header.sealers);
            for (uint256 position = link.indices; sealers != 0; sealers >>= 1) {
                uint256 index = _byteAt(position);
                if (sealers & 1 != 0 && index != NEWCOMER) mask |= 1 << index;
                ++position;
            }
        }
    }

    function _countBits(uint256 mask) private pure returns (uint256 count) {
        unchecked {
            for (; mask != 0; mask &= mask - 1) {
                ++count;
            }
        }
    }
}
