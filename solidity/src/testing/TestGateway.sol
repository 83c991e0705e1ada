// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IERC7786GatewaySource, IERC7786Recipient} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {IInbox} from "../interfaces/IInbox.sol";
import {IOutbox} from "../interfaces/IOutbox.sol";
import {CanonicalAddress} from "../libraries/CanonicalAddress.sol";
import {EvmAddress} from "../libraries/EvmAddress.sol";

/// @title A gateway for the tests of applications. IT VERIFIES NOTHING: never deploy it where anything has a value.
/// @notice Two of them in one EVM stand for the gateways of two chains. What one sends waits at the other until the test has it
/// delivered, in the same test, without a relayer, a light client or a proof:
///
///     TestGateway court = new TestGateway(1, keccak256("court"));
///     TestGateway port = new TestGateway(2, keccak256("port"));
///     court.join(port);
///     bytes32 id = court.sendMessage(...);
///     assertTrue(port.deliver(id));
///
/// It sends and delivers as Gateway does: the same ids, events and errors, the same attributes, at most one execution with
/// success, a bounded amount of gas for the recipient, and nothing left of a message that its recipient refuses. What it has not:
/// roles, pauses, retirement, batches and proofs. Everyone may call everything.
contract TestGateway is IERC7786GatewaySource {
    struct Waiting {
        bytes32 laneId;
        uint64 sequence;
        uint64 deadline;
        address recipient;
        uint256 gasLimit;
        bytes sender;
        bytes payload;
    }

    struct Attributes {
        bytes32 channel;
        uint256 gasLimit;
        uint64 deadline;
    }

    uint256 private constant LEAF_VERSION = 1;
    uint256 private constant LANE_VERSION = 1;
    uint256 private constant ATTRIBUTE_LENGTH = 36;
    /// @dev Gas beside the recipient's, for the frame around it.
    uint256 private constant RESERVE = 100_000;
    uint256 private constant PAGE = 256;

    /// @notice The chain that this gateway stands on, whatever `block.chainid` is.
    uint256 public immutable chainId;
    bytes32 public immutable endpointId;

    /// @notice Of every lane from here; at first what `postroad endpoint deploy` gives a public lane.
    IOutbox.Limits public limits =
        IOutbox.Limits({defaultGasLimit: 200_000, maxGasLimit: 2_000_000, maxPayload: 24_576});

    mapping(bytes32 routeKey => TestGateway) private _routes;
    mapping(address gateway => bool) private _joined;
    mapping(bytes32 laneId => uint64) private _nextSequence;
    mapping(bytes32 channel => bool) private _channels;
    mapping(bytes32 channel => mapping(address sender => bool)) private _allowed;
    mapping(bytes32 id => Waiting) private _waiting;
    mapping(bytes32 id => bool) private _delivered;
    mapping(bytes32 id => bytes) private _failures;
    bytes32[] private _arrived;
    bool private _locked;

    /// @dev Those of IOutbox and IInbox: a compiler of 0.8.20 can't emit another contract's events.
    event MessageAppended(bytes32 indexed laneId, uint64 indexed sequence, bytes32 indexed id);
    event Delivered(bytes32 indexed laneId, uint64 first, uint256 count, uint256 mask);
    event MessageFailed(bytes32 indexed id, bytes reason);
    event MessageExpired(bytes32 indexed id);

    /// @notice No joined gateway has sent such a message to this one.
    error UnknownMessage(bytes32 id);
    /// @notice The caller is not joined with this gateway.
    error NotJoined(address gateway);

    constructor(uint256 chainId_, bytes32 genesisHash) {
        chainId = chainId_;
        endpointId = keccak256(abi.encode(EvmAddress.write(chainId_, address(this)), genesisHash));
    }

    // --- what a test arranges ---

    /// @notice Joins two gateways, both ways.
    function join(TestGateway other) external {
        _join(other);
        other.joinBack();
    }

    /// @notice The other half of `join`, called by the other gateway.
    function joinBack() external {
        _join(TestGateway(msg.sender));
    }

    function setLimits(IOutbox.Limits calldata limits_) external {
        limits = limits_;
    }

    /// @notice Opens a channel to every joined gateway, and lets an account send on it.
    function allowSender(bytes32 channel, address sender) external {
        _channels[channel] = true;
        _allowed[channel][sender] = true;
    }

    // --- sending ---

    /// @inheritdoc IERC7786GatewaySource
    function supportsAttribute(bytes4 selector) external pure returns (bool) {
        return _kind(selector) != 0;
    }

    /// @inheritdoc IERC7786GatewaySource
    function sendMessage(bytes calldata recipient, bytes calldata payload, bytes[] calldata attributes)
        external
        payable
        returns (bytes32 id)
    {
        if (msg.value != 0) revert IOutbox.UnexpectedValue(msg.value);
        Waiting memory message;
        (id, message) = _send(recipient, payload, attributes);
        emit MessageSent(id, message.sender, recipient, payload, 0, attributes);
        emit MessageAppended(message.laneId, message.sequence, id);
    }

    /// @notice Keeps what a joined gateway has sent, until it is delivered.
    function arrive(bytes32 id, Waiting calldata message) external {
        if (!_joined[msg.sender]) revert NotJoined(msg.sender);
        _waiting[id] = message;
        _arrived.push(id);
    }

    // --- delivering ---

    /// @notice Gives a message to its recipient, as a relayer's delivery would.
    /// @return executed False where it was executed before, is past its deadline (`MessageExpired`) or was refused
    /// (`MessageFailed`, and `failureOf` says why). A refused message can be delivered again.
    function deliver(bytes32 id) public returns (bool executed) {
        if (_locked) revert IInbox.DeliverIsLocked();
        Waiting memory message = _waiting[id];
        if (message.sender.length == 0) revert UnknownMessage(id);
        if (_delivered[id]) return false;
        if (message.deadline != 0 && block.timestamp > message.deadline) {
            emit MessageExpired(id);
            return false;
        }
        _locked = true;
        executed = _deliver(id, message);
        _locked = false;
    }

    /// @notice Delivers all that waits here, in the order in which it was sent. What recipients send waits in its turn.
    /// @return executed How many were executed.
    function deliverAll() external returns (uint256 executed) {
        for (uint256 i = 0; i < _arrived.length; ++i) {
            if (!_delivered[_arrived[i]] && deliver(_arrived[i])) ++executed;
        }
    }

    /// @notice Whether a message was executed with success.
    function isDelivered(bytes32 id) external view returns (bool) {
        return _delivered[id];
    }

    /// @notice The whole of what a recipient reverted with when it refused a message last. Gateway's event has 32 bytes of it.
    function failureOf(bytes32 id) external view returns (bytes memory) {
        return _failures[id];
    }

    /// @notice The frame around a recipient's call; only the gateway calls it. What it undoes is all that the message did.
    function forwardMessage(bytes32 id, Waiting calldata message) external {
        if (msg.sender != address(this)) revert IInbox.OnlySelf(msg.sender);
        (bool accepted, bytes memory answer) = message.recipient.call{gas: message.gasLimit}(
            abi.encodeCall(IERC7786Recipient.receiveMessage, (id, message.sender, message.payload))
        );
        bytes32 expected = IERC7786Recipient.receiveMessage.selector;
        if (accepted && answer.length >= 32 && bytes32(answer) == expected) return;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    function _send(bytes calldata recipient, bytes calldata payload, bytes[] calldata attributes)
        private
        returns (bytes32 id, Waiting memory message)
    {
        TestGateway destination;
        (destination, message.recipient) = _route(recipient);
        Attributes memory read = _readAttributes(attributes);
        message.laneId = keccak256(abi.encode(LANE_VERSION, endpointId, destination.endpointId(), read.channel, 0));
        _requireAllowed(message.laneId, read, payload.length);
        message.sequence = _nextSequence[message.laneId]++;
        message.deadline = read.deadline;
        message.gasLimit = read.gasLimit;
        message.sender = EvmAddress.write(chainId, msg.sender);
        message.payload = payload;
        id = _leafOf(message, msg.sender);
        destination.arrive(id, message);
    }

    function _route(bytes calldata recipient) private view returns (TestGateway destination, address account) {
        (bool valid, uint256 chainLength,, bytes32 word) = CanonicalAddress.read(recipient);
        if (!valid) revert IOutbox.InvalidRecipient(recipient);
        destination = _routes[keccak256(recipient[:chainLength])];
        if (address(destination) == address(0)) revert IOutbox.NoRoute(keccak256(recipient[:chainLength]));
        account = address(uint160(uint256(word)));
    }

    function _deliver(bytes32 id, Waiting memory message) private returns (bool) {
        // Two calls deep, each with 63/64 of what is left: never less than the recipient was promised.
        uint256 needed = message.gasLimit * 65 / 63 + RESERVE + 100 * message.payload.length;
        if (gasleft() < needed) revert IInbox.InsufficientGas(gasleft(), needed);
        _delivered[id] = true;
        try this.forwardMessage(id, message) {
            emit Delivered(message.laneId, message.sequence, 1, 1 << message.sequence % PAGE);
            return true;
        } catch (bytes memory reason) {
            _delivered[id] = false;
            _failures[id] = reason;
            if (reason.length > 32) {
                assembly ("memory-safe") {
                    mstore(reason, 32)
                }
            }
            emit MessageFailed(id, reason);
            return false;
        }
    }

    function _join(TestGateway other) private {
        _routes[keccak256(EvmAddress.chainPart(other.chainId()))] = other;
        _joined[address(other)] = true;
    }

    /// @dev Refuses what the lane lets not through, and puts the lane's default for a gas limit that was left out.
    function _requireAllowed(bytes32 laneId, Attributes memory read, uint256 payloadLength) private view {
        if (read.channel != 0 && !_channels[read.channel]) revert IOutbox.LaneNotOpen(laneId);
        if (payloadLength > limits.maxPayload) revert IOutbox.PayloadTooLarge(payloadLength, limits.maxPayload);
        if (read.gasLimit == type(uint256).max) read.gasLimit = limits.defaultGasLimit;
        if (read.gasLimit > limits.maxGasLimit) revert IOutbox.GasLimitTooHigh(read.gasLimit, limits.maxGasLimit);
        if (read.channel != 0 && !_allowed[read.channel][msg.sender]) {
            revert IOutbox.SenderNotAllowed(laneId, msg.sender);
        }
    }

    /// @dev The gas limit is the highest number unless it is among the attributes.
    function _readAttributes(bytes[] calldata attributes) private view returns (Attributes memory read) {
        read.gasLimit = type(uint256).max;
        uint256 seen = 0;
        for (uint256 i = 0; i < attributes.length; ++i) {
            bytes calldata attribute = attributes[i];
            if (attribute.length < 4) revert IOutbox.InvalidAttribute(attribute);
            uint256 kind = _kind(bytes4(attribute));
            if (kind == 0) revert UnsupportedAttribute(bytes4(attribute));
            if (seen & kind != 0) revert IOutbox.DuplicateAttribute(bytes4(attribute));
            seen |= kind;
            if (attribute.length != ATTRIBUTE_LENGTH) revert IOutbox.InvalidAttribute(attribute);
            uint256 value = uint256(bytes32(attribute[4:]));
            if (kind == 4) read.channel = bytes32(value);
            else if (kind == 1) read.gasLimit = value < type(uint256).max ? value : value - 1;
            else if (value > type(uint64).max) revert IOutbox.InvalidAttribute(attribute);
            else read.deadline = uint64(value);
        }
        if (read.deadline != 0 && read.deadline < block.timestamp) {
            revert IOutbox.DeadlinePassed(read.deadline, block.timestamp);
        }
    }

    function _kind(bytes4 selector) private pure returns (uint256) {
        if (selector == bytes4(keccak256("minGasLimit(uint256)"))) return 1;
        if (selector == bytes4(keccak256("deadline(uint64)"))) return 2;
        return selector == bytes4(keccak256("channel(bytes32)")) ? 4 : 0;
    }

    /// @dev The message's id on both chains (docs/reference/wire-formats.md §2). No lane here charges a fee.
    function _leafOf(Waiting memory message, address sender) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                LEAF_VERSION,
                message.laneId,
                uint256(message.sequence),
                uint256(uint160(sender)),
                uint256(uint160(message.recipient)),
                message.gasLimit,
                uint256(message.deadline),
                uint256(0),
                keccak256(message.payload)
            )
        );
    }
}
