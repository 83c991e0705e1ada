// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {Endpoint} from "./Endpoint.sol";
import {IOutbox} from "./interfaces/IOutbox.sol";
import {CanonicalAddress} from "./libraries/CanonicalAddress.sol";
import {Lanes} from "./libraries/Lanes.sol";
import {LaneWord, LaneWords} from "./libraries/LaneWord.sol";
import {Messages} from "./libraries/Messages.sol";
import {SentLog} from "./libraries/SentLog.sol";

/// @title The sending half of a gateway.
/// @notice A message costs three cold storage words: the route of the recipient's chain, the lane, and the lane's head.
///
/// Storage: heads live in the ERC-7201 namespace `postroad.outbox.heads`, which proofs refer to and which can never move.
/// `postroad.outbox.expired` is reserved for messages that expired, and `flags` in a lane's word for ordered (bit 0) and
/// fee-charging (bit 1) lanes. Fees will have a namespace of their own. What stands below is read on this chain only.
abstract contract Outbox is Endpoint, IOutbox, IERC7786GatewaySource {
    /// @dev The attributes that a message may carry, each its selector and one ABI-encoded word.
    bytes4 internal constant MIN_GAS_LIMIT = bytes4(keccak256("minGasLimit(uint256)"));
    bytes4 internal constant DEADLINE = bytes4(keccak256("deadline(uint64)"));
    bytes4 internal constant CHANNEL = bytes4(keccak256("channel(bytes32)"));
    uint256 private constant ATTRIBUTE_LENGTH = 36;
    uint256 private constant UNSET = type(uint256).max;
    /// @dev A payload's length has three bytes in a batch.
    uint256 private constant MOST_PAYLOAD = type(uint24).max;

    /// @dev The endpoint that messages to a chain go to; 0 while there is none, or it is paused or retired: so sending reads
    /// no further word to tell.
    mapping(bytes32 routeKey => bytes32 endpointId) internal _routes;
    /// @dev Who has a channel's list of senders; 0 for public lanes.
    mapping(bytes32 laneId => address) private _owners;
    /// @dev Whom a channel's owner has offered it to.
    mapping(bytes32 laneId => address) private _pendingOwners;
    mapping(bytes32 laneId => mapping(address sender => bool)) private _allowed;

    /// @inheritdoc IERC7786GatewaySource
    function supportsAttribute(bytes4 selector) external pure returns (bool) {
        return selector == MIN_GAS_LIMIT || selector == DEADLINE || selector == CHANNEL;
    }

    /// @inheritdoc IERC7786GatewaySource
    /// @dev Callable while a delivery runs, so recipients can answer. Attributes (docs/reference/wire-formats.md §2):
    /// minGasLimit(uint256), deadline(uint64) in seconds of the destination, channel(bytes32); without them the lane's default,
    /// never, and the public lane.
    function sendMessage(bytes calldata recipient, bytes calldata payload, bytes[] calldata attributes)
        external
        payable
        returns (bytes32 id)
    {
        if (msg.value != 0) revert UnexpectedValue(msg.value);
        // The address's length is part of what makes it valid, and nothing else here.
        // slither-disable-next-line unused-return
        (bool valid, uint256 chainLength,, bytes32 account) = CanonicalAddress.read(recipient);
        if (!valid) revert InvalidRecipient(recipient);
        (uint256 log, uint256 recipientAt, uint256 payloadAt) =
            SentLog.open(_ownChain, _ownChainLength, recipient, payload);
        bytes32 destination = _destination(Messages.hashMemory(recipientAt, chainLength));

        bytes32 channel = 0;
        uint256 gasLimit = 0;
        uint256 deadline = 0;
        if (attributes.length != 0) (channel, gasLimit, deadline) = _readAttributes(attributes);
        bytes32 laneId = Lanes.id(endpointId, destination, channel, 0);
        bytes32 root = Lanes.root(Lanes.HEADS, laneId);
        LaneWord lane = _lane(root);
        if (!lane.isServed()) _revertUnserved(laneId, lane);
        if (payload.length > lane.maxPayload()) revert PayloadTooLarge(payload.length, lane.maxPayload());
        if (attributes.length == 0) {
            gasLimit = lane.defaultGasLimit();
        } else {
            if (gasLimit == UNSET) gasLimit = lane.defaultGasLimit();
            if (gasLimit > lane.maxGasLimit()) revert GasLimitTooHigh(gasLimit, lane.maxGasLimit());
            if (channel != 0 && !_allowed[laneId][msg.sender]) revert SenderNotAllowed(laneId, msg.sender);
        }
        _setLane(root, lane.advanced());

        uint256 sequence = lane.nextSequence();
        id = Messages.leafOf(
            laneId,
            sequence,
            bytes32(uint256(uint160(msg.sender))),
            account,
            gasLimit,
            deadline,
            Messages.hashMemory(payloadAt, payload.length)
        );
        _append(root, sequence, id);
        SentLog.close(log, id, attributes);
        emit MessageAppended(laneId, uint64(sequence), id);
    }

    /// @inheritdoc IOutbox
    /// @dev The owner is an argument, for an opener behind a delay calls through its AccessManager: that is the caller then.
    function openChannel(bytes32 destination, bytes32 channel, uint8 flags, Limits calldata limits, address owner)
        external
        restricted
        returns (bytes32 laneId)
    {
        if (flags != 0) revert UnsupportedFlags(flags);
        if (owner == address(0)) revert LaneOwnerMissing();
        _requireRemote(destination);
        return _openLane(destination, channel, flags, limits, owner);
    }

    /// @inheritdoc IOutbox
    function transferChannel(bytes32 laneId, address newOwner) external {
        _requireOwner(laneId);
        if (newOwner == msg.sender) newOwner = address(0);
        _pendingOwners[laneId] = newOwner;
        emit ChannelOffered(laneId, msg.sender, newOwner);
    }

    /// @inheritdoc IOutbox
    function acceptChannel(bytes32 laneId) external {
        if (_pendingOwners[laneId] != msg.sender) revert NotPendingLaneOwner(laneId, msg.sender);
        emit ChannelTransferred(laneId, _owners[laneId], msg.sender);
        _owners[laneId] = msg.sender;
        delete _pendingOwners[laneId];
    }

    /// @inheritdoc IOutbox
    function allowSender(bytes32 laneId, address sender, bool allowed) external {
        _requireOwner(laneId);
        _allowed[laneId][sender] = allowed;
        emit SenderAllowed(laneId, sender, allowed);
    }

    /// @inheritdoc IOutbox
    function limitLane(bytes32 laneId, Limits calldata limits) external restricted {
        _setLane(Lanes.root(Lanes.HEADS, laneId), _openedLane(laneId).withLimits(_validated(limits)));
        emit LaneLimited(laneId, limits);
    }

    /// @inheritdoc IOutbox
    function pauseLane(bytes32 laneId) external restricted {
        _setLane(Lanes.root(Lanes.HEADS, laneId), _openedLane(laneId).withPaused(true));
        emit LanePaused(laneId, true);
    }

    /// @inheritdoc IOutbox
    function unpauseLane(bytes32 laneId) external restricted {
        _setLane(Lanes.root(Lanes.HEADS, laneId), _openedLane(laneId).withPaused(false));
        emit LanePaused(laneId, false);
    }

    /// @inheritdoc IOutbox
    function head(bytes32 laneId, uint256 page) external view returns (bytes32) {
        return bytes32(Lanes.load(Lanes.slot(Lanes.root(Lanes.HEADS, laneId), page)));
    }

    /// @inheritdoc IOutbox
    function outboundLane(bytes32 laneId) external view returns (OutboundLane memory) {
        return _lane(Lanes.root(Lanes.HEADS, laneId)).unpack();
    }

    /// @inheritdoc IOutbox
    function laneOwner(bytes32 laneId) external view returns (address owner, address pendingOwner) {
        return (_owners[laneId], _pendingOwners[laneId]);
    }

    /// @inheritdoc IOutbox
    function isSenderAllowed(bytes32 laneId, address sender) external view returns (bool) {
        if (!_lane(Lanes.root(Lanes.HEADS, laneId)).isOpen()) return false;
        return _owners[laneId] == address(0) || _allowed[laneId][sender];
    }

    /// @dev Opens a lane, public when the owner is 0.
    function _openLane(bytes32 destination, bytes32 channel, uint8 flags, Limits calldata limits, address owner)
        internal
        returns (bytes32 laneId)
    {
        laneId = Lanes.id(endpointId, destination, channel, flags);
        bytes32 root = Lanes.root(Lanes.HEADS, laneId);
        if (_lane(root).isOpen()) revert LaneAlreadyOpen(laneId);
        _setLane(root, LaneWords.create(flags).withLimits(_validated(limits)));
        _owners[laneId] = owner;
        emit LaneOpened(laneId, destination, channel, flags, owner);
        emit LaneLimited(laneId, limits);
    }

    /// @dev Reverts when no such remote is registered.
    function _requireRemote(bytes32 destination) internal view virtual;

    /// @dev Reverts with the reason why a chain has no route.
    function _revertUnrouted(bytes32 routeKey) internal view virtual;

    /// @dev Hashes the leaf into the lane's running head: page 0 starts from 0, every other from the page before.
    function _append(bytes32 root, uint256 sequence, bytes32 id) private {
        bytes32 slot = Lanes.slot(root, sequence / Lanes.PAGE);
        bytes32 previous = slot;
        if (sequence % Lanes.PAGE == 0 && sequence != 0) previous = Lanes.slot(root, sequence / Lanes.PAGE - 1);
        Lanes.store(slot, uint256(Messages.append(bytes32(Lanes.load(previous)), id)));
    }

    function _setLane(bytes32 root, LaneWord lane) private {
        Lanes.store(root, LaneWord.unwrap(lane));
    }

    /// @dev The word of a lane stands where the mapping of its heads is rooted, a place that Solidity leaves empty: so the
    /// lane and its heads share a hash.
    function _lane(bytes32 root) private view returns (LaneWord) {
        return LaneWord.wrap(Lanes.load(root));
    }

    function _destination(bytes32 routeKey) private view returns (bytes32 destination) {
        destination = _routes[routeKey];
        if (destination == 0) _revertUnrouted(routeKey);
    }

    /// @dev The gas limit is UNSET unless it is among the attributes.
    function _readAttributes(bytes[] calldata attributes)
        private
        view
        returns (bytes32 channel, uint256 gasLimit, uint256 deadline)
    {
        gasLimit = UNSET;
        uint256 seen = 0;
        for (uint256 i = 0; i < attributes.length; ++i) {
            bytes calldata attribute = attributes[i];
            if (attribute.length < 4) revert InvalidAttribute(attribute);
            bytes4 selector = bytes4(attribute);
            uint256 kind = selector == MIN_GAS_LIMIT ? 1 : selector == DEADLINE ? 2 : selector == CHANNEL ? 4 : 0;
            if (kind == 0) revert UnsupportedAttribute(selector);
            if (seen & kind != 0) revert DuplicateAttribute(selector);
            seen |= kind;
            if (attribute.length != ATTRIBUTE_LENGTH) revert InvalidAttribute(attribute);
            bytes32 value = bytes32(attribute[4:]);
            if (kind == 4) {
                channel = value;
            } else {
                // No lane lets more than 2^32 - 1 gas through, so a limit that wide is refused like any that is too high.
                if (kind == 1) gasLimit = uint256(value) < UNSET ? uint256(value) : UNSET - 1;
                else if (uint256(value) > type(uint64).max) revert InvalidAttribute(attribute);
                else deadline = uint256(value);
            }
        }
        // A deadline is a second of the destination's clock; refusing what is past by this one's is a courtesy to the sender.
        // slither-disable-next-line timestamp
        if (deadline != 0 && deadline < block.timestamp) revert DeadlinePassed(uint64(deadline), block.timestamp);
    }

    function _requireOwner(bytes32 laneId) private view {
        if (_owners[laneId] != msg.sender) revert NotLaneOwner(laneId, msg.sender);
    }

    function _openedLane(bytes32 laneId) private view returns (LaneWord lane) {
        lane = _lane(Lanes.root(Lanes.HEADS, laneId));
        if (!lane.isOpen()) revert LaneNotOpen(laneId);
    }

    function _revertUnserved(bytes32 laneId, LaneWord lane) private pure {
        if (lane.isOpen()) revert LaneIsPaused(laneId);
        revert LaneNotOpen(laneId);
    }

    function _validated(Limits calldata limits) private pure returns (Limits calldata) {
        if (
            limits.defaultGasLimit == 0 || limits.defaultGasLimit > limits.maxGasLimit
                || limits.maxPayload > MOST_PAYLOAD
        ) revert InvalidLimits(limits);
        return limits;
    }
}
