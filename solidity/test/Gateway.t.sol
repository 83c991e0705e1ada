// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Gateway} from "../src/Gateway.sol";
import {IGateway} from "../src/interfaces/IGateway.sol";
import {IInbox} from "../src/interfaces/IInbox.sol";
import {ILightClient} from "../src/interfaces/ILightClient.sol";
import {IOutbox} from "../src/interfaces/IOutbox.sol";
import {Sent} from "./support/BatchEncoder.sol";
import {FakeLightClient} from "./support/FakeLightClient.sol";
import {GatewayTest} from "./support/GatewayTest.sol";
import {Recorder} from "./support/Recipients.sol";

/// @title The registry, the valves and who may turn them.
contract GatewayRegistryTest is GatewayTest {
    bytes32 internal constant GENESIS_C = keccak256("genesis of C");
    uint256 internal constant CHAIN_C = 300;

    function test_fits_into_a_contract() public view {
        assertLt(address(a).code.length, 24_576, "EIP-170");
    }

    function test_endpoint_id_is_address_and_genesis() public {
        assertEq(a.endpointId(), keccak256(abi.encode(interoperable(CHAIN_A, address(a)), GENESIS_A)));
        assertEq(a.genesisHash(), GENESIS_A);
        assertEq(idA, a.endpointId(), "what the remote computed at registration");
        assertEq(a.outboundLaneId(idB, 0, 0), b.inboundLaneId(idA, 0, 0));
        uint256[4] memory ids = [uint256(1), 255, 256, type(uint64).max];
        for (uint256 i = 0; i < ids.length; ++i) {
            vm.chainId(ids[i]);
            Gateway gateway = new Gateway(address(managerA), GENESIS_A);
            assertEq(gateway.endpointId(), keccak256(abi.encode(interoperable(ids[i], address(gateway)), GENESIS_A)));
        }
    }

    function test_chain_ids_and_genesis_hashes_that_are_refused() public {
        vm.expectRevert(abi.encodeWithSelector(IGateway.GenesisHashMissing.selector));
        this.deployGateway(0);
        vm.expectRevert(abi.encodeWithSelector(IGateway.GenesisHashMissing.selector));
        a.registerRemote(interoperable(CHAIN_C, address(b)), 0, clientOfB, limits);
    }

    /// @dev In a frame of its own: a deployment that reverts in a test's own frame ends the test, and it passes.
    function deployGateway(bytes32 genesisHash) external {
        new Gateway(address(managerA), genesisHash);
    }

    function test_registration() public {
        FakeLightClient client = FakeLightClient(deployed("FakeLightClient"));
        bytes memory gateway = interoperable(CHAIN_C, address(b));
        bytes32 expected = keccak256(abi.encode(gateway, GENESIS_C));
        bytes32 laneToC = a.outboundLaneId(expected, 0, 0);
        vm.expectEmit(address(a));
        emit IGateway.RemoteRegistered(expected, gateway, GENESIS_C, address(client));
        vm.expectEmit(address(a));
        emit IOutbox.LaneOpened(laneToC, expected, 0, 0, address(0));
        vm.expectEmit(address(a));
        emit IOutbox.LaneLimited(laneToC, limits);
        bytes32 idC = a.registerRemote(gateway, GENESIS_C, client, limits);
        assertEq(idC, expected);
        IGateway.Remote memory found = a.remote(idC);
        assertEq(address(found.client), address(client));
        assertEq(found.gateway, address(b));
        assertEq(found.chainPart, chainPart(CHAIN_C));
        assertFalse(found.paused);
        assertFalse(found.retired);
        assertEq(a.route(keccak256(chainPart(CHAIN_C))), idC);
        assertEq(a.outboundLane(laneToC).open, true);
    }

    function test_registrations_that_are_refused() public {
        FakeLightClient client = FakeLightClient(deployed("FakeLightClient"));
        bytes memory good = interoperable(CHAIN_C, address(b));

        bytes[4] memory bad = [
            bytes(""),
            abi.encodePacked(good, uint8(0)),
            interoperable(CHAIN_C, address(0)),
            abi.encodePacked(hex"0001009901aa20", bytes32(uint256(1)))
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IGateway.InvalidGateway.selector, bad[i]));
            a.registerRemote(bad[i], GENESIS_C, client, limits);
        }

        vm.expectRevert(abi.encodeWithSelector(IGateway.RemoteIsSelf.selector, idA));
        a.registerRemote(interoperable(CHAIN_A, address(a)), GENESIS_A, client, limits);

        vm.expectRevert(abi.encodeWithSelector(IGateway.RemoteAlreadyRegistered.selector, idB));
        a.registerRemote(interoperable(CHAIN_B, address(b)), GENESIS_B, client, limits);

        vm.expectRevert(
            abi.encodeWithSelector(IGateway.ChainAlreadyRouted.selector, keccak256(chainPart(CHAIN_B)), idB)
        );
        a.registerRemote(interoperable(CHAIN_B, address(b)), GENESIS_C, client, limits);

        client.setStatus(ILightClient.Status.Expired);
        vm.expectRevert(abi.encodeWithSelector(IGateway.ClientNotActive.selector, address(client)));
        a.registerRemote(good, GENESIS_C, client, limits);
        client.setStatus(ILightClient.Status.Frozen);
        vm.expectRevert(abi.encodeWithSelector(IGateway.ClientNotActive.selector, address(client)));
        a.registerRemote(good, GENESIS_C, client, limits);
        vm.expectRevert(abi.encodeWithSelector(IGateway.ClientNotActive.selector, alice));
        a.registerRemote(good, GENESIS_C, ILightClient(alice), limits);
        vm.expectRevert(abi.encodeWithSelector(IGateway.ClientNotActive.selector, address(0)));
        a.registerRemote(good, GENESIS_C, ILightClient(address(0)), limits);
    }

    /// @dev A paused remote still holds its chain: a guardian's pause must not let another take its place.
    function test_a_paused_remote_keeps_its_chain() public {
        vm.prank(guardian);
        a.pauseRemote(idB);
        vm.expectRevert(
            abi.encodeWithSelector(IGateway.ChainAlreadyRouted.selector, keccak256(chainPart(CHAIN_B)), idB)
        );
        a.registerRemote(interoperable(CHAIN_B, address(b)), GENESIS_C, clientOfB, limits);
    }

    function test_replacing_a_client() public {
        FakeLightClient other = FakeLightClient(deployed("FakeLightClient"));
        vm.expectEmit(address(a));
        emit IGateway.ClientReplaced(idB, address(other));
        a.replaceClient(idB, other);
        assertEq(address(a.remote(idB).client), address(other));
        other.setStatus(ILightClient.Status.Frozen);
        vm.expectRevert(abi.encodeWithSelector(IGateway.ClientNotActive.selector, address(other)));
        a.replaceClient(idB, other);
        vm.expectRevert(abi.encodeWithSelector(IGateway.RemoteUnknown.selector, GENESIS_C));
        a.replaceClient(GENESIS_C, other);
    }

    function test_pausing_a_remote_stops_both_directions_at_once() public {
        Recorder recorder = new Recorder();
        Sent[] memory sent = one(send(address(recorder), "before"));
        vm.expectEmit(address(a));
        emit IGateway.RemotePaused(idB, true);
        vm.prank(guardian);
        a.pauseRemote(idB);
        assertTrue(a.remote(idB).paused);
        assertEq(a.route(keccak256(chainPart(CHAIN_B))), 0);
        vm.expectRevert(abi.encodeWithSelector(IOutbox.RouteIsPaused.selector, idB));
        a.sendMessage(interoperable(CHAIN_B, alice), "x", none());

        vm.prank(guardian);
        b.pauseRemote(idA);
        prove(lane, 0);
        bytes memory batch = encodeAll(sent);
        vm.expectRevert(abi.encodeWithSelector(IInbox.RemoteIsPaused.selector, idA));
        b.deliver(batch, "");

        b.unpauseRemote(idA);
        (, uint256 executed,,) = b.deliver(batch, "");
        assertEq(executed, 1);
        a.unpauseRemote(idB);
        assertEq(a.route(keccak256(chainPart(CHAIN_B))), idB);
        assertEq(send(address(recorder), "after").sequence, 1);
    }

    function test_pausing_twice_and_unpausing_twice_change_nothing() public {
        a.unpauseRemote(idB);
        assertEq(a.route(keccak256(chainPart(CHAIN_B))), idB);
        vm.startPrank(guardian);
        a.pauseRemote(idB);
        a.pauseRemote(idB);
        vm.stopPrank();
        a.unpauseRemote(idB);
        a.unpauseRemote(idB);
        assertEq(a.route(keccak256(chainPart(CHAIN_B))), idB);
        assertFalse(a.remote(idB).paused);
    }

    function test_a_new_remote_on_a_retired_chain_does_not_inherit_its_lanes() public {
        send(alice, "x");
        a.retireRemote(idB, 7);
        bytes32 other = a.registerRemote(interoperable(CHAIN_B, address(b)), GENESIS_C, clientOfB, limits);
        assertEq(a.outboundLane(a.outboundLaneId(other, 0, 0)).nextSequence, 0);
        assertNotEq(a.outboundLaneId(other, 0, 0), lane);
    }

    function test_long_chain_references_are_kept_aside() public {
        for (uint256 length = 1; length <= 40; ++length) {
            bytes memory chainRef = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                chainRef[i] = bytes1(uint8(0xa0 + i));
            }
            bytes memory part = abi.encodePacked(bytes4(0x00010077), uint8(length), chainRef);
            bytes32 id = a.registerRemote(abi.encodePacked(part, uint8(20), address(b)), GENESIS_C, clientOfB, limits);
            assertEq(a.remote(id).chainPart, part);
            vm.prank(guardian);
            a.pauseRemote(id);
            assertEq(a.route(keccak256(part)), 0);
            a.unpauseRemote(id);
            assertEq(a.route(keccak256(part)), id);
        }
    }

    function test_unknown_remotes() public {
        bytes32 nobody = keccak256("nobody");
        bytes memory unknown = abi.encodeWithSelector(IGateway.RemoteUnknown.selector, nobody);
        vm.prank(guardian);
        vm.expectRevert(unknown);
        a.pauseRemote(nobody);
        vm.expectRevert(unknown);
        a.unpauseRemote(nobody);
        vm.expectRevert(unknown);
        a.retireRemote(nobody, 7);
        vm.expectRevert(unknown);
        a.reinstateRemote(nobody);
        vm.expectRevert(unknown);
        a.remote(nobody);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IInbox.UnknownRemote.selector, nobody));
        a.pauseInboundLane(nobody, 0, 0);
    }

    // Roles: who can, and who cannot.

    function test_only_the_admin_registers_replaces_retires_limits_and_opens_valves() public {
        bytes[9] memory calls = [
            abi.encodeCall(a.registerRemote, (interoperable(CHAIN_C, address(b)), GENESIS_C, clientOfB, limits)),
            abi.encodeCall(a.replaceClient, (idB, clientOfB)),
            abi.encodeCall(a.limitLane, (lane, limits)),
            abi.encodeCall(a.unpauseLane, (lane)),
            abi.encodeCall(a.unpauseInboundLane, (idB, 0, 0)),
            abi.encodeCall(a.unpauseRemote, (idB)),
            abi.encodeCall(a.retireRemote, (idB, 7)),
            abi.encodeCall(a.reinstateRemote, (idB)),
            abi.encodeCall(a.setAuthority, (address(managerB)))
        ];
        address[4] memory others = [guardian, opener, alice, address(a)];
        for (uint256 i = 0; i < calls.length; ++i) {
            for (uint256 j = 0; j < others.length; ++j) {
                _refused(others[j], calls[i]);
            }
            vm.prank(i == 8 ? address(managerA) : address(this));
            (bool ok,) = address(a).call(calls[i]);
            assertTrue(ok, "the admin may");
        }
    }

    function test_only_the_guardian_pauses() public {
        bytes[3] memory calls = [
            abi.encodeCall(a.pauseRemote, (idB)),
            abi.encodeCall(a.pauseLane, (lane)),
            abi.encodeCall(a.pauseInboundLane, (idB, 0, 0))
        ];
        (AccessManager manager, Gateway gateway) = (managerA, a);
        assertEq(manager.getTargetFunctionRole(address(gateway), Gateway.pauseRemote.selector), GUARDIAN);
        address[2] memory others = [opener, alice];
        for (uint256 i = 0; i < calls.length; ++i) {
            for (uint256 j = 0; j < others.length; ++j) {
                _refused(others[j], calls[i]);
            }
            vm.prank(guardian);
            (bool ok,) = address(gateway).call(calls[i]);
            assertTrue(ok, "the guardian may");
        }
    }

    function test_only_the_channel_opener_opens_channels() public {
        bytes memory call = abi.encodeCall(a.openChannel, (idB, bytes32("c"), 0, limits, alice));
        _refused(guardian, call);
        _refused(alice, call);
        vm.prank(opener);
        (bool ok,) = address(a).call(call);
        assertTrue(ok);
    }

    /// @dev An admin behind a delay: the operation waits, whoever sends it.
    function test_admin_operations_wait_for_their_delay() public {
        address slow = makeAddr("slow admin");
        managerA.grantRole(0, slow, 1 days);
        bytes memory call = abi.encodeCall(a.retireRemote, (idB, 7));
        vm.prank(slow);
        (bool ok,) = address(a).call(call);
        assertFalse(ok, "not scheduled");
        vm.prank(slow);
        managerA.schedule(address(a), call, 0);
        vm.warp(block.timestamp + 1 days - 1);
        vm.prank(slow);
        (ok,) = address(a).call(call);
        assertFalse(ok, "too early");
        vm.warp(block.timestamp + 1);
        vm.prank(slow);
        (ok,) = address(a).call(call);
        assertTrue(ok);
        assertTrue(a.remote(idB).retired);
    }

    function test_relaying_and_sending_need_no_role() public {
        Recorder recorder = new Recorder();
        Sent[] memory sent = one(send(address(recorder), "x"));
        prove(lane, 0);
        vm.prank(makeAddr("anyone"));
        (, uint256 executed,,) = b.deliver(encodeAll(sent), "");
        assertEq(executed, 1);
    }

    function _refused(address caller, bytes memory call) private {
        vm.prank(caller);
        (bool ok, bytes memory answer) = address(a).call(call);
        assertFalse(ok);
        assertEq(answer, abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller));
    }
}
