// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {IInbox} from "../src/interfaces/IInbox.sol";
import {BatchEncoder, Sent} from "./support/BatchEncoder.sol";
import {GatewayTest} from "./support/GatewayTest.sol";
import {Burner, Hostile, Recorder, Reentrant, Replier} from "./support/Recipients.sol";
import {Vm} from "./support/Vm.sol";

/// @title INV-4: no recipient can stop another's message, and INV-2: nor run twice. Each rule of delivery with its attack.
contract InboxIsolationTest is GatewayTest {
    /// @dev Where the baseline build keeps its lock, which is after a delivery as it was before.
    bytes32 private constant LOCK =
        keccak256(abi.encode(uint256(keccak256("postroad.lock")) - 1)) & ~bytes32(uint256(0xff));

    Recorder internal recorder;
    Hostile internal hostile;

    function setUp() public override {
        super.setUp();
        recorder = new Recorder();
        hostile = new Hostile();
    }

    /// @dev Each hostile way, alone between two honest messages.
    function test_a_hostile_recipient_fails_alone() public {
        for (uint256 way = 0; way <= uint256(type(Hostile.Way).max); ++way) {
            uint256 state = vm.snapshotState();
            Sent[] memory messages = new Sent[](3);
            messages[0] = send(address(recorder), "before");
            messages[1] = send(address(hostile), abi.encode(way), gasAttribute(400_000));
            messages[2] = send(address(recorder), "after");
            prove(lane, 0);
            bytes memory batch = encodeAll(messages);
            vm.recordLogs();
            uint256 gas = gasleft();
            (, uint256 executed, uint256 failed,) = b.deliver(batch, "");
            gas -= gasleft();
            assertLt(gas, 1_500_000, "bounded by the message's own gas");
            assertEq(executed, 2);
            assertEq(failed, 1);
            assertEq(b.delivered(lane, 0), 5);
            assertEq(hostile.touched(), 0, "no effect whatsoever");
            Vm.Log[] memory logs = vm.getRecordedLogs();
            assertEq(logs.length, 2);
            assertEq(logs[0].topics[0], IInbox.MessageFailed.selector);
            assertEq(logs[0].topics[1], messages[1].leaf);
            assertEq(abi.decode(logs[0].data, (bytes)), _kept(Hostile.Way(way)), "at most 32 bytes of what it returned");
            assertEq(logs[1].topics[0], IInbox.Delivered.selector);
            vm.revertToState(state);
        }
    }

    function _kept(Hostile.Way way) private pure returns (bytes memory) {
        if (way == Hostile.Way.Revert) return _first(abi.encodeWithSelector(Hostile.Refused.selector, 7), 32);
        if (way == Hostile.Way.RevertLong) return _first(abi.encodeWithSignature("Error(string)", "x"), 32);
        if (way == Hostile.Way.ReturnBomb || way == Hostile.Way.RevertBomb) return new bytes(32);
        if (way == Hostile.Way.WrongSelector) return abi.encode(bytes4(0xdeadbeef));
        if (way == Hostile.Way.RevertWithSelector) return abi.encode(bytes4(0x2432ef26));
        if (way == Hostile.Way.ShortReturn) return _first(abi.encode(bytes4(0x2432ef26)), 31);
        if (way == Hostile.Way.DirtySelector) return abi.encode(bytes32(bytes4(0x2432ef26)) | bytes32(uint256(1)));
        if (way == Hostile.Way.FakeStarvation) {
            return _first(abi.encodeWithSelector(IInbox.InsufficientGas.selector, 1, 2), 32);
        }
        return "";
    }

    function test_accounts_without_code_and_precompiles_fail() public {
        address[5] memory targets = [makeAddr("nobody"), address(0), address(2), address(4), address(9)];
        Sent[] memory messages = new Sent[](6);
        for (uint256 i = 0; i < 5; ++i) {
            messages[i] = send(targets[i], abi.encode(i));
        }
        messages[5] = send(address(recorder), "after");
        (, uint256 executed, uint256 failed,) = deliverAll(messages);
        assertEq(failed, 5);
        assertEq(executed, 1);
        assertEq(b.delivered(lane, 0), 32);
    }

    /// @dev The gateway itself, its authority and the remote's client as recipients: all refuse, nothing happens.
    function test_the_gateway_and_its_neighbours_as_recipients() public {
        address[4] memory targets = [address(b), address(managerB), address(clientOfA), address(vm)];
        Sent[] memory messages = new Sent[](5);
        for (uint256 i = 0; i < 4; ++i) {
            messages[i] = send(targets[i], abi.encodeCall(b.forwardMessage, ()));
        }
        messages[4] = send(address(recorder), "after");
        prove(lane, 0);
        bytes memory batch = encodeAll(messages);
        bytes32 open = vm.load(address(b), LOCK);
        vm.record();
        (, uint256 executed, uint256 failed,) = b.deliver(batch, "");
        assertEq(executed, 1);
        assertEq(failed, 4);
        assertEq(vm.load(address(b), LOCK), open);
        (, bytes32[] memory writes) = vm.accesses(address(b));
        for (uint256 i = 0; i < writes.length; ++i) {
            if (writes[i] != LOCK) assertEq(writes[i], deliveredSlot(lane, 0));
        }
        assertEq(b.delivered(lane, 0), 16);
    }

    function test_nobody_else_can_use_the_frame() public {
        bytes memory call = bytes.concat(abi.encodeCall(b.forwardMessage, ()), abi.encode(address(recorder)));
        address[3] memory callers = [alice, address(this), guardian];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.prank(callers[i]);
            (bool ok, bytes memory answer) = address(b).call(call);
            assertFalse(ok);
            assertEq(answer, abi.encodeWithSelector(IInbox.OnlySelf.selector, callers[i]));
        }
        // Not even as a message: a recipient that calls it is not the gateway.
        Reentrant reentrant = new Reentrant();
        deliverAll(one(send(address(reentrant), call)));
        assertFalse(reentrant.succeeded());
        assertEq(reentrant.answer(), abi.encodeWithSelector(IInbox.OnlySelf.selector, address(reentrant)));
    }

    /// @dev A recipient given with 32 bytes that is no EVM address can only come from a hostile gateway. It fails alone.
    function test_recipients_that_are_no_address_fail_alone() public {
        Sent[] memory messages = new Sent[](2);
        messages[0] = Sent(lane, 0, bytes32(uint256(1)), _dirty(address(recorder)), 900_000, 0, 0, "x", 0);
        messages[1] = Sent(lane, 1, bytes32(uint256(1)), _clean(address(recorder)), 900_000, 0, 0, "y", 0);
        bytes32 head;
        for (uint256 i = 0; i < 2; ++i) {
            messages[i].leaf = leafOf(messages[i]);
            head = keccak256(bytes.concat(head, messages[i].leaf));
        }
        clientOfA.set(address(a), headSlot(lane, 0), head);
        bytes memory batch = encodeAll(messages);
        vm.expectEmit(address(b));
        emit IInbox.MessageFailed(messages[0].leaf, "");
        vm.expectEmit(address(b));
        emit IInbox.Delivered(lane, 0, 2, 2);
        (, uint256 executed, uint256 failed,) = b.deliver(batch, "");
        assertEq(executed, 1);
        assertEq(failed, 1);
        assertEq(recorder.received(0).payload, "y");
    }

    // Re-entrancy

    /// @dev The lock holds on the same lane, for the same message and for others.
    function test_deliver_cannot_be_entered_from_a_recipient() public {
        Reentrant reentrant = new Reentrant();
        Sent memory second = _made(address(recorder), "inner", 1);
        bytes memory inner = abi.encodeCall(
            b.deliver,
            (bytes.concat(BatchEncoder.prologue(idA, 0, 0, 0, 0, 0, 1), BatchEncoder.leafItem(second.leaf)), "")
        );
        Sent[] memory messages = new Sent[](2);
        messages[0] = send(address(reentrant), inner);
        messages[1] = send(address(recorder), "inner");
        (, uint256 executed,,) = deliverAll(messages);
        assertEq(executed, 2);
        assertFalse(reentrant.succeeded());
        assertEq(reentrant.answer(), abi.encodeWithSelector(IInbox.DeliverIsLocked.selector));
        assertEq(recorder.count(), 1);
    }

    /// @dev Nor on another lane, with a batch that is good by itself.
    function test_deliver_cannot_be_entered_on_another_lane() public {
        bytes32 channel = keccak256("other");
        vm.startPrank(opener);
        bytes32 channelLane = a.openChannel(idB, channel, 0, limits, opener);
        a.allowSender(channelLane, alice, true);
        vm.stopPrank();
        Sent memory other = send(address(recorder), "other lane", channelAttribute(channel));
        prove(channelLane, 0);
        bytes memory good = abi.encodeCall(
            b.deliver,
            (
                bytes.concat(
                    BatchEncoder.prologue(idA, channel, 0, 0, 0, 0, 1), BatchEncoder.items(one(other), 0, 1, 1, plain())
                ),
                ""
            )
        );
        Reentrant reentrant = new Reentrant();
        (, uint256 executed,,) = deliverAll(one(send(address(reentrant), good, gasAttribute(1_000_000))));
        assertEq(executed, 1);
        assertFalse(reentrant.succeeded());
        assertEq(reentrant.answer(), abi.encodeWithSelector(IInbox.DeliverIsLocked.selector));
        assertEq(recorder.count(), 0);
        (bool ok,) = address(b).call(good);
        assertTrue(ok, "from outside it is delivered");
        assertEq(recorder.count(), 1);
    }

    /// @dev Views answer from within: the message that runs counts as delivered already.
    function test_a_recipient_sees_its_own_bit() public {
        Reentrant reentrant = new Reentrant();
        bytes memory look = abi.encodeCall(b.isDelivered, (lane, 0));
        deliverAll(one(send(address(reentrant), look)));
        assertTrue(reentrant.succeeded());
        assertEq(reentrant.answer(), abi.encode(true));
    }

    function test_recipients_can_send() public {
        Replier replier = new Replier();
        Sent[] memory messages = new Sent[](3);
        for (uint256 i = 0; i < 3; ++i) {
            messages[i] = send(address(replier), abi.encode(i));
        }
        (, uint256 executed,,) = deliverAll(messages);
        assertEq(executed, 3);
        assertEq(b.outboundLane(laneBack).nextSequence, 3);
        Sent memory answer =
            Sent(laneBack, 2, _clean(address(replier)), _clean(alice), limits.defaultGasLimit, 0, 0, abi.encode(2), 0);
        assertEq(replier.lastId(), leafOf(answer));
    }

    /// @dev What a recipient sent is undone with it.
    function test_what_a_failed_recipient_sent_is_undone() public {
        vm.prank(guardian);
        b.pauseLane(laneBack);
        Replier replier = new Replier();
        (,, uint256 failed,) = deliverAll(one(send(address(replier), "x")));
        assertEq(failed, 1);
        assertEq(b.outboundLane(laneBack).nextSequence, 0);
    }

    function test_the_order_of_a_batch_is_kept() public {
        Sent[] memory messages = new Sent[](4);
        for (uint256 i = 0; i < 4; ++i) {
            messages[i] = send(address(recorder), abi.encode(i));
        }
        deliverAll(messages);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(recorder.received(i).payload, abi.encode(i));
        }
    }

    function _made(address recipient, bytes memory payload, uint64 sequence)
        private
        view
        returns (Sent memory message)
    {
        message = Sent(lane, sequence, _clean(alice), _clean(recipient), limits.defaultGasLimit, 0, 0, payload, 0);
        message.leaf = leafOf(message);
    }

    function _clean(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function _dirty(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)) | 1 << 160);
    }

    function _first(bytes memory data, uint256 length) private pure returns (bytes memory part) {
        part = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            part[i] = data[i];
        }
    }
}
