// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IOutbox} from "../../src/interfaces/IOutbox.sol";
import {TestGateway} from "../../src/testing/TestGateway.sol";
import {Sent} from "../support/BatchEncoder.sol";
import {GatewayTest} from "../support/GatewayTest.sol";
import {Hostile, Recorder} from "../support/Recipients.sol";
import {Vm} from "../support/Vm.sol";

/// @title The gateway for applications' tests does what Gateway does: the same calls, made to both, look the same from outside.
contract TestGatewayTest is GatewayTest {
    /// @dev What a message is sent with, 0 for nothing, and how long it is before it is delivered.
    struct Terms {
        uint32 gasLimit;
        uint64 deadline;
        uint64 wait;
    }

    /// @dev What a message looks like from outside.
    struct Seen {
        bytes32 id;
        Vm.Log[] sent;
        Vm.Log[] delivered;
        bytes effect;
    }

    /// @dev The state before any gateway.
    uint256 private _start;
    Recorder private _recorder;
    address private _hostile;

    function setUp() public override {
        _start = vm.snapshotState();
        super.setUp();
        _placeRecipients();
    }

    function test_a_message_has_the_same_id_events_and_effect() public {
        _compareOne(address(_recorder), "a letter", Terms(0, 0, 0));
    }

    function test_attributes_are_honoured_alike() public {
        _compareOne(address(_recorder), "", Terms(345_678, uint64(block.timestamp + 60), 60));
    }

    function test_every_failure_is_told_alike_and_leaves_nothing_behind() public {
        for (uint256 way = 0; way <= uint256(type(Hostile.Way).max); ++way) {
            _compareOne(_hostile, abi.encode(way), Terms(0, 0, 0));
            _restart();
            super.setUp();
            _placeRecipients();
        }
        _compareOne(alice, "no code", Terms(0, 0, 0));
    }

    function test_an_expired_message_is_told_alike() public {
        _compareOne(address(_recorder), "late", Terms(0, uint64(block.timestamp + 60), 61));
    }

    function test_what_the_real_one_refuses_to_send_is_refused_alike() public {
        bytes[] memory calls = new bytes[](11);
        bytes memory to = interoperable(CHAIN_B, alice);
        calls[0] = _sending(hex"00", "", none());
        calls[1] = _sending(interoperable(77, alice), "", none());
        calls[2] = _sending(to, new bytes(10_001), none());
        calls[3] = _sending(to, "", gasAttribute(5_000_001));
        calls[4] = _sending(to, "", gasAttribute(type(uint256).max));
        calls[5] = _sending(to, "", deadlineAttribute(uint64(block.timestamp - 1)));
        calls[6] = _sending(to, "", channelAttribute(keccak256("a channel")));
        calls[7] = _sending(to, "", _raw(hex"010203"));
        calls[8] = _sending(to, "", _raw(hex"01020304"));
        calls[9] = _sending(to, "", _raw(abi.encodeWithSignature("deadline(uint64)", type(uint256).max)));
        bytes[] memory twice = new bytes[](2);
        twice[0] = gasAttribute(1)[0];
        twice[1] = gasAttribute(2)[0];
        calls[10] = _sending(to, "", twice);
        address real = address(a);
        bytes[] memory reasons = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            reasons[i] = _reasonOf(real, calls[i], 0);
        }
        bytes memory valued = _reasonOf(real, _sending(to, "", none()), 1);
        (TestGateway court,) = _testGateways();
        assertEq(address(court), real);
        for (uint256 i = 0; i < calls.length; ++i) {
            assertEq(_reasonOf(real, calls[i], 0), reasons[i]);
        }
        assertEq(_reasonOf(real, _sending(to, "", none()), 1), valued);
        assertTrue(court.supportsAttribute(bytes4(keccak256("channel(bytes32)"))));
        assertFalse(court.supportsAttribute(0));
    }

    function test_at_most_once_and_again_after_a_refusal() public {
        (TestGateway court, TestGateway port) = _testGateways();
        _recorder.setFailing(true);
        bytes32 id = court.sendMessage(interoperable(CHAIN_B, address(_recorder)), "again", none());
        assertFalse(port.deliver(id));
        assertEq(port.failureOf(id), abi.encodeWithSignature("Error(string)", "failing"));
        assertEq(_recorder.count(), 0);
        _recorder.setFailing(false);
        assertTrue(port.deliver(id));
        assertTrue(port.isDelivered(id));
        assertFalse(port.deliver(id));
        assertEq(_recorder.count(), 1);
        court.sendMessage(interoperable(CHAIN_B, address(_recorder)), "next", none());
        assertEq(port.deliverAll(), 1);
        assertEq(port.deliverAll(), 0);
    }

    function test_a_channel_lets_only_its_senders_through() public {
        (TestGateway court, TestGateway port) = _testGateways();
        bytes32 channel = keccak256("a channel");
        court.allowSender(channel, alice);
        bytes32 laneId = keccak256(abi.encode(uint256(1), court.endpointId(), port.endpointId(), channel, uint256(0)));
        bytes memory to = interoperable(CHAIN_B, address(_recorder));
        vm.expectRevert(abi.encodeWithSelector(IOutbox.SenderNotAllowed.selector, laneId, address(this)));
        court.sendMessage(to, "", channelAttribute(channel));
        vm.prank(alice);
        assertTrue(port.deliver(court.sendMessage(to, "", channelAttribute(channel))));
    }

    function test_a_recipient_never_gets_less_gas_than_promised() public {
        (TestGateway court, TestGateway port) = _testGateways();
        bytes32 id = court.sendMessage(interoperable(CHAIN_B, address(_recorder)), "", gasAttribute(1_000_000));
        vm.expectPartialRevert(IInbox.InsufficientGas.selector);
        port.deliver{gas: 1_050_000}(id);
        assertTrue(port.deliver{gas: 1_300_000}(id));
    }

    function test_only_what_a_joined_gateway_sent_is_delivered() public {
        (, TestGateway port) = _testGateways();
        vm.expectRevert(abi.encodeWithSelector(TestGateway.UnknownMessage.selector, bytes32(uint256(1))));
        port.deliver(bytes32(uint256(1)));
        TestGateway.Waiting memory message;
        vm.expectRevert(abi.encodeWithSelector(TestGateway.NotJoined.selector, address(this)));
        port.arrive(0, message);
        vm.expectRevert(abi.encodeWithSelector(IInbox.OnlySelf.selector, address(this)));
        port.forwardMessage(0, message);
    }

    /// @dev Sends a message from A to B and delivers it, over the real gateways and then over the others at the same addresses.
    function _compareOne(address recipient, bytes memory payload, Terms memory terms) private {
        Seen memory real = _overGateways(recipient, payload, terms);
        (TestGateway court, TestGateway port) = _testGateways();
        Seen memory other = _overTestGateways(court, port, recipient, payload, terms);
        assertEq(other.id, real.id);
        _assertSame(other.sent, real.sent);
        _assertSame(other.delivered, real.delivered);
        assertEq(other.effect, real.effect);
    }

    function _overGateways(address recipient, bytes memory payload, Terms memory terms)
        private
        returns (Seen memory seen)
    {
        vm.recordLogs();
        vm.prank(alice);
        seen.id = a.sendMessage(interoperable(CHAIN_B, recipient), payload, _attributes(terms));
        seen.sent = vm.getRecordedLogs();
        Sent memory message;
        message.laneId = lane;
        message.sender = bytes32(uint256(uint160(alice)));
        message.recipient = bytes32(uint256(uint160(recipient)));
        message.gasLimit = terms.gasLimit == 0 ? limits.defaultGasLimit : terms.gasLimit;
        message.deadline = terms.deadline;
        message.payload = payload;
        message.leaf = seen.id;
        vm.warp(block.timestamp + terms.wait);
        vm.recordLogs();
        deliverAll(one(message));
        seen.delivered = vm.getRecordedLogs();
        seen.effect = _effect();
    }

    function _overTestGateways(
        TestGateway court,
        TestGateway port,
        address recipient,
        bytes memory payload,
        Terms memory terms
    ) private returns (Seen memory seen) {
        vm.recordLogs();
        vm.prank(alice);
        seen.id = court.sendMessage(interoperable(CHAIN_B, recipient), payload, _attributes(terms));
        seen.sent = vm.getRecordedLogs();
        vm.warp(block.timestamp + terms.wait);
        vm.recordLogs();
        port.deliver(seen.id);
        seen.delivered = vm.getRecordedLogs();
        seen.effect = _effect();
    }

    function _attributes(Terms memory terms) private pure returns (bytes[] memory attributes) {
        if (terms.deadline == 0) return terms.gasLimit == 0 ? none() : gasAttribute(terms.gasLimit);
        if (terms.gasLimit == 0) return deadlineAttribute(terms.deadline);
        attributes = new bytes[](2);
        attributes[0] = gasAttribute(terms.gasLimit)[0];
        attributes[1] = deadlineAttribute(terms.deadline)[0];
    }

    /// @dev What the recipient keeps: message, gas and caller.
    function _effect() private view returns (bytes memory) {
        return _recorder.count() == 0 ? bytes("") : abi.encode(_recorder.received(0));
    }

    /// @dev Goes back to before the real gateways, and puts the others at their addresses.
    function _testGateways() private returns (TestGateway court, TestGateway port) {
        IOutbox.Limits memory same = limits;
        address[2] memory addresses = [address(a), address(b)];
        _restart();
        vm.warp(1_700_000_000);
        court = _at(addresses[0], CHAIN_A, GENESIS_A);
        port = _at(addresses[1], CHAIN_B, GENESIS_B);
        court.setLimits(same);
        court.join(port);
        _placeRecipients();
    }

    function _restart() private {
        uint256 start = _start;
        vm.revertToState(start);
        _start = start;
    }

    function _at(address place, uint256 chain, bytes32 genesis) private returns (TestGateway) {
        uint64 nonce = vm.getNonce(address(this));
        while (vm.computeCreateAddress(address(this), nonce) != place) ++nonce;
        vm.setNonce(address(this), nonce);
        return new TestGateway(chain, genesis);
    }

    function _placeRecipients() private {
        _recorder = Recorder(makeAddr("recorder"));
        _hostile = makeAddr("hostile");
        vm.etch(address(_recorder), deployed("Recorder").code);
        vm.etch(_hostile, deployed("Hostile").code);
    }

    function _assertSame(Vm.Log[] memory found, Vm.Log[] memory expected) private pure {
        assertEq(found.length, expected.length, "events");
        for (uint256 i = 0; i < found.length; ++i) {
            assertEq(abi.encode(found[i]), abi.encode(expected[i]));
        }
    }

    function _reasonOf(address gateway, bytes memory data, uint256 value) private returns (bytes memory reason) {
        bool done;
        (done, reason) = gateway.call{value: value}(data);
        assertFalse(done);
    }

    function _sending(bytes memory to, bytes memory payload, bytes[] memory attributes)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSignature("sendMessage(bytes,bytes,bytes[])", to, payload, attributes);
    }

    function _raw(bytes memory attribute) private pure returns (bytes[] memory attributes) {
        attributes = new bytes[](1);
        attributes[0] = attribute;
    }
}
