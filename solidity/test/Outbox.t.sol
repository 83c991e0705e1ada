// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {IOutbox} from "../src/interfaces/IOutbox.sol";
import {ILightClient} from "../src/interfaces/ILightClient.sol";
import {Sent} from "./support/BatchEncoder.sol";
import {FakeLightClient} from "./support/FakeLightClient.sol";
import {GatewayTest} from "./support/GatewayTest.sol";
import {Vm} from "./support/Vm.sol";

/// @title Sending: what is hashed, stored, emitted and refused.
contract OutboxTest is GatewayTest {
    address internal bob = makeAddr("bob on B");
    bytes32 internal constant CHANNEL = keccak256("customs");

    function test_a_message_becomes_the_head_of_its_lane() public {
        Sent memory first = send(bob, "one");
        bytes32 expected = keccak256(bytes.concat(bytes32(0), first.leaf));
        assertEq(a.head(lane, 0), expected);
        assertEq(vm.load(address(a), headSlot(lane, 0)), expected, "the slot that proofs refer to");
        Sent memory second = send(bob, "");
        assertEq(second.sequence, 1);
        assertEq(a.head(lane, 0), keccak256(bytes.concat(expected, second.leaf)));
        assertEq(a.outboundLane(lane).nextSequence, 2);
        assertEq(a.head(lane, 1), 0);
    }

    function test_the_chain_runs_on_across_pages() public {
        bytes32 running;
        bytes32 endOfPage;
        for (uint256 i = 0; i < 259; ++i) {
            Sent memory message = send(bob, abi.encode(i));
            assertEq(message.sequence, i);
            running = keccak256(bytes.concat(running, message.leaf));
            if (i == 255) endOfPage = running;
        }
        assertEq(a.head(lane, 0), endOfPage, "a full page keeps its last value");
        assertEq(a.head(lane, 1), running);
        assertEq(a.head(lane, 2), 0);
    }

    /// @dev One word for the route, one for the lane, one for the head (and one more to read where a page begins).
    function test_a_send_touches_three_words() public {
        send(bob, "first");
        vm.record();
        vm.prank(alice);
        a.sendMessage(interoperable(CHAIN_B, bob), "second", none());
        (bytes32[] memory reads, bytes32[] memory writes) = vm.accesses(address(a));
        assertEq(_distinct(reads), 3);
        assertEq(_distinct(writes), 2);
    }

    function test_events_as_the_standard_and_relayers_want_them() public {
        bytes memory recipient = interoperable(CHAIN_B, bob);
        bytes[] memory attributes = new bytes[](2);
        attributes[0] = abi.encodeWithSignature("minGasLimit(uint256)", 77_777);
        attributes[1] = abi.encodeWithSignature("deadline(uint64)", uint64(block.timestamp + 9));
        for (uint256 length = 0; length < 70; length += 7) {
            for (uint256 n = 0; n < 3; ++n) {
                bytes[] memory some = new bytes[](n);
                for (uint256 i = 0; i < n; ++i) {
                    some[i] = attributes[i];
                }
                bytes memory payload = new bytes(length);
                for (uint256 i = 0; i < length; ++i) {
                    payload[i] = bytes1(uint8(i + 1));
                }
                vm.recordLogs();
                vm.prank(alice);
                bytes32 id = a.sendMessage(recipient, payload, some);
                Vm.Log[] memory logs = vm.getRecordedLogs();
                assertEq(logs.length, 2);
                assertEq(logs[0].topics.length, 2);
                assertEq(logs[0].topics[0], IERC7786GatewaySource.MessageSent.selector);
                assertEq(logs[0].topics[1], id);
                bytes memory sender = interoperable(CHAIN_A, alice);
                assertEq(logs[0].data, abi.encode(sender, recipient, payload, uint256(0), some), "as abi.encode has it");
                assertEq(logs[1].topics.length, 4);
                assertEq(logs[1].topics[0], IOutbox.MessageAppended.selector);
                assertEq(logs[1].topics[1], lane);
                assertEq(uint256(logs[1].topics[2]), a.outboundLane(lane).nextSequence - 1);
                assertEq(logs[1].topics[3], id);
                assertEq(logs[1].data.length, 0);
            }
        }
    }

    function testFuzz_leaf_and_event_for_any_message(
        bytes calldata payload,
        address sender,
        address recipient,
        uint32 gasLimit,
        uint64 deadline
    ) public {
        vm.assume(payload.length <= limits.maxPayload);
        vm.assume(sender != address(0) && sender != address(vm));
        gasLimit = uint32(bound(gasLimit, 0, limits.maxGasLimit));
        if (deadline != 0) deadline = uint64(bound(deadline, block.timestamp, type(uint64).max));
        bytes[] memory attributes = new bytes[](2);
        attributes[0] = abi.encodeWithSignature("deadline(uint64)", deadline);
        attributes[1] = abi.encodeWithSignature("minGasLimit(uint256)", gasLimit);
        Sent memory message = sendFrom(sender, recipient, payload, attributes);
        assertEq(message.gasLimit, gasLimit);
        assertEq(message.deadline, deadline);
        assertEq(a.head(lane, 0), keccak256(bytes.concat(bytes32(0), message.leaf)));
    }

    function test_recipients_of_other_kinds_of_chains() public {
        FakeLightClient client = FakeLightClient(deployed("FakeLightClient"));
        // A chain type that is not eip155, whose gateway has an address of 20 bytes, and a reference too long to be inline.
        bytes memory chainRef = bytes("a-long-chain-reference");
        bytes memory part = abi.encodePacked(bytes4(0x00010099), uint8(chainRef.length), chainRef);
        bytes32 remoteId = a.registerRemote(abi.encodePacked(part, uint8(20), address(b)), GENESIS_B, client, limits);
        assertEq(a.remote(remoteId).chainPart, part);
        for (uint256 length = 1; length <= 32; ++length) {
            bytes memory account = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                account[i] = bytes1(uint8(i + 1));
            }
            vm.prank(alice);
            bytes32 id = a.sendMessage(abi.encodePacked(part, uint8(length), account), "x", none());
            Sent memory message;
            message.laneId = a.outboundLaneId(remoteId, 0, 0);
            message.sequence = uint64(length - 1);
            message.sender = bytes32(uint256(uint160(alice)));
            message.recipient = bytes32(account) >> (8 * (32 - length));
            message.gasLimit = limits.defaultGasLimit;
            message.payload = "x";
            assertEq(id, leafOf(message), "recipients are padded on the left");
        }
    }

    function test_recipients_that_are_not_canonical_are_refused() public {
        bytes[8] memory bad = [
            bytes(""),
            hex"0001",
            abi.encodePacked(interoperable(CHAIN_B, bob), uint8(0)),
            abi.encodePacked(hex"0002", hex"0000024e2214", bob),
            abi.encodePacked(hex"00010000", hex"03004e2214", bob),
            abi.encodePacked(hex"0001000014", bob),
            abi.encodePacked(hex"00010000024e2200"),
            abi.encodePacked(hex"00010000024e2220", bytes32(uint256(uint160(bob))))
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IOutbox.InvalidRecipient.selector, bad[i]));
            a.sendMessage(bad[i], "x", none());
        }
    }

    function test_no_route() public {
        vm.expectRevert(abi.encodeWithSelector(IOutbox.NoRoute.selector, keccak256(chainPart(4))));
        a.sendMessage(interoperable(4, bob), "x", none());
        vm.expectRevert(abi.encodeWithSelector(IOutbox.NoRoute.selector, keccak256(chainPart(CHAIN_A))));
        a.sendMessage(interoperable(CHAIN_A, bob), "x", none());
    }

    function test_value_is_refused() public {
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.UnexpectedValue.selector, 1));
        a.sendMessage{value: 1}(interoperable(CHAIN_B, bob), "x", none());
    }

    // Attributes

    function test_supported_attributes() public view {
        assertTrue(a.supportsAttribute(bytes4(keccak256("minGasLimit(uint256)"))));
        assertTrue(a.supportsAttribute(bytes4(keccak256("deadline(uint64)"))));
        assertTrue(a.supportsAttribute(bytes4(keccak256("channel(bytes32)"))));
        assertFalse(a.supportsAttribute(0), "probed by OpenZeppelin's CrosschainLinked");
        assertFalse(a.supportsAttribute(0xffffffff));
    }

    function test_unknown_duplicate_and_malformed_attributes() public {
        _refused(hex"", abi.encodeWithSelector(IOutbox.InvalidAttribute.selector, bytes("")));
        _refused(hex"39f87b", abi.encodeWithSelector(IOutbox.InvalidAttribute.selector, bytes(hex"39f87b")));
        _refused(hex"00000000", abi.encodeWithSelector(IERC7786GatewaySource.UnsupportedAttribute.selector, bytes4(0)));
        _refused(
            abi.encodeWithSignature("minGasLimit(uint128)", 5),
            abi.encodeWithSelector(
                IERC7786GatewaySource.UnsupportedAttribute.selector, bytes4(keccak256("minGasLimit(uint128)"))
            )
        );
        string[3] memory known = ["minGasLimit(uint256)", "deadline(uint64)", "channel(bytes32)"];
        for (uint256 i = 0; i < known.length; ++i) {
            bytes memory good = abi.encodeWithSignature(known[i], 0);
            bytes memory bare = abi.encodePacked(bytes4(good));
            _refused(bare, abi.encodeWithSelector(IOutbox.InvalidAttribute.selector, bare));
            bytes memory long = bytes.concat(good, hex"00");
            _refused(long, abi.encodeWithSelector(IOutbox.InvalidAttribute.selector, long));
            bytes memory short = abi.encodePacked(bytes4(good), bytes31(0));
            _refused(short, abi.encodeWithSelector(IOutbox.InvalidAttribute.selector, short));
            bytes[] memory twice = new bytes[](3);
            twice[0] = good;
            twice[1] = abi.encodeWithSignature(known[(i + 1) % 3], 0);
            twice[2] = good;
            vm.expectRevert(abi.encodeWithSelector(IOutbox.DuplicateAttribute.selector, bytes4(good)));
            a.sendMessage(interoperable(CHAIN_B, bob), "x", twice);
        }
        bytes memory wide = abi.encodeWithSignature("deadline(uint64)", uint256(type(uint64).max) + 1);
        _refused(wide, abi.encodeWithSelector(IOutbox.InvalidAttribute.selector, wide));
    }

    function test_gas_limits() public {
        assertEq(send(bob, "x").gasLimit, limits.defaultGasLimit);
        assertEq(send(bob, "x", gasAttribute(0)).gasLimit, 0);
        assertEq(send(bob, "x", gasAttribute(limits.maxGasLimit)).gasLimit, limits.maxGasLimit);
        uint256[3] memory high = [uint256(limits.maxGasLimit) + 1, 2 ** 32 + 5, type(uint256).max];
        for (uint256 i = 0; i < high.length; ++i) {
            vm.expectPartialRevert(IOutbox.GasLimitTooHigh.selector);
            a.sendMessage(interoperable(CHAIN_B, bob), "x", gasAttribute(high[i]));
        }
    }

    function test_deadlines_on_the_edge() public {
        uint64 now_ = uint64(block.timestamp);
        assertEq(send(bob, "x", deadlineAttribute(0)).deadline, 0);
        assertEq(send(bob, "x", deadlineAttribute(now_)).deadline, now_);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.DeadlinePassed.selector, now_ - 1, now_));
        a.sendMessage(interoperable(CHAIN_B, bob), "x", deadlineAttribute(now_ - 1));
    }

    // Limits

    function test_payload_limit() public {
        send(bob, new bytes(limits.maxPayload));
        vm.expectRevert(
            abi.encodeWithSelector(IOutbox.PayloadTooLarge.selector, limits.maxPayload + 1, limits.maxPayload)
        );
        a.sendMessage(interoperable(CHAIN_B, bob), new bytes(limits.maxPayload + 1), none());
    }

    function test_limits_can_be_changed_and_keep_the_sequence() public {
        send(bob, "x");
        IOutbox.Limits memory other = IOutbox.Limits({defaultGasLimit: 5, maxGasLimit: 6, maxPayload: 7});
        vm.expectEmit(address(a));
        emit IOutbox.LaneLimited(lane, other);
        a.limitLane(lane, other);
        IOutbox.OutboundLane memory found = a.outboundLane(lane);
        assertEq(found.nextSequence, 1);
        assertTrue(found.open);
        assertEq(abi.encode(found.limits), abi.encode(other));
        limits = other;
        assertEq(send(bob, "1234567").sequence, 1);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.GasLimitTooHigh.selector, 7, 6));
        a.sendMessage(interoperable(CHAIN_B, bob), "x", gasAttribute(7));
    }

    function test_limits_that_make_no_sense() public {
        IOutbox.Limits[3] memory bad = [
            IOutbox.Limits({defaultGasLimit: 0, maxGasLimit: 6, maxPayload: 7}),
            IOutbox.Limits({defaultGasLimit: 7, maxGasLimit: 6, maxPayload: 7}),
            IOutbox.Limits({defaultGasLimit: 1, maxGasLimit: 6, maxPayload: 2 ** 24})
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IOutbox.InvalidLimits.selector, bad[i]));
            a.limitLane(lane, bad[i]);
            vm.prank(opener);
            vm.expectRevert(abi.encodeWithSelector(IOutbox.InvalidLimits.selector, bad[i]));
            a.openChannel(idB, CHANNEL, 0, bad[i], opener);
        }
        a.limitLane(lane, IOutbox.Limits({defaultGasLimit: 1, maxGasLimit: type(uint32).max, maxPayload: 2 ** 24 - 1}));
        vm.expectRevert(abi.encodeWithSelector(IOutbox.LaneNotOpen.selector, bytes32(uint256(1))));
        a.limitLane(bytes32(uint256(1)), limits);
    }

    // Channels

    function test_channels_have_their_own_senders_sequence_and_pause() public {
        bytes32 channelLane = keccak256(abi.encode(uint256(1), idA, idB, CHANNEL, uint256(0)));
        vm.expectRevert(abi.encodeWithSelector(IOutbox.LaneNotOpen.selector, channelLane));
        a.sendMessage(interoperable(CHAIN_B, bob), "x", channelAttribute(CHANNEL));

        vm.expectEmit(address(a));
        emit IOutbox.LaneOpened(channelLane, idB, CHANNEL, 0, opener);
        vm.prank(opener);
        assertEq(a.openChannel(idB, CHANNEL, 0, limits, opener), channelLane);
        assertEq(a.outboundLaneId(idB, CHANNEL, 0), channelLane);

        vm.prank(opener);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.LaneAlreadyOpen.selector, channelLane));
        a.openChannel(idB, CHANNEL, 0, limits, opener);

        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.SenderNotAllowed.selector, channelLane, alice));
        a.sendMessage(interoperable(CHAIN_B, bob), "x", channelAttribute(CHANNEL));

        vm.expectEmit(address(a));
        emit IOutbox.SenderAllowed(channelLane, alice, true);
        vm.prank(opener);
        a.allowSender(channelLane, alice, true);
        assertTrue(a.isSenderAllowed(channelLane, alice));
        assertFalse(a.isSenderAllowed(channelLane, opener), "the owner is not a sender by itself");
        send(bob, "on the public lane");
        Sent memory message = send(bob, "x", channelAttribute(CHANNEL));
        assertEq(message.laneId, channelLane);
        assertEq(message.sequence, 0);
        assertEq(a.head(channelLane, 0), keccak256(bytes.concat(bytes32(0), message.leaf)));

        vm.prank(guardian);
        a.pauseLane(channelLane);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.LaneIsPaused.selector, channelLane));
        a.sendMessage(interoperable(CHAIN_B, bob), "x", channelAttribute(CHANNEL));
        send(bob, "the public lane goes on");

        a.unpauseLane(channelLane);
        vm.prank(opener);
        a.allowSender(channelLane, alice, false);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.SenderNotAllowed.selector, channelLane, alice));
        a.sendMessage(interoperable(CHAIN_B, bob), "x", channelAttribute(CHANNEL));
    }

    function test_only_the_owner_of_a_lane_keeps_its_list() public {
        vm.prank(opener);
        bytes32 channelLane = a.openChannel(idB, CHANNEL, 0, limits, opener);
        address[3] memory others = [address(this), guardian, alice];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IOutbox.NotLaneOwner.selector, channelLane, others[i]));
            a.allowSender(channelLane, alice, true);
        }
        vm.expectRevert(abi.encodeWithSelector(IOutbox.NotLaneOwner.selector, lane, address(this)));
        a.allowSender(lane, alice, true);
        assertTrue(a.isSenderAllowed(lane, alice), "everyone may use the public lane");
        assertFalse(a.isSenderAllowed(bytes32(uint256(1)), alice), "nobody a lane that is not open");
    }

    /// @dev An opener behind a delay calls through its manager: the channel belongs to whom it names all the same.
    function test_a_channel_opened_through_the_manager_belongs_to_whom_its_opener_names() public {
        address slow = makeAddr("slow opener");
        managerA.grantRole(CHANNEL_OPENER, slow, 1 days);
        bytes memory call = abi.encodeCall(a.openChannel, (idB, CHANNEL, 0, limits, bob));
        vm.prank(slow);
        managerA.schedule(address(a), call, 0);
        vm.warp(block.timestamp + 1 days);
        vm.prank(slow);
        managerA.execute(address(a), call);
        bytes32 channelLane = a.outboundLaneId(idB, CHANNEL, 0);
        (address owner, address pending) = a.laneOwner(channelLane);
        assertEq(owner, bob);
        assertEq(pending, address(0));
        address[2] memory others = [slow, address(managerA)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IOutbox.NotLaneOwner.selector, channelLane, others[i]));
            a.allowSender(channelLane, alice, true);
        }
        vm.prank(bob);
        a.allowSender(channelLane, alice, true);
        assertTrue(a.isSenderAllowed(channelLane, alice));
    }

    function test_a_channel_moves_in_two_steps() public {
        vm.prank(opener);
        bytes32 channelLane = a.openChannel(idB, CHANNEL, 0, limits, opener);
        vm.prank(opener);
        a.allowSender(channelLane, alice, true);

        // Only the owner offers, and an offer alone moves nothing.
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.NotLaneOwner.selector, channelLane, bob));
        a.transferChannel(channelLane, bob);
        vm.expectEmit(address(a));
        emit IOutbox.ChannelOffered(channelLane, opener, bob);
        vm.prank(opener);
        a.transferChannel(channelLane, bob);
        (address owner, address pending) = a.laneOwner(channelLane);
        assertEq(owner, opener);
        assertEq(pending, bob);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.NotLaneOwner.selector, channelLane, bob));
        a.allowSender(channelLane, bob, true);

        // Only the one it is offered to accepts.
        address[3] memory others = [opener, alice, address(this)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IOutbox.NotPendingLaneOwner.selector, channelLane, others[i]));
            a.acceptChannel(channelLane);
        }
        vm.expectEmit(address(a));
        emit IOutbox.ChannelTransferred(channelLane, opener, bob);
        vm.prank(bob);
        a.acceptChannel(channelLane);
        (owner, pending) = a.laneOwner(channelLane);
        assertEq(owner, bob);
        assertEq(pending, address(0), "an offer is taken once");
        assertTrue(a.isSenderAllowed(channelLane, alice), "its senders stay");
        vm.prank(opener);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.NotLaneOwner.selector, channelLane, opener));
        a.allowSender(channelLane, alice, false);
        vm.prank(bob);
        a.allowSender(channelLane, alice, false);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.NotPendingLaneOwner.selector, channelLane, bob));
        a.acceptChannel(channelLane);
    }

    function test_an_offer_of_a_channel_is_taken_back() public {
        vm.prank(opener);
        bytes32 channelLane = a.openChannel(idB, CHANNEL, 0, limits, opener);
        address[3] memory instead = [address(0), opener, alice];
        for (uint256 i = 0; i < instead.length; ++i) {
            vm.prank(opener);
            a.transferChannel(channelLane, bob);
            address pending = instead[i] == opener ? address(0) : instead[i];
            vm.expectEmit(address(a));
            emit IOutbox.ChannelOffered(channelLane, opener, pending);
            vm.prank(opener);
            a.transferChannel(channelLane, instead[i]);
            vm.prank(bob);
            vm.expectRevert(abi.encodeWithSelector(IOutbox.NotPendingLaneOwner.selector, channelLane, bob));
            a.acceptChannel(channelLane);
            (, address found) = a.laneOwner(channelLane);
            assertEq(found, pending);
        }
    }

    /// @dev Public lanes belong to nobody and cannot be taken: their owner is 0, and so is nobody's offer.
    function test_a_public_lane_has_no_owner() public {
        (address owner, address pending) = a.laneOwner(lane);
        assertEq(owner, address(0));
        assertEq(pending, address(0));
        vm.expectRevert(abi.encodeWithSelector(IOutbox.NotLaneOwner.selector, lane, address(this)));
        a.transferChannel(lane, alice);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.NotPendingLaneOwner.selector, lane, address(this)));
        a.acceptChannel(lane);
    }

    function test_channels_that_cannot_be_opened() public {
        vm.startPrank(opener);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.UnsupportedFlags.selector, 1));
        a.openChannel(idB, CHANNEL, 1, limits, opener);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.LaneAlreadyOpen.selector, lane));
        a.openChannel(idB, 0, 0, limits, opener);
        vm.expectPartialRevert(bytes4(keccak256("RemoteUnknown(bytes32)")));
        a.openChannel(keccak256("nobody"), CHANNEL, 0, limits, opener);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.LaneOwnerMissing.selector));
        a.openChannel(idB, CHANNEL, 0, limits, address(0));
        vm.stopPrank();
    }

    function test_pausing_a_lane_stops_it_and_nothing_else() public {
        send(bob, "x");
        vm.expectEmit(address(a));
        emit IOutbox.LanePaused(lane, true);
        vm.prank(guardian);
        a.pauseLane(lane);
        assertTrue(a.outboundLane(lane).paused);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.LaneIsPaused.selector, lane));
        a.sendMessage(interoperable(CHAIN_B, bob), "x", none());
        b.sendMessage(interoperable(CHAIN_A, bob), "x", none());
        a.unpauseLane(lane);
        assertEq(send(bob, "x").sequence, 1);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.LaneNotOpen.selector, bytes32(0)));
        a.pauseLane(0);
    }

    function _refused(bytes memory attribute, bytes memory reason) private {
        bytes[] memory attributes = new bytes[](1);
        attributes[0] = attribute;
        vm.expectRevert(reason);
        a.sendMessage(interoperable(CHAIN_B, bob), "x", attributes);
    }

    function _distinct(bytes32[] memory slots) private pure returns (uint256 found) {
        for (uint256 i = 0; i < slots.length; ++i) {
            bool seen = false;
            for (uint256 j = 0; j < i; ++j) {
                seen = seen || slots[j] == slots[i];
            }
            if (!seen) ++found;
        }
    }
}
