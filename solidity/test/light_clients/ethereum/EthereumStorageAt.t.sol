// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../../src/interfaces/ILightClient.sol";
import {BeaconHeader} from "../../../src/light_clients/ethereum/BeaconHeader.sol";
import {EthereumLightClient} from "../../../src/light_clients/ethereum/EthereumLightClient.sol";
import {SyncCommittee} from "../../../src/light_clients/ethereum/SyncCommittee.sol";
import {LightClient} from "../../../src/light_clients/shared/LightClient.sol";
import {Mutation} from "../../support/Mutation.sol";
import {EthereumClientTest, Scene, Wire} from "./support/EthereumClientTest.sol";

/// @title Storage of a finalized block, in the call that verifies it or by an anchor (INV-1, INV-7), and that no byte of what is
/// believed is without effect.
/// forge-config: default.evm_version = "prague"
contract EthereumStorageAtTest is EthereumClientTest {
    EthereumLightClient internal client;
    bytes internal full;
    bytes internal partial_;
    bytes internal shown;

    function setUp() public override {
        super.setUp();
        client = deploy();
        Scene memory scene = sceneAt(380);
        full = proof(scene);
        scene.absent[0] = 0x80000410;
        partial_ = proof(scene);
        scene.showNext = true;
        shown = signed(scene);
    }

    function test_proof() public view {
        (bytes32 value, uint64 height, uint64 timestamp) = client.storageAt(full, ACCOUNT, SLOT);
        assertEq(value, VALUE);
        assertEq(height, 3800);
        assertEq(timestamp, timeOf(363));
        (value,,) = client.storageAt(partial_, ACCOUNT, SLOT);
        assertEq(value, VALUE);
    }

    function test_exclusion() public {
        bytes memory data = bytes.concat(hex"00", exclusion, join(wireOf(sceneAt(380), true)));
        (bytes32 value, uint64 height,) = client.storageAt(data, ACCOUNT, ABSENT_SLOT);
        assertEq(value, 0);
        assertEq(height, 3800);
        // What is absent for one slot says nothing of another, nor of another account.
        vm.expectRevert();
        client.storageAt{gas: 5_000_000}(data, ACCOUNT, SLOT);
        vm.expectRevert();
        client.storageAt{gas: 5_000_000}(full, address(0xBAD), SLOT);
    }

    /// @dev Capella, Deneb, Electra and Fulu; a state of one layout that finalized a header of the one before.
    function test_layouts() public {
        for (uint64 fork = 128; fork <= 320; fork += 64) {
            warpTo(fork + 50);
            client = deployAt(fork + 1, SIZE, THRESHOLD, false);
            Scene memory scene = sceneAt(fork + 40);
            assertEq(uint256(scene.finalizedLayout), fork / 64 > 4 ? 4 : fork / 64);
            (bytes32 value, uint64 height, uint64 timestamp) = client.storageAt(proof(scene), ACCOUNT, SLOT);
            assertEq(value, VALUE);
            assertEq(height, (fork + 40) * 10);
            assertEq(timestamp, timeOf(fork + 23));
            if (fork == 128) continue;
            scene.finalizedSlot = fork - 1;
            (, height, timestamp) = client.storageAt(proof(settle(scene)), ACCOUNT, SLOT);
            assertEq(timestamp, timeOf(fork - 1));
        }
    }

    function test_noExecutionBeforeCapella() public {
        warpTo(190);
        client = deployAt(129, SIZE, THRESHOLD, false);
        Scene memory scene = sceneAt(150);
        bytes memory data = bytes.concat(hex"00", inclusion, join(wireOf(scene, true)));
        scene.finalizedSlot = 127;
        bytes memory old = proof(settle(scene));
        bytes memory reason = abi.encodeWithSelector(BeaconHeader.NoExecution.selector, 1);
        vm.expectRevert(reason);
        client.storageAt{gas: 5_000_000}(old, ACCOUNT, SLOT);
        old = anchorOf(scene);
        vm.expectRevert(reason);
        client.anchor{gas: 5_000_000}(old);
        client.storageAt(data, ACCOUNT, SLOT);
    }

    /// @dev Older than what is trusted, as long as its committee is known: heads and set bits only grow.
    function test_olderHeader() public {
        client.update(signed(sceneAt(390 - 10)));
        (, uint64 height,) = client.storageAt(proof(sceneAt(350)), ACCOUNT, SLOT);
        assertEq(height, 3500);
    }

    function test_INV7_proofOfTheFuture() public {
        vm.warp(timeOf(380) - CLOCK_DRIFT - 1);
        bytes memory reason =
            abi.encodeWithSelector(LightClient.TimestampInFuture.selector, timeOf(380), timeOf(380) - 1);
        vm.expectRevert(reason);
        client.storageAt{gas: 5_000_000}(full, ACCOUNT, SLOT);
        bytes memory data = anchorOf(sceneAt(380));
        vm.expectRevert(reason);
        client.anchor{gas: 5_000_000}(data);
    }

    // ------------------------------------------------------------------------------------------------ anchors

    function test_anchor() public {
        bytes memory byAnchor = bytes.concat(hex"01", inclusion);
        vm.expectRevert(abi.encodeWithSelector(LightClient.NoAnchor.selector));
        client.storageAt(byAnchor, ACCOUNT, SLOT);
        bytes memory data = anchorOf(sceneAt(380));
        vm.expectEmit();
        emit ILightClient.Anchored(3800, timeOf(363), stateRoot);
        client.anchor(data);
        (bytes32 root, uint64 height, uint64 timestamp) = client.anchored();
        assertEq(root, stateRoot);
        assertEq(height, 3800);
        assertEq(timestamp, timeOf(363));
        bytes32 value;
        (value, height, timestamp) = client.storageAt(byAnchor, ACCOUNT, SLOT);
        assertEq(value, VALUE);
        assertEq(height, 3800);
        assertEq(timestamp, timeOf(363));
        vm.expectRevert(abi.encodeWithSelector(LightClient.FormUnknown.selector, 2));
        client.storageAt(bytes.concat(hex"02", inclusion), ACCOUNT, SLOT);
        vm.expectPartialRevert(LightClient.LengthMismatch.selector);
        client.storageAt(bytes.concat(byAnchor, hex"00"), ACCOUNT, SLOT);
    }

    function test_anchor_heights() public {
        client.anchor(anchorOf(sceneAt(380)));
        Scene memory scene = sceneAt(382);
        scene.blockNumber = 3800;
        bytes memory data = anchorOf(scene);
        vm.expectRevert(abi.encodeWithSelector(LightClient.HeightNotAbove.selector, 3800, 3800));
        client.anchor(data);
        scene.blockNumber = 3801;
        scene.stateRoot = keccak256("later");
        client.anchor(anchorOf(scene));
        vm.expectRevert(abi.encodeWithSelector(LightClient.NotAnchoredRoot.selector, stateRoot, keccak256("later")));
        client.storageAt(bytes.concat(hex"01", inclusion), ACCOUNT, SLOT);
        // Block 0 is not above nothing.
        client = deploy();
        scene.blockNumber = 0;
        data = anchorOf(scene);
        vm.expectRevert(abi.encodeWithSelector(LightClient.HeightNotAbove.selector, 0, 0));
        client.anchor(data);
    }

    function test_INV7_anchor_anotherRoot() public {
        Wire memory w = wireOf(sceneAt(380), true);
        bytes memory data = bytes.concat(keccak256("another"), join(w));
        vm.expectPartialRevert(SyncCommittee.SignatureInvalid.selector);
        client.anchor(data);
    }

    // ------------------------------------------------------------------------------------------------ every byte

    function test_INV1_truncatedAndExtended() public {
        bytes[3] memory whole = [full, partial_, shown];
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 length = 0; length < whole[i].length; ++length) {
                bytes memory cut = whole[i];
                uint256 was = cut.length;
                assembly ("memory-safe") {
                    mstore(cut, length)
                }
                assertFalse(_believed(cut, i == 2), "truncated");
                assembly ("memory-safe") {
                    mstore(cut, was)
                }
            }
            assertFalse(_believed(bytes.concat(whole[i], hex"00"), i == 2), "extended");
            assertFalse(_believed(bytes.concat(whole[i], bytes32(0)), i == 2), "extended");
            assertTrue(_believed(whole[i], i == 2), "whole");
        }
    }

    /// @dev One bit of each byte, turned. The signature's slot alone is not signed itself: within its period and fork another
    /// one says the same.
    function test_INV1_everyByte() public {
        for (uint256 i = 0; i < 3; ++i) {
            (bytes memory mutant, uint256 slot) = _whole(i);
            for (uint256 place = 0; place < mutant.length; ++place) {
                bytes1 bit = bytes1(uint8(1 << (place % 8)));
                mutant[place] ^= bit;
                assertFalse((place < slot || place >= slot + 8) && _believed(mutant, i == 2), "turned");
                mutant[place] ^= bit;
            }
        }
    }

    function testFuzz_INV7_mutated(uint256 seed) public {
        uint256 which = (seed >> 248) % 3;
        (bytes memory whole, uint256 slot) = _whole(which);
        bytes memory mutant = Mutation.make(whole, seed);
        bool believed = _believed(mutant, which == 2);
        for (uint256 i = slot; i < slot + 8 && i < mutant.length; ++i) {
            mutant[i] = whole[i];
        }
        assertFalse(believed && keccak256(mutant) != keccak256(whole), "mutated");
    }

    function test_signatureSlotIsFreeWithinItsPeriodAndFork() public view {
        (bytes memory mutant, uint256 slot) = _whole(0);
        mutant[slot] ^= 0x01;
        (, uint64 height, uint64 timestamp) = client.storageAt(mutant, ACCOUNT, SLOT);
        assertEq(height, 3800);
        assertEq(timestamp, timeOf(363));
    }

    /// @dev With the place of its signature's slot.
    function _whole(uint256 which) private view returns (bytes memory, uint256) {
        if (which == 2) return (shown, 1);
        return (which == 0 ? full : partial_, inclusion.length + 2);
    }

    function test_flags() public {
        Wire memory w = wireOf(sceneAt(380), false);
        for (uint256 flags = 4; flags < 256; flags *= 2) {
            w.flags = bytes1(uint8(flags));
            assertUpdateRejected(client, join(w), abi.encodeWithSelector(LightClient.FormUnknown.selector, flags));
        }
    }

    /// @dev What a precompile refuses burns the gas that it was given: so no more than a proof needs.
    function _believed(bytes memory data, bool isUpdate) private returns (bool) {
        if (isUpdate) {
            uint256 before = vm.snapshotState();
            try client.update{gas: 400_000}(data) {
                vm.revertToStateAndDelete(before);
                return true;
            } catch {
                vm.revertToStateAndDelete(before);
                return false;
            }
        }
        try client.storageAt{gas: 400_000}(data, ACCOUNT, SLOT) {
            return true;
        } catch {
            return false;
        }
    }
}
