// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInbox} from "../src/interfaces/IInbox.sol";
import {ILightClient} from "../src/interfaces/ILightClient.sol";
import {BatchEncoder, Sent} from "./support/BatchEncoder.sol";
import {FakeLightClient} from "./support/FakeLightClient.sol";
import {GatewayTest} from "./support/GatewayTest.sol";
import {Recorder} from "./support/Recipients.sol";
import {Vm} from "./support/Vm.sol";

/// @title Delivering: what is executed, remembered, emitted and refused.
contract InboxTest is GatewayTest {
    Recorder internal recorder;

    function setUp() public override {
        super.setUp();
        recorder = new Recorder();
    }

    function test_a_message_arrives_with_its_sender_and_payload() public {
        Sent memory message = send(address(recorder), "a bill of lading");
        vm.recordLogs();
        (IInbox.Outcome outcome, uint256 executed, uint256 failed, uint256 expired) = deliverAll(one(message));
        assertEq(uint256(outcome), uint256(IInbox.Outcome.Processed));
        assertEq(executed, 1);
        assertEq(failed + expired, 0);
        Recorder.Received memory found = recorder.received(0);
        assertEq(found.id, message.leaf);
        assertEq(found.sender, interoperable(CHAIN_A, alice));
        assertEq(found.payload, "a bill of lading");
        assertEq(found.caller, address(b));
        assertTrue(b.isDelivered(lane, 0));
        assertFalse(b.isDelivered(lane, 1));
        assertEq(b.delivered(lane, 0), 1);
        assertEq(uint256(vm.load(address(b), deliveredSlot(lane, 0))), 1, "the slot that proofs refer to");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(count(logs, address(b), IInbox.Delivered.selector), 1);
    }

    function test_one_event_for_a_page_of_a_batch() public {
        Sent[] memory messages = _sendMany(5);
        prove(lane, 0);
        // The second goes as its leaf, the rest whole.
        bytes memory batch = encode(messages, 0, 0, 5, 29, plain());
        vm.expectEmit(address(b));
        emit IInbox.Delivered(lane, 0, 5, 29);
        (, uint256 executed,,) = b.deliver(batch, "");
        assertEq(executed, 4);
        assertEq(b.delivered(lane, 0), 29);
        assertEq(recorder.times(messages[1].leaf), 0);
    }

    /// @dev INV-2: the same batch again does nothing, and costs no proof.
    function test_the_same_batch_twice() public {
        Sent[] memory messages = _sendMany(3);
        deliverAll(messages);
        clientOfA.setMood(1);
        bytes memory batch = encodeAll(messages);
        vm.recordLogs();
        (IInbox.Outcome outcome, uint256 executed, uint256 failed, uint256 expired) = b.deliver(batch, "");
        assertEq(uint256(outcome), uint256(IInbox.Outcome.AlreadyDelivered), "before the client was asked");
        assertEq(executed + failed + expired, 0);
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(recorder.count(), 3);
    }

    /// @dev INV-2: two relayers whose batches overlap.
    function test_overlapping_batches() public {
        Sent[] memory messages = _sendMany(6);
        prove(lane, 0);
        bytes memory early = encode(messages, 0, 0, 4, type(uint256).max, plain());
        bytes memory late = encode(messages, 0, 2, 6, type(uint256).max, plain());
        (, uint256 executed,,) = b.deliver(late, "");
        assertEq(executed, 4);
        vm.expectEmit(address(b));
        emit IInbox.Delivered(lane, 0, 4, 3);
        (, executed,,) = b.deliver(early, "");
        assertEq(executed, 2);
        assertEq(recorder.count(), 6);
        for (uint256 i = 0; i < 6; ++i) {
            assertEq(recorder.times(messages[i].leaf), 1);
        }
    }

    function test_the_lock_is_released() public {
        Sent[] memory messages = _sendMany(2);
        prove(lane, 0);
        b.deliver(encode(messages, 0, 0, 1, 1, plain()), "");
        b.deliver(encode(messages, 0, 0, 1, 1, plain()), "");
        (, uint256 executed,,) = b.deliver(encode(messages, 0, 1, 2, 1, plain()), "");
        assertEq(executed, 1);
    }

    function testFuzz_any_part_of_a_lane_in_any_order(uint256 seed) public {
        Sent[] memory messages = _sendMany(12);
        prove(lane, 0);
        uint256 done;
        for (uint256 round = 0; round < 6; ++round) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 from = seed % 12;
            uint256 to = from + 1 + (seed >> 8) % (12 - from);
            uint256 full = (seed >> 16) & ((1 << (to - from)) - 1);
            if (full == 0) full = 1;
            uint256 fresh = (full << from) & ~done;
            (IInbox.Outcome outcome, uint256 executed,,) = b.deliver(encode(messages, 0, from, to, full, plain()), "");
            assertEq(outcome == IInbox.Outcome.AlreadyDelivered, fresh == 0);
            done |= fresh;
            assertEq(b.delivered(lane, 0), done);
            assertEq(executed, _bits(fresh));
        }
        for (uint256 i = 0; i < 12; ++i) {
            assertEq(recorder.times(messages[i].leaf), done >> i & 1);
        }
    }

    // Pages

    function test_batches_across_pages() public {
        Sent[] memory messages = _sendMany(513);
        prove(lane, 0);
        prove(lane, 1);
        prove(lane, 2);
        // 255 alone, proven by the head of its own page: the tail ends with it.
        Sent[] memory page0 = _slice(messages, 0, 256);
        vm.expectEmit(address(b));
        emit IInbox.Delivered(lane, 255, 1, 1 << 255);
        b.deliver(encode(page0, 0, 255, 256, 1, plain()), "");
        // 250..261, whose head is in page 2 behind a tail across two boundaries.
        vm.expectEmit(address(b));
        emit IInbox.Delivered(lane, 250, 6, uint256(31) << 250);
        vm.expectEmit(address(b));
        emit IInbox.Delivered(lane, 256, 6, 63);
        (, uint256 executed,,) = b.deliver(encode(messages, 0, 250, 262, type(uint256).max, plain()), "");
        assertEq(executed, 11);
        // All that is left, three pages in one batch.
        vm.recordLogs();
        (, executed,,) = b.deliver(_encodeAllFull(messages), "");
        assertEq(executed, 501);
        assertEq(count(vm.getRecordedLogs(), address(b), IInbox.Delivered.selector), 3);
        assertEq(b.delivered(lane, 0), type(uint256).max);
        assertEq(b.delivered(lane, 1), type(uint256).max);
        assertEq(b.delivered(lane, 2), 1);
        assertEq(recorder.count(), 513);
    }

    /// @dev The head of a page proves what came before it, and nothing after.
    function test_the_page_of_the_last_message_is_what_is_proven() public {
        Sent[] memory messages = _sendMany(257);
        prove(lane, 1);
        Sent[] memory page0 = _slice(messages, 0, 256);
        vm.expectPartialRevert(IInbox.HeadMismatch.selector);
        b.deliver(encode(page0, 0, 255, 256, 1, plain()), "");
        b.deliver(encode(messages, 0, 255, 256, 1, plain()), "");
        assertTrue(b.isDelivered(lane, 255));
    }

    function test_a_page_without_full_messages_has_no_event() public {
        Sent[] memory messages = _sendMany(258);
        prove(lane, 1);
        vm.recordLogs();
        // 254..257: only 257 whole.
        b.deliver(encode(messages, 0, 254, 258, 8, plain()), "");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(count(logs, address(b), IInbox.Delivered.selector), 1);
        assertEq(b.delivered(lane, 0), 0);
        assertEq(b.delivered(lane, 1), 2);
    }

    // Failure and expiry

    /// @dev INV-2: a failed message has no effect whatsoever, and can be delivered again.
    function test_a_failed_message_leaves_nothing_and_can_be_tried_again() public {
        Sent[] memory messages = _sendMany(3);
        recorder.setFailing(true);
        prove(lane, 0);
        vm.recordLogs();
        (IInbox.Outcome outcome, uint256 executed, uint256 failed,) = b.deliver(encodeAll(messages), "");
        assertEq(uint256(outcome), uint256(IInbox.Outcome.Processed));
        assertEq(executed, 0);
        assertEq(failed, 3);
        assertEq(b.delivered(lane, 0), 0);
        assertEq(recorder.count(), 0, "undone");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 3, "no Delivered");
        bytes memory reason = abi.encodeWithSignature("Error(string)", "failing");
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(logs[i].topics[0], IInbox.MessageFailed.selector);
            assertEq(logs[i].topics[1], messages[i].leaf);
            bytes memory kept = abi.decode(logs[i].data, (bytes));
            assertEq(kept.length, 32);
            assertEq(bytes32(kept), bytes32(reason));
        }
        recorder.setFailing(false);
        (, executed,,) = b.deliver(encodeAll(messages), "");
        assertEq(executed, 3);
    }

    function test_deadlines_to_the_second() public {
        uint64 deadline = uint64(block.timestamp + 100);
        Sent[] memory messages = new Sent[](3);
        messages[0] = send(address(recorder), "first", deadlineAttribute(deadline));
        messages[1] = send(address(recorder), "second", deadlineAttribute(deadline + 1));
        messages[2] = send(address(recorder), "third");
        prove(lane, 0);

        vm.warp(deadline);
        (, uint256 executed,, uint256 expired) = b.deliver(encode(messages, 0, 0, 1, 1, plain()), "");
        assertEq(executed, 1, "in the second of the deadline");
        assertEq(expired, 0);

        vm.warp(deadline + 1);
        uint256 state = vm.snapshotState();
        (, executed,, expired) = b.deliver(encodeAll(messages), "");
        assertEq(executed, 2);
        vm.revertToState(state);

        vm.warp(deadline + 2);
        vm.expectEmit(address(b));
        emit IInbox.MessageExpired(messages[1].leaf);
        vm.expectEmit(address(b));
        emit IInbox.Delivered(lane, 0, 3, 4);
        (, executed,, expired) = b.deliver(encodeAll(messages), "");
        assertEq(executed, 1);
        assertEq(expired, 1);
        assertFalse(b.isDelivered(lane, 1));
        assertEq(recorder.times(messages[1].leaf), 0);
    }

    /// @dev An expired message is no reason to call the batch delivered, nor to skip the proof.
    function test_a_batch_of_expired_messages_is_processed() public {
        Sent[] memory messages = one(send(address(recorder), "x", deadlineAttribute(uint64(block.timestamp))));
        vm.warp(block.timestamp + 1);
        (IInbox.Outcome outcome,,, uint256 expired) = deliverAll(messages);
        assertEq(uint256(outcome), uint256(IInbox.Outcome.Processed));
        assertEq(expired, 1);
    }

    // Proofs

    function test_the_head_must_be_proven() public {
        Sent[] memory messages = _sendMany(2);
        bytes memory batch = encodeAll(messages);
        bytes32 head = a.head(lane, 0);
        vm.expectRevert(abi.encodeWithSelector(IInbox.HeadMismatch.selector, head, bytes32(0)));
        b.deliver(batch, "");
        // A head that lacks the second message does not prove it, and the first needs the tail up to the head.
        prove(lane, 0);
        bytes memory alone = encode(one(messages[0]), 0, 0, 1, 1, plain());
        vm.expectPartialRevert(IInbox.HeadMismatch.selector);
        b.deliver(alone, "");
        b.deliver(batch, "");
    }

    /// @dev INV-1: the proof's account and slot are the remote gateway's own head of this lane, nobody else's.
    function test_the_client_is_asked_for_this_lanes_head_of_the_remote_gateway() public {
        // A payload without zeros, which leaves none in the memory that the question is then written to.
        Sent[] memory messages = one(send(address(recorder), _ones(), gasAttribute(1_000_000)));
        prove(lane, 0);
        vm.expectCall(
            address(clientOfA), abi.encodeCall(ILightClient.storageAt, ("the proof", address(a), headSlot(lane, 0)))
        );
        b.deliver(encodeAll(messages), "the proof");
    }

    /// @dev INV-1: a message of a lane to somewhere else, or of another channel, is not one of this lane.
    function test_messages_of_other_lanes_are_not_taken() public {
        bytes32 channel = keccak256("customs");
        vm.startPrank(opener);
        bytes32 channelLane = a.openChannel(idB, channel, 0, limits, opener);
        a.allowSender(channelLane, alice, true);
        vm.stopPrank();
        Sent memory message = send(address(recorder), "x", channelAttribute(channel));
        prove(channelLane, 0);
        bytes memory items = BatchEncoder.items(one(message), 0, 1, 1, plain());
        vm.expectPartialRevert(IInbox.HeadMismatch.selector);
        b.deliver(bytes.concat(BatchEncoder.prologue(idA, 0, 0, 0, 0, 0, 1), items), "");
        vm.expectPartialRevert(IInbox.HeadMismatch.selector);
        b.deliver(bytes.concat(BatchEncoder.prologue(idA, keccak256("other"), 0, 0, 0, 0, 1), items), "");
        // Not at another endpoint either.
        vm.expectRevert(abi.encodeWithSelector(IInbox.UnknownRemote.selector, idA));
        a.deliver(bytes.concat(BatchEncoder.prologue(idA, channel, 0, 0, 0, 0, 1), items), "");
        (, uint256 executed,,) = b.deliver(bytes.concat(BatchEncoder.prologue(idA, channel, 0, 0, 0, 0, 1), items), "");
        assertEq(executed, 1);
        assertEq(b.delivered(channelLane, 0), 1);
        assertEq(b.delivered(lane, 0), 0);
    }

    function test_clients_that_are_not_active_or_misbehave_stop_only_their_own_remote() public {
        Sent[] memory messages = _sendMany(1);
        prove(lane, 0);
        bytes memory batch = encodeAll(messages);
        // B is also joined to a third chain.
        FakeLightClient clientOfC = FakeLightClient(deployed("FakeLightClient"));
        bytes32 genesisC = keccak256("genesis of C");
        bytes32 idC = b.registerRemote(interoperable(300, address(a)), genesisC, clientOfC, limits);
        bytes32 laneC = b.inboundLaneId(idC, 0, 0);
        Sent memory fromC = messages[0];
        fromC = Sent(laneC, 0, fromC.sender, fromC.recipient, fromC.gasLimit, 0, 0, "from C", 0);
        fromC.leaf = leafOf(fromC);
        clientOfC.set(address(a), headSlot(laneC, 0), keccak256(bytes.concat(bytes32(0), fromC.leaf)));
        bytes memory batchC = bytes.concat(
            BatchEncoder.prologue(idC, 0, 0, 0, 0, 0, 1), BatchEncoder.items(one(fromC), 0, 1, 1, plain())
        );

        clientOfA.setStatus(ILightClient.Status.Frozen);
        vm.expectRevert(abi.encodeWithSelector(ILightClient.NotActive.selector, ILightClient.Status.Frozen));
        b.deliver(batch, "");
        clientOfA.setStatus(ILightClient.Status.Active);
        for (uint256 mood = 1; mood <= 4; ++mood) {
            clientOfA.setMood(mood);
            (bool ok,) = address(b).call{gas: 3_000_000}(abi.encodeCall(b.deliver, (batch, "")));
            assertFalse(ok);
        }
        (, uint256 executed,,) = b.deliver(batchC, "");
        assertEq(executed, 1);
        assertEq(recorder.received(0).sender, interoperable(300, alice), "C speaks for C only");
        clientOfA.setMood(0);
        (, executed,,) = b.deliver(batch, "");
        assertEq(executed, 1);
    }

    // Lanes and remotes

    function test_unknown_remotes_and_unserved_lanes() public {
        bytes memory items = BatchEncoder.leafItem(0);
        vm.expectRevert(abi.encodeWithSelector(IInbox.UnknownRemote.selector, bytes32("nobody")));
        b.deliver(bytes.concat(BatchEncoder.prologue("nobody", 0, 0, 0, 0, 0, 1), items), "");
        for (uint256 flags = 1; flags < 4; ++flags) {
            vm.expectRevert(abi.encodeWithSelector(IInbox.UnsupportedLaneFlags.selector, flags));
            b.deliver(bytes.concat(BatchEncoder.prologue(idA, 0, uint8(flags), 0, 0, 0, 1), items), "");
        }
        vm.expectRevert(abi.encodeWithSelector(IInbox.UnknownRemote.selector, idB));
        b.deliver(bytes.concat(BatchEncoder.prologue(idB, 0, 0, 0, 0, 0, 1), items), "");
    }

    function test_an_inbound_lane_can_be_paused_alone() public {
        bytes32 channel = keccak256("customs");
        vm.startPrank(opener);
        bytes32 channelLane = a.openChannel(idB, channel, 0, limits, opener);
        a.allowSender(channelLane, alice, true);
        vm.stopPrank();
        Sent[] memory sent = one(send(address(recorder), "public"));
        Sent memory message = send(address(recorder), "x", channelAttribute(channel));
        prove(channelLane, 0);
        prove(lane, 0);
        bytes memory batch = bytes.concat(
            BatchEncoder.prologue(idA, channel, 0, 0, 0, 0, 1), BatchEncoder.items(one(message), 0, 1, 1, plain())
        );
        vm.expectEmit(address(b));
        emit IInbox.InboundLanePaused(channelLane, true);
        vm.startPrank(guardian);
        b.pauseInboundLane(idA, channel, 0);
        b.pauseInboundLane(idA, channel, 0);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IInbox.InboundLaneIsPaused.selector, channelLane));
        b.deliver(batch, "");
        (, uint256 executed,,) = b.deliver(encodeAll(sent), "");
        assertEq(executed, 1, "the public lane goes on");

        // Two paused lanes, one opened again: the other is still paused.
        vm.prank(guardian);
        b.pauseInboundLane(idA, 0, 0);
        vm.expectEmit(address(b));
        emit IInbox.InboundLanePaused(channelLane, false);
        b.unpauseInboundLane(idA, channel, 0);
        b.unpauseInboundLane(idA, channel, 0);
        (, executed,,) = b.deliver(batch, "");
        assertEq(executed, 1);
        Sent[] memory more = new Sent[](2);
        (more[0], more[1]) = (sent[0], send(address(recorder), "public again"));
        prove(lane, 0);
        bytes memory publicBatch = encodeAll(more);
        vm.expectRevert(abi.encodeWithSelector(IInbox.InboundLaneIsPaused.selector, lane));
        b.deliver(publicBatch, "");
        (IInbox.Outcome outcome,,,) = b.deliver(encodeAll(sent), "");
        assertTrue(outcome == IInbox.Outcome.AlreadyDelivered, "what was delivered before is told, paused or not");
        b.unpauseInboundLane(idA, 0, 0);
        (, executed,,) = b.deliver(publicBatch, "");
        assertEq(executed, 1);
    }

    /// @dev One byte is a ladder's (test/deep/), which anybody may climb; nothing else without a function is taken.
    function test_calls_that_fit_no_function_are_refused() public {
        bytes[6] memory calls = [bytes(""), hex"0000", hex"000000", hex"00000000", hex"ffffffff", new bytes(36)];
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool refused, bytes memory answer) = address(b).call(calls[i]);
            assertFalse(refused);
            assertEq(answer, "");
        }
        (bool ok, bytes memory nothing) = address(b).call(hex"02");
        assertTrue(ok);
        assertEq(nothing, "");
        (ok,) = address(b).call{value: 1}(hex"02");
        assertFalse(ok, "no value");
        (ok,) = address(b).call{value: 1}("");
        assertFalse(ok, "no value");
    }

    // Senders

    /// @dev A remote that is not an eip155 chain, or a sender that needs more than 20 bytes, is told with 32 bytes.
    function test_senders_of_other_kinds() public {
        FakeLightClient client = FakeLightClient(deployed("FakeLightClient"));
        bytes[2] memory parts = [
            abi.encodePacked(bytes4(0x00010001), uint8(3), "dot"),
            abi.encodePacked(bytes4(0x00010001), uint8(30), "a-reference-of-thirty-bytes-xx")
        ];
        for (uint256 i = 0; i < parts.length; ++i) {
            bytes32 id = b.registerRemote(abi.encodePacked(parts[i], uint8(20), address(a)), GENESIS_A, client, limits);
            bytes32 inbound = b.inboundLaneId(id, 0, 0);
            Sent memory message = Sent(
                inbound, 0, bytes32(uint256(5)), bytes32(uint256(uint160(address(recorder)))), 900_000, 0, 0, "x", 0
            );
            _deliverMade(id, client, message);
            assertEq(
                recorder.received(recorder.count() - 1).sender,
                abi.encodePacked(parts[i], uint8(32), bytes32(uint256(5)))
            );
        }
        // On an eip155 chain: 20 bytes where they suffice, whatever the batch's encoding.
        Sent memory wide = Sent(
            lane, 0, bytes32(type(uint256).max), bytes32(uint256(uint160(address(recorder)))), 900_000, 0, 0, "x", 0
        );
        _deliverMade(idA, clientOfA, wide);
        assertEq(
            recorder.received(2).sender, abi.encodePacked(chainPart(CHAIN_A), uint8(32), bytes32(type(uint256).max))
        );
    }

    function test_gas_limit_and_extra_gas_are_what_the_recipient_gets() public {
        Sent[] memory messages = new Sent[](2);
        messages[0] = send(address(recorder), "x", gasAttribute(300_000));
        messages[1] = send(address(recorder), "x");
        prove(lane, 0);
        uint256 state = vm.snapshotState();
        b.deliver(encodeAll(messages), "");
        // The recorder looks at its gas some hundred in.
        assertLe(recorder.received(0).gasAtEntry, 300_000);
        assertGt(recorder.received(0).gasAtEntry, 298_000);
        assertGt(recorder.received(1).gasAtEntry, 198_000);
        vm.revertToState(state);
        BatchEncoder.Options memory options = BatchEncoder.Options({extraGas: 1_000_000, spellOut: false, wide: false});
        b.deliver(encode(messages, 0, 0, 2, 3, options), "");
        assertLe(recorder.received(0).gasAtEntry, 1_300_000);
        assertGt(recorder.received(0).gasAtEntry, 1_298_000);
    }

    function _ones() private pure returns (bytes memory ones) {
        ones = new bytes(320);
        for (uint256 i = 0; i < ones.length; ++i) {
            ones[i] = 0xff;
        }
    }

    function _deliverMade(bytes32 source, FakeLightClient client, Sent memory message) private {
        message.leaf = leafOf(message);
        client.set(address(a), headSlot(message.laneId, 0), keccak256(bytes.concat(bytes32(0), message.leaf)));
        (, uint256 executed,,) = b.deliver(
            bytes.concat(
                BatchEncoder.prologue(source, 0, 0, 0, 0, 0, 1), BatchEncoder.items(one(message), 0, 1, 1, plain())
            ),
            ""
        );
        assertEq(executed, 1);
    }

    function _encodeAllFull(Sent[] memory messages) private view returns (bytes memory) {
        bytes memory items;
        for (uint256 i = 0; i < messages.length; ++i) {
            items =
                bytes.concat(items, BatchEncoder.fullItem(messages[i], messages[i == 0 ? 0 : i - 1], i != 0, plain()));
        }
        return bytes.concat(BatchEncoder.prologue(idA, 0, 0, 0, 0, 0, uint16(messages.length)), items);
    }

    function _sendMany(uint256 n) private returns (Sent[] memory messages) {
        messages = new Sent[](n);
        for (uint256 i = 0; i < n; ++i) {
            messages[i] = send(address(recorder), abi.encode(i));
        }
    }

    function _slice(Sent[] memory messages, uint256 from, uint256 to) private pure returns (Sent[] memory part) {
        part = new Sent[](to - from);
        for (uint256 i = from; i < to; ++i) {
            part[i - from] = messages[i];
        }
    }

    function _bits(uint256 mask) private pure returns (uint256 found) {
        for (; mask != 0; mask &= mask - 1) {
            ++found;
        }
    }
}
