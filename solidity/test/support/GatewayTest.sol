// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {Gateway} from "../../src/Gateway.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IOutbox} from "../../src/interfaces/IOutbox.sol";
import {EvmAddress} from "../../src/libraries/EvmAddress.sol";
import {BatchEncoder, Sent} from "./BatchEncoder.sol";
import {FakeLightClient} from "./FakeLightClient.sol";
import {Test} from "./Test.sol";
import {Vm} from "./Vm.sol";

/// @title Two endpoints in one EVM, joined both ways by fake light clients: `a` on chain A, `b` on chain B.
/// @notice Messages go from `a` to `b` unless a test says otherwise. What a lane sent is read back from its events, so that
/// batches are made of what a relayer sees.
abstract contract GatewayTest is Test {
    uint256 internal constant CHAIN_A = 20_001;
    uint256 internal constant CHAIN_B = 20_002;
    bytes32 internal constant GENESIS_A = keccak256("genesis of A");
    bytes32 internal constant GENESIS_B = keccak256("genesis of B");
    uint64 internal constant GUARDIAN = 1;
    uint64 internal constant CHANNEL_OPENER = 2;

    AccessManager internal managerA;
    AccessManager internal managerB;
    Gateway internal a;
    Gateway internal b;
    /// @dev What `a` believes of B, and `b` of A.
    FakeLightClient internal clientOfB;
    FakeLightClient internal clientOfA;
    bytes32 internal idA;
    bytes32 internal idB;
    /// @dev The public lane from `a` to `b`.
    bytes32 internal lane;
    bytes32 internal laneBack;
    IOutbox.Limits internal limits =
        IOutbox.Limits({defaultGasLimit: 200_000, maxGasLimit: 5_000_000, maxPayload: 10_000});

    address internal guardian = makeAddr("guardian");
    address internal opener = makeAddr("channel opener");
    address internal alice = makeAddr("alice");

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        vm.chainId(CHAIN_A);
        (managerA, a) = _endpoint(GENESIS_A);
        clientOfB = FakeLightClient(deployed("FakeLightClient"));
        vm.chainId(CHAIN_B);
        (managerB, b) = _endpoint(GENESIS_B);
        clientOfA = FakeLightClient(deployed("FakeLightClient"));
        idB = a.registerRemote(interoperable(CHAIN_B, address(b)), GENESIS_B, clientOfB, limits);
        idA = b.registerRemote(interoperable(CHAIN_A, address(a)), GENESIS_A, clientOfA, limits);
        lane = a.outboundLaneId(idB, 0, 0);
        laneBack = b.outboundLaneId(idA, 0, 0);
    }

    function _endpoint(bytes32 genesis) internal returns (AccessManager manager, Gateway gateway) {
        manager = new AccessManager(address(this));
        gateway = new Gateway(address(manager), genesis);
        bytes4[] memory pauses = new bytes4[](3);
        (pauses[0], pauses[1], pauses[2]) =
        (Gateway.pauseRemote.selector, IOutbox.pauseLane.selector, IInbox.pauseInboundLane.selector);
        manager.setTargetFunctionRole(address(gateway), pauses, GUARDIAN);
        bytes4[] memory opens = new bytes4[](1);
        opens[0] = IOutbox.openChannel.selector;
        manager.setTargetFunctionRole(address(gateway), opens, CHANNEL_OPENER);
        manager.grantRole(GUARDIAN, guardian, 0);
        manager.grantRole(CHANNEL_OPENER, opener, 0);
    }

    function interoperable(uint256 chainId, address account) internal pure returns (bytes memory) {
        return EvmAddress.write(chainId, account);
    }

    function chainPart(uint256 chainId) internal pure returns (bytes memory part) {
        return EvmAddress.chainPart(chainId);
    }

    function none() internal pure returns (bytes[] memory) {
        return new bytes[](0);
    }

    function gasAttribute(uint256 gasLimit) internal pure returns (bytes[] memory attributes) {
        attributes = new bytes[](1);
        attributes[0] = abi.encodeWithSignature("minGasLimit(uint256)", gasLimit);
    }

    function deadlineAttribute(uint64 deadline) internal pure returns (bytes[] memory attributes) {
        attributes = new bytes[](1);
        attributes[0] = abi.encodeWithSignature("deadline(uint64)", deadline);
    }

    function channelAttribute(bytes32 channel) internal pure returns (bytes[] memory attributes) {
        attributes = new bytes[](1);
        attributes[0] = abi.encodeWithSignature("channel(bytes32)", channel);
    }

    /// @notice Sends from `a` to an account of chain B.
    function send(address recipient, bytes memory payload) internal returns (Sent memory) {
        return send(recipient, payload, none());
    }

    function send(address recipient, bytes memory payload, bytes[] memory attributes) internal returns (Sent memory) {
        return sendFrom(alice, recipient, payload, attributes);
    }

    function sendFrom(address sender, address recipient, bytes memory payload, bytes[] memory attributes)
        internal
        returns (Sent memory message)
    {
        vm.recordLogs();
        vm.prank(sender);
        bytes32 id = a.sendMessage(interoperable(CHAIN_B, recipient), payload, attributes);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log memory appended = logs[logs.length - 1];
        assertEq(appended.topics[0], IOutbox.MessageAppended.selector, "the last event of a send");
        message.laneId = appended.topics[1];
        message.sequence = uint64(uint256(appended.topics[2]));
        message.leaf = id;
        message.sender = bytes32(uint256(uint160(sender)));
        message.recipient = bytes32(uint256(uint160(recipient)));
        message.payload = payload;
        message.gasLimit = limits.defaultGasLimit;
        for (uint256 i = 0; i < attributes.length; ++i) {
            uint256 value = uint256(this.wordOf(attributes[i]));
            if (bytes4(attributes[i]) == bytes4(keccak256("minGasLimit(uint256)"))) message.gasLimit = uint32(value);
            if (bytes4(attributes[i]) == bytes4(keccak256("deadline(uint64)"))) message.deadline = uint64(value);
        }
        assertEq(leafOf(message), id, "the leaf by the page of wire formats");
    }

    function wordOf(bytes calldata attribute) external pure returns (bytes32) {
        return bytes32(attribute[4:]);
    }

    /// @notice The leaf, by abi.encode, apart from the contracts' own way.
    function leafOf(Sent memory message) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                uint256(1),
                message.laneId,
                message.sequence,
                message.sender,
                message.recipient,
                uint256(message.gasLimit),
                message.deadline,
                uint256(message.fee),
                keccak256(message.payload)
            )
        );
    }

    function headSlot(bytes32 laneId, uint256 page) internal pure returns (bytes32) {
        bytes32 base = keccak256(abi.encode(uint256(keccak256("postroad.outbox.heads")) - 1)) & ~bytes32(uint256(0xff));
        return keccak256(abi.encode(page, keccak256(abi.encode(laneId, base))));
    }

    function deliveredSlot(bytes32 laneId, uint256 page) internal pure returns (bytes32) {
        bytes32 base =
            keccak256(abi.encode(uint256(keccak256("postroad.inbox.delivered")) - 1)) & ~bytes32(uint256(0xff));
        return keccak256(abi.encode(page, keccak256(abi.encode(laneId, base))));
    }

    /// @notice Lets `b` believe the storage of `a` as it is now, for a page of a lane.
    function prove(bytes32 laneId, uint256 page) internal {
        bytes32 slot = headSlot(laneId, page);
        clientOfA.set(address(a), slot, vm.load(address(a), slot));
    }

    function one(Sent memory message) internal pure returns (Sent[] memory messages) {
        messages = new Sent[](1);
        messages[0] = message;
    }

    function plain() internal pure returns (BatchEncoder.Options memory options) {}

    /// @notice A batch of messages[from..to), the first of `messages` being sequence `messages[0].sequence`, with the rest as tail.
    /// `previousHead` is the head before messages[0]; the heads up to `from` are hashed here.
    function encode(
        Sent[] memory messages,
        bytes32 previousHead,
        uint256 from,
        uint256 to,
        uint256 full,
        BatchEncoder.Options memory options
    ) internal view returns (bytes memory) {
        for (uint256 i = 0; i < from; ++i) {
            previousHead = keccak256(bytes.concat(previousHead, messages[i].leaf));
        }
        return bytes.concat(
            BatchEncoder.prologue(
                idA, 0, 0, previousHead, messages[from].sequence, options.extraGas, uint16(to - from)
            ),
            BatchEncoder.items(messages, from, to, full, options),
            BatchEncoder.tail(messages, to, messages.length)
        );
    }

    /// @notice Everything from the lane's first message, whole.
    function encodeAll(Sent[] memory messages) internal view returns (bytes memory) {
        return encode(messages, 0, 0, messages.length, type(uint256).max, plain());
    }

    function deliverAll(Sent[] memory messages)
        internal
        returns (IInbox.Outcome outcome, uint256 executed, uint256 failed, uint256 expired)
    {
        prove(messages[0].laneId, messages[messages.length - 1].sequence / 256);
        return b.deliver(encodeAll(messages), "");
    }

    /// @notice How many of these logs have a topic, from an emitter.
    function count(Vm.Log[] memory logs, address emitter, bytes32 topic) internal pure returns (uint256 found) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == emitter && logs[i].topics[0] == topic) ++found;
        }
    }
}
