// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IGateway} from "../src/interfaces/IGateway.sol";
import {IInbox} from "../src/interfaces/IInbox.sol";
import {IOutbox} from "../src/interfaces/IOutbox.sol";
import {BftHeader} from "../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../src/light_clients/bft/BftLightClient.sol";
import {Sent} from "./support/BatchEncoder.sol";
import {FakeLightClient} from "./support/FakeLightClient.sol";
import {GatewayTest} from "./support/GatewayTest.sol";
import {Recorder} from "./support/Recipients.sol";
import {SealedPair} from "./support/SealedPair.sol";

/// @title A remote that was given up: what it sent by then arrives, what it sends later does not, and nothing once another endpoint
/// speaks for its chain (INV-1: recipients know a chain by its id alone).
contract RetirementTest is GatewayTest {
    bytes32 internal constant GENESIS_C = keccak256("genesis of C");

    Recorder internal recorder;
    bytes32 internal keyA;

    function setUp() public override {
        super.setUp();
        recorder = new Recorder();
        keyA = keccak256(chainPart(CHAIN_A));
    }

    /// @dev The fake client tells how often it was set as the header's height.
    function test_what_was_sent_by_the_last_height_arrives() public {
        Sent[] memory sent = new Sent[](2);
        sent[0] = send(address(recorder), "before");
        prove(lane, 0);
        uint256 lastHeight = _height();
        vm.expectEmit(address(b));
        emit IGateway.RemoteRetired(idA, lastHeight);
        b.retireRemote(idA, lastHeight);
        assertTrue(b.remote(idA).retired);
        assertFalse(b.remote(idA).succeeded);
        assertEq(b.remote(idA).lastHeight, lastHeight);
        assertEq(b.route(keyA), 0);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.NoRoute.selector, keyA));
        b.sendMessage(interoperable(CHAIN_A, alice), "x", none());

        (, uint256 executed,,) = b.deliver(encodeAll(one(sent[0])), "");
        assertEq(executed, 1, "by a proof of the last height itself");

        sent[1] = send(address(recorder), "after");
        prove(lane, 0);
        bytes memory batch = encodeAll(sent);
        vm.expectRevert(abi.encodeWithSelector(IInbox.BeyondRetirement.selector, idA, lastHeight + 1, lastHeight));
        b.deliver(batch, "");
        assertEq(recorder.count(), 1);
    }

    /// @dev The height can be named anew: a reset that was noticed late, or a mistake in it.
    function test_the_last_height_can_be_changed() public {
        Sent[] memory sent = one(send(address(recorder), "x"));
        prove(lane, 0);
        b.retireRemote(idA, 0);
        bytes memory batch = encodeAll(sent);
        vm.expectRevert(abi.encodeWithSelector(IInbox.BeyondRetirement.selector, idA, _height(), 0));
        b.deliver(batch, "");
        b.retireRemote(idA, _height());
        (, uint256 executed,,) = b.deliver(batch, "");
        assertEq(executed, 1);
    }

    function test_pausing_stops_a_retired_remote_and_leaves_it_without_a_route() public {
        Sent[] memory sent = one(send(address(recorder), "x"));
        prove(lane, 0);
        bytes memory batch = encodeAll(sent);
        b.retireRemote(idA, type(uint64).max);
        vm.prank(guardian);
        b.pauseRemote(idA);
        vm.expectRevert(abi.encodeWithSelector(IInbox.RemoteIsPaused.selector, idA));
        b.deliver(batch, "");
        b.unpauseRemote(idA);
        assertEq(b.route(keyA), 0);
        vm.prank(guardian);
        b.pauseInboundLane(idA, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IInbox.InboundLaneIsPaused.selector, lane));
        b.deliver(batch, "");
        b.unpauseInboundLane(idA, 0, 0);
        (, uint256 executed,,) = b.deliver(batch, "");
        assertEq(executed, 1);
    }

    function test_a_retirement_is_taken_back() public {
        Sent[] memory sent = one(send(address(recorder), "x"));
        prove(lane, 0);
        b.retireRemote(idA, 0);
        vm.expectEmit(address(b));
        emit IGateway.RemoteReinstated(idA);
        b.reinstateRemote(idA);
        assertFalse(b.remote(idA).retired);
        assertEq(b.remote(idA).lastHeight, 0);
        assertEq(b.route(keyA), idA);
        b.sendMessage(interoperable(CHAIN_A, alice), "x", none());
        (, uint256 executed,,) = b.deliver(encodeAll(sent), "");
        assertEq(executed, 1);
        // One that is not retired: nothing to take back, nothing said.
        vm.recordLogs();
        b.reinstateRemote(idA);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_a_reinstated_remote_that_is_paused_stays_so() public {
        vm.prank(guardian);
        b.pauseRemote(idA);
        b.retireRemote(idA, 0);
        b.reinstateRemote(idA);
        assertEq(b.route(keyA), 0);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.RouteIsPaused.selector, idA));
        b.sendMessage(interoperable(CHAIN_A, alice), "x", none());
        b.unpauseRemote(idA);
        assertEq(b.route(keyA), idA);
    }

    function test_a_successor_ends_what_a_retired_remote_may_deliver() public {
        Sent[] memory sent = one(send(address(recorder), "sent long before"));
        prove(lane, 0);
        bytes memory batch = encodeAll(sent);
        b.retireRemote(idA, type(uint64).max);
        bytes32 reset = _succeed();
        assertTrue(b.remote(idA).succeeded);
        assertFalse(b.remote(reset).succeeded);
        vm.expectRevert(abi.encodeWithSelector(IGateway.RemoteIsSucceeded.selector, idA));
        b.deliver(batch, "");

        // For good: the retirement is neither changed nor taken back.
        vm.expectRevert(abi.encodeWithSelector(IGateway.RemoteIsSucceeded.selector, idA));
        b.reinstateRemote(idA);
        vm.expectRevert(abi.encodeWithSelector(IGateway.RemoteIsSucceeded.selector, idA));
        b.retireRemote(idA, type(uint64).max);
        vm.expectRevert(abi.encodeWithSelector(IGateway.RemoteAlreadyRegistered.selector, idA));
        b.registerRemote(interoperable(CHAIN_A, address(a)), GENESIS_A, clientOfA, limits);
        // Pausing and unpausing it leaves the successor's route alone.
        vm.prank(guardian);
        b.pauseRemote(idA);
        assertEq(b.route(keyA), reset);
        b.unpauseRemote(idA);
        assertEq(b.route(keyA), reset);
        assertEq(recorder.count(), 0);
    }

    /// @dev A successor that is retired too does not bring back the one before it.
    function test_a_chain_that_is_reset_twice() public {
        b.retireRemote(idA, 5);
        bytes32 second = _succeed();
        bytes memory third = interoperable(CHAIN_A, address(0x333));
        vm.expectRevert(abi.encodeWithSelector(IGateway.ChainAlreadyRouted.selector, keyA, second));
        b.registerRemote(third, GENESIS_C, clientOfA, limits);
        b.retireRemote(second, 9);
        vm.expectRevert(abi.encodeWithSelector(IGateway.RemoteIsSucceeded.selector, idA));
        b.reinstateRemote(idA);
        b.reinstateRemote(second);
        assertEq(b.route(keyA), second);
        b.retireRemote(second, 9);
        bytes32 last = b.registerRemote(third, GENESIS_C, clientOfA, limits);
        assertEq(b.route(keyA), last);
        assertTrue(b.remote(second).succeeded);
        vm.expectRevert(abi.encodeWithSelector(IGateway.RemoteIsSucceeded.selector, second));
        b.reinstateRemote(second);
    }

    function test_retiring_a_paused_remote_frees_its_chain() public {
        vm.prank(guardian);
        b.pauseRemote(idA);
        b.retireRemote(idA, 0);
        b.unpauseRemote(idA);
        assertEq(b.route(keyA), 0, "retired for good");
        bytes32 reset = _succeed();
        assertEq(b.route(keyA), reset);
    }

    /// @dev A paused successor still holds the chain.
    function test_a_paused_successor_keeps_the_chain() public {
        b.retireRemote(idA, 0);
        bytes32 reset = _succeed();
        vm.prank(guardian);
        b.pauseRemote(reset);
        bytes memory third = interoperable(CHAIN_A, address(0x333));
        vm.expectRevert(abi.encodeWithSelector(IGateway.ChainAlreadyRouted.selector, keyA, reset));
        b.registerRemote(third, GENESIS_C, clientOfA, limits);
    }

    function _succeed() private returns (bytes32) {
        FakeLightClient fresh = FakeLightClient(deployed("FakeLightClient"));
        return b.registerRemote(interoperable(CHAIN_A, address(a)), GENESIS_C, fresh, limits);
    }

    /// @dev What the fake client of A names as its header's height.
    function _height() private view returns (uint256 height) {
        (, height,) = clientOfA.storageAt("", address(a), 0);
    }
}

/// @title The same with real light clients and seals: the height is that of the sealed header.
contract SealedRetirementTest is SealedPair {
    function test_INV1_a_retired_chain_does_not_speak_for_its_successor() public {
        Recorder recorder = new Recorder();
        Sent[] memory sent = new Sent[](2);
        sent[0] = send(address(recorder), "before the reset");
        bytes memory early = proofOfA(lane, 0, honest());
        uint256 height = lastHeight();
        sent[1] = send(address(recorder), "by whoever has the address on the chain that was given up");
        bytes memory late = proofOfA(lane, 0, honest());
        b.retireRemote(idA, height);

        bytes memory both = encodeAll(sent);
        vm.expectRevert(abi.encodeWithSelector(IInbox.BeyondRetirement.selector, idA, height + 1, height));
        b.deliver(both, late);
        uint256 state = vm.snapshotState();
        (, uint256 executed,,) = b.deliver(encodeAll(one(sent[0])), early);
        assertEq(executed, 1);
        vm.revertToState(state);

        BftHeader.Kind qbft = BftHeader.Kind.QBFT;
        address[] memory validators = addressesOf(keysOf(777, 4));
        BftLightClient fresh =
            new BftLightClient(address(managerB), qbft, qbft, 0, validators, 100, uint64(NOW - 900), 14 days, 30);
        b.registerRemote(interoperable(CHAIN_A, address(a)), keccak256("genesis of A, reset"), fresh, limits);
        bytes memory first = encodeAll(one(sent[0]));
        vm.expectRevert(abi.encodeWithSelector(IGateway.RemoteIsSucceeded.selector, idA));
        b.deliver(first, early);
        assertEq(recorder.count(), 0);
    }
}
