// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../../src/interfaces/ILightClient.sol";
import {EthereumLightClient} from "../../../src/light_clients/ethereum/EthereumLightClient.sol";
import {EthereumParameters} from "../../../src/light_clients/ethereum/EthereumParameters.sol";
import {SyncCommittee} from "../../../src/light_clients/ethereum/SyncCommittee.sol";
import {LightClient} from "../../../src/light_clients/shared/LightClient.sol";
import {EthereumClientTest, Scene, Wire} from "./support/EthereumClientTest.sol";

/// @title How trust moves: slots, periods, forks, time (INV-7).
/// forge-config: default.evm_version = "prague"
contract EthereumUpdateTest is EthereumClientTest {
    // ------------------------------------------------------------------------------------------------ accepted

    function test_update() public {
        EthereumLightClient client = deploy();
        Scene memory scene = sceneAt(380);
        vm.expectEmit();
        emit ILightClient.Updated(363, timeOf(363));
        client.update(signed(scene));
        assertTrusted(client, 363, rootOf(5), 0);
    }

    function test_rotation() public {
        EthereumLightClient client = deploy();
        Scene memory scene = sceneAt(380);
        scene.showNext = true;
        client.update(signed(scene));
        assertTrusted(client, 363, rootOf(5), rootOf(6));
        // The next one signs while what is finalized is of the period before.
        scene = sceneAt(386);
        scene.finalizedSlot = 376;
        client.update(signed(settle(scene)));
        assertTrusted(client, 376, rootOf(5), rootOf(6));
        // Into its own period, with and without the one after it.
        uint256 before = vm.snapshotState();
        client.update(signed(sceneAt(390)));
        assertTrusted(client, 389, rootOf(6), 0);
        vm.revertToState(before);
        scene = sceneAt(390);
        scene.showNext = true;
        client.update(signed(scene));
        assertTrusted(client, 389, rootOf(6), rootOf(7));
    }

    /// @dev The same finalized slot again brings the next committee, once.
    function test_sameSlot() public {
        EthereumLightClient client = deploy();
        Scene memory scene = sceneAt(380);
        client.update(signed(scene));
        assertUpdateRejected(client, signed(scene), _notAbove(363, 363));
        scene.showNext = true;
        bytes memory shown = signed(scene);
        client.update(shown);
        assertTrusted(client, 363, rootOf(5), rootOf(6));
        assertUpdateRejected(client, shown, _notAbove(363, 363));
    }

    /// @dev Nodes keep one update of a period. Somebody who moves trust beyond it by one that shows no committee stops nobody.
    function test_INV4_lowerSlotTeachesTheNextCommittee() public {
        EthereumLightClient client = deployAt(TRUSTED_SLOT, SIZE, THRESHOLD, true);
        warpTo(450);
        client.update(signed(sceneAt(445)));
        assertTrusted(client, 428, rootOf(6), 0);
        Scene memory scene = sceneAt(430);
        scene.showNext = true;
        bytes memory shown = signed(scene);
        client.update(shown);
        assertTrusted(client, 428, rootOf(6), rootOf(7));
        assertUpdateRejected(client, shown, _notAbove(413, 428));
        // The place of the next committee held that of period 5, which is not believed for it.
        warpTo(500);
        client.update(signed(sceneAt(490)));
        assertTrusted(client, 473, rootOf(7), 0);
        warpTo(540);
        scene = sceneAt(530);
        scene.period = 6;
        assertUpdateRejected(client, signed(scene), _unknownFrom(8, 7));
    }

    /// @dev Through every fork of the table, a period at a time.
    function test_throughTheForks() public {
        warpTo(20);
        EthereumLightClient client = deployAt(16, SIZE, THRESHOLD, false);
        for (uint64 period = 0; period < 7; ++period) {
            warpTo(64 * period + 60);
            Scene memory scene = sceneAt(64 * period + 50);
            scene.showNext = true;
            client.update(signed(scene));
            assertTrusted(client, 64 * period + 33, rootOf(period), rootOf(period + 1));
        }
    }

    // ------------------------------------------------------------------------------------------------ slots

    function test_INV7_lowerSlot() public {
        EthereumLightClient client = deploy();
        Scene memory scene = sceneAt(380);
        client.update(signed(scene));
        scene.finalizedSlot = 362;
        assertUpdateRejected(client, signed(scene), _notAbove(362, 363));
        // Of the period before, by a committee of this one.
        scene = sceneAt(330);
        (scene.finalizedSlot, scene.period) = (318, 5);
        assertUpdateRejected(client, signed(settle(scene)), _notAbove(318, 363));
    }

    function test_slotsOutOfOrder() public {
        EthereumLightClient client = deploy();
        Scene memory scene = sceneAt(380);
        scene.attestedSlot = 380;
        assertUpdateRejected(client, signed(scene), _outOfOrder(380, 380, 363));
        (scene.attestedSlot, scene.finalizedSlot) = (370, 371);
        assertUpdateRejected(client, signed(scene), _outOfOrder(380, 370, 371));
        scene.finalizedSlot = 370;
        client.update(signed(scene));
    }

    /// @dev Numbers at the end of their range neither wrap nor pass.
    function test_INV7_extremeSlots() public {
        EthereumLightClient client = deploy();
        Scene memory scene = sceneAt(380);
        scene.signatureSlot = 0;
        assertUpdateRejected(client, signed(scene), _unknown(0));
        scene.signatureSlot = LAST;
        assertUpdateRejected(client, signed(scene), _unknown(LAST / 64));
        (scene.signatureSlot, scene.finalizedSlot) = (380, LAST);
        assertUpdateRejected(client, signed(scene), _outOfOrder(380, 379, LAST));
        scene.attestedSlot = LAST;
        assertUpdateRejected(client, signed(scene), _outOfOrder(380, LAST, LAST));

        // A client in period 0, where a signature slot of 0 is of a known committee.
        warpTo(60);
        client = deployAt(16, SIZE, THRESHOLD, false);
        scene = sceneAt(50);
        scene.signatureSlot = 0;
        assertUpdateRejected(client, signed(scene), _outOfOrder(0, 49, 33));
    }

    function test_nothingBeforeTheFirstFork() public {
        warpTo(60);
        EthereumLightClient client = deployAt(16, SIZE, THRESHOLD, false);
        Scene memory scene = sceneAt(50);
        scene.finalizedSlot = 7;
        assertUpdateRejected(client, signed(scene), _before(7));
        scene.attestedSlot = 7;
        assertUpdateRejected(client, signed(scene), _before(7));
        vm.expectRevert(_before(7));
        this.deployAt_(7);
    }

    function deployAt_(uint64 slot) external returns (EthereumLightClient) {
        return deployAt(slot, SIZE, THRESHOLD, false);
    }

    // ------------------------------------------------------------------------------------------------ periods

    /// @dev The committee of a signature is that of its own slot's period, to the slot.
    function test_INV7_committeeAtTheBoundary() public {
        EthereumLightClient client = deployAt(TRUSTED_SLOT, SIZE, THRESHOLD, true);
        for (uint64 slot = 383; slot < 386; ++slot) {
            Scene memory scene = sceneAt(slot);
            scene.finalizedSlot = 370;
            settle(scene);
            uint256 right = scene.period;
            assertEq(right, slot < 384 ? 5 : 6);
            scene.period = right == 5 ? 6 : 5;
            assertUpdateRejected(client, signed(scene), _notTrusted(rootOf(scene.period), rootOf(right)));
            scene.period = right;
            uint256 before = vm.snapshotState();
            client.update(signed(scene));
            vm.revertToState(before);
        }
    }

    function test_INV7_unknownPeriods() public {
        // The next is not known.
        EthereumLightClient client = deploy();
        assertUpdateRejected(client, signed(sceneAt(390)), _unknown(6));
        // The one after the next, and the one before.
        client = deployAt(TRUSTED_SLOT, SIZE, THRESHOLD, true);
        warpTo(460);
        assertUpdateRejected(client, signed(sceneAt(450)), _unknown(7));
        assertUpdateRejected(client, signed(sceneAt(319)), _unknown(4));
    }

    /// @dev A committee that has had its period signs nothing any more.
    function test_INV7_formerCommittee() public {
        EthereumLightClient client = deployAt(TRUSTED_SLOT, SIZE, THRESHOLD, true);
        client.update(signed(sceneAt(390)));
        assertUpdateRejected(client, signed(sceneAt(383)), _unknownFrom(5, 6));
        Scene memory scene = sceneAt(395);
        scene.period = 5;
        assertUpdateRejected(client, signed(scene), _notTrusted(rootOf(5), rootOf(6)));
        // Nor in the period after the next, whose place in storage still holds it.
        scene = sceneAt(450);
        scene.period = 5;
        assertUpdateRejected(client, signed(scene), _unknownFrom(7, 6));
    }

    /// @dev Shown only where all three slots are of one period: at its first and last slots, and one outside.
    function test_nextCommittee_periods() public {
        EthereumLightClient client = deployAt(300, SIZE, THRESHOLD, true);
        Scene memory scene = sceneAt(322);
        scene.showNext = true;
        (scene.attestedSlot, scene.finalizedSlot) = (321, 319);
        assertUpdateRejected(client, signed(settle(scene)), _differ(322, 321, 319));
        (scene.signatureSlot, scene.attestedSlot) = (320, 319);
        assertUpdateRejected(client, signed(settle(scene)), _differ(320, 319, 319));
        (scene.signatureSlot, scene.attestedSlot, scene.finalizedSlot) = (321, 320, 320);
        client.update(signed(settle(scene)));
        assertTrusted(client, 320, rootOf(5), rootOf(6));
        (scene.signatureSlot, scene.attestedSlot, scene.finalizedSlot) = (384, 383, 383);
        assertUpdateRejected(client, signed(settle(scene)), _differ(384, 383, 383));
    }

    function test_nextCommittee_differs() public {
        EthereumLightClient client = deployAt(TRUSTED_SLOT, SIZE, THRESHOLD, true);
        Scene memory scene = sceneAt(380);
        (scene.showNext, scene.next) = (true, keccak256("another"));
        assertUpdateRejected(
            client,
            signed(scene),
            abi.encodeWithSelector(EthereumLightClient.NextCommitteeDiffers.selector, scene.next, rootOf(6))
        );
        scene.next = 0;
        assertUpdateRejected(client, signed(scene), abi.encodeWithSelector(EthereumLightClient.CommitteeZero.selector));
    }

    /// @dev Field 22 of the state is the committee that signed, or nothing is shown.
    function test_nextCommittee_currentIsAnother() public {
        EthereumLightClient client = deploy();
        Scene memory scene = sceneAt(380);
        scene.showNext = true;
        scene.current = rootOf(6);
        assertUpdateRejected(client, signed(scene), SyncCommittee.SignatureInvalid.selector);
        // What field 23's neighbour makes with it can't be sent as field 23 either.
        Wire memory w = wireOf(sceneAt(380), false);
        w.flags = hex"02";
        assertUpdateRejected(client, join(w), SyncCommittee.SignatureInvalid.selector);
    }

    // ------------------------------------------------------------------------------------------------ forks

    /// @dev The version is that of the slot before the signature's: one slot off at each fork, both ways.
    function test_forkVersionAtTheBoundary() public {
        uint64[4] memory forks = [uint64(128), 192, 256, 320];
        for (uint256 i = 0; i < 4; ++i) {
            warpTo(forks[i] + 10);
            EthereumLightClient client = deployAt(forks[i] - 30, SIZE, THRESHOLD, true);
            for (uint64 slot = forks[i] - 1; slot <= forks[i] + 2; ++slot) {
                Scene memory scene = sceneAt(slot);
                scene.attestedSlot = slot - 1;
                scene.finalizedSlot = forks[i] - 10;
                settle(scene);
                bytes4 old = bytes4(uint32(i + 1) << 24);
                bytes4 new_ = bytes4(uint32(i + 2) << 24);
                assertTrue(scene.version == (slot <= forks[i] ? old : new_));
                uint256 before = vm.snapshotState();
                client.update(signed(scene));
                vm.revertToState(before);
                scene.version = scene.version == old ? new_ : old;
                assertUpdateRejected(client, signed(scene), SyncCommittee.SignatureInvalid.selector);
            }
        }
    }

    /// @dev A state is laid out as its own header's slot says, whatever signs it later.
    function test_layoutAtTheBoundary() public {
        warpTo(266);
        EthereumLightClient client = deployAt(220, SIZE, THRESHOLD, true);
        Scene memory scene = sceneAt(260);
        (scene.attestedSlot, scene.finalizedSlot) = (255, 240);
        settle(scene);
        assertEq(scene.attestedLayout, 3);
        bytes memory right = signed(scene);
        scene.attestedLayout = 4;
        // Read a word short, so that the finalized header's slot is no slot.
        bytes memory wrong = signed(scene);
        vm.expectRevert();
        client.update{gas: 5_000_000}(wrong);
        scene.attestedSlot = 256;
        bytes memory wide = signed(scene);
        uint256 before = vm.snapshotState();
        client.update(wide);
        vm.revertToState(before);
        client.update(right);
    }

    // ------------------------------------------------------------------------------------------------ time

    function test_INV7_future() public {
        EthereumLightClient client = deploy();
        bytes memory data = signed(sceneAt(380));
        vm.warp(timeOf(380) - CLOCK_DRIFT - 1);
        assertUpdateRejected(
            client, data, abi.encodeWithSelector(LightClient.TimestampInFuture.selector, timeOf(380), timeOf(380) - 1)
        );
        vm.warp(timeOf(380) - CLOCK_DRIFT);
        client.update(data);
    }

    function test_INV7_expired() public {
        EthereumLightClient client = deploy();
        bytes memory data = signed(sceneAt(380));
        vm.warp(timeOf(TRUSTED_SLOT) + TRUSTING_PERIOD);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Active));
        vm.warp(timeOf(TRUSTED_SLOT) + TRUSTING_PERIOD + 1);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Expired));
        bytes memory reason = abi.encodeWithSelector(ILightClient.NotActive.selector, ILightClient.Status.Expired);
        assertUpdateRejected(client, data, reason);
        vm.expectRevert(reason);
        client.storageAt(data, ACCOUNT, SLOT);
        vm.expectRevert(reason);
        client.anchor(data);
    }

    // ------------------------------------------------------------------------------------------------ reasons

    function _notAbove(uint256 found, uint256 above) private pure returns (bytes memory) {
        return abi.encodeWithSelector(LightClient.HeightNotAbove.selector, found, above);
    }

    function _unknown(uint256 found) private pure returns (bytes memory) {
        return _unknownFrom(found, 5);
    }

    function _unknownFrom(uint256 found, uint256 trusted) private pure returns (bytes memory) {
        return abi.encodeWithSelector(EthereumLightClient.PeriodUnknown.selector, found, trusted);
    }

    function _notTrusted(bytes32 found, bytes32 trusted) private pure returns (bytes memory) {
        return abi.encodeWithSelector(EthereumLightClient.NotTrustedCommittee.selector, found, trusted);
    }

    function _outOfOrder(uint256 one, uint256 two, uint256 three) private pure returns (bytes memory) {
        return abi.encodeWithSelector(EthereumLightClient.SlotsOutOfOrder.selector, one, two, three);
    }

    function _differ(uint256 one, uint256 two, uint256 three) private pure returns (bytes memory) {
        return abi.encodeWithSelector(EthereumLightClient.PeriodsDiffer.selector, one, two, three);
    }

    function _before(uint256 slot) private pure returns (bytes memory) {
        return abi.encodeWithSelector(EthereumParameters.BeforeFirstFork.selector, slot);
    }
}
