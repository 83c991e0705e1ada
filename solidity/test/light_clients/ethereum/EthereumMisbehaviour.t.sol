// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../../src/interfaces/ILightClient.sol";
import {EthereumLightClient} from "../../../src/light_clients/ethereum/EthereumLightClient.sol";
import {EthereumClientTest, Scene, Wire} from "./support/EthereumClientTest.sol";

/// @title What freezes a client, and what honest committees sign, which must not (INV-7).
/// forge-config: default.evm_version = "prague"
contract EthereumMisbehaviourTest is EthereumClientTest {
    EthereumLightClient internal client;

    function setUp() public override {
        super.setUp();
        client = deployAt(TRUSTED_SLOT, SIZE, THRESHOLD, true);
    }

    // ------------------------------------------------------------------------------------------------ frozen

    function test_INV7_twoFinalizedHeaders() public {
        (Scene memory one, Scene memory other) = (sceneAt(380), sceneAt(381));
        (other.finalizedSlot, other.salt) = (one.finalizedSlot, 1);
        _freezes(bytes.concat(signed(one), signed(other)), 363);
    }

    /// @dev Signed by committees of two periods, and with members absent.
    function test_INV7_twoFinalizedHeaders_acrossPeriods() public {
        (Scene memory one, Scene memory other) = (sceneAt(383), sceneAt(385));
        (one.finalizedSlot, other.finalizedSlot, other.salt) = (370, 370, 1);
        (one.absent[0], other.absent[0]) = (0x3ff, 1 << 31);
        _freezes(bytes.concat(signed(settle(one)), signed(settle(other))), 370);
    }

    function test_INV7_twoNextCommittees() public {
        (Scene memory one, Scene memory other) = (sceneAt(380), sceneAt(350));
        (one.showNext, other.showNext, other.next) = (true, true, keccak256("another"));
        _freezes(bytes.concat(signed(one), signed(other)), 363);
    }

    /// @dev Whatever the clock says: expired, or long before.
    function test_INV7_whateverTheClockSays() public {
        (Scene memory one, Scene memory other) = (sceneAt(380), sceneAt(380));
        other.salt = 1;
        bytes memory data = bytes.concat(signed(one), signed(other));
        uint256 before = vm.snapshotState();
        vm.warp(timeOf(TRUSTED_SLOT) + TRUSTING_PERIOD + 1);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Expired));
        _freezes(data, 363);
        vm.revertToState(before);
        vm.warp(timeOf(340));
        _freezes(data, 363);
    }

    function test_INV7_frozen() public {
        (Scene memory one, Scene memory other) = (sceneAt(380), sceneAt(380));
        other.salt = 1;
        bytes memory data = bytes.concat(signed(one), signed(other));
        bytes memory update = signed(one);
        bytes memory proven = proof(one);
        bytes memory anchored = anchorOf(one);
        client.anchor(anchored);
        client.freeze(data);
        bytes memory reason = abi.encodeWithSelector(ILightClient.NotActive.selector, ILightClient.Status.Frozen);
        assertUpdateRejected(client, update, reason);
        vm.expectRevert(reason);
        client.storageAt(proven, ACCOUNT, SLOT);
        vm.expectRevert(reason);
        client.storageAt(bytes.concat(hex"01", inclusion), ACCOUNT, SLOT);
        vm.expectRevert(reason);
        client.anchor(anchored);
        vm.expectRevert(reason);
        client.freeze(data);
        // Frozen it stays, however old.
        vm.warp(timeOf(TRUSTED_SLOT) + TRUSTING_PERIOD + 1);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Frozen));
    }

    // ------------------------------------------------------------------------------------------------ honest

    /// @dev Two attested headers of one slot that finalized the same, or each something else: a reorg.
    function test_honestReorgs() public {
        Scene memory one = sceneAt(380);
        Wire memory first = wireOf(one, false);
        // The same finalized header under another attested one.
        Scene memory other = sceneAt(380);
        other.attestedSlot = 378;
        _honest(bytes.concat(join(first), signed(other)));
        // Another checkpoint.
        other = sceneAt(380);
        (other.finalizedSlot, other.salt) = (355, 1);
        _honest(bytes.concat(join(first), signed(other)));
        // The same thing twice, and with the committee shown and not.
        _honest(bytes.concat(join(first), join(first)));
        one.showNext = true;
        bytes memory shown = signed(one);
        _honest(bytes.concat(join(first), shown));
        _honest(bytes.concat(shown, shown));
        // The same under other members' signatures.
        one.absent[0] = 3;
        _honest(bytes.concat(shown, signed(one)));
    }

    /// @dev Each period has its own next committee.
    function test_honestPeriods() public {
        (Scene memory one, Scene memory other) = (sceneAt(380), sceneAt(390));
        (one.showNext, other.showNext) = (true, true);
        _honest(bytes.concat(signed(one), signed(other)));
    }

    /// @dev A next committee that is not shown is nobody's word.
    function test_nextCommittee_ofOneOnly() public {
        (Scene memory one, Scene memory other) = (sceneAt(380), sceneAt(350));
        (one.showNext, other.next) = (true, keccak256("another"));
        _honest(bytes.concat(signed(one), signed(other)));
    }

    // ------------------------------------------------------------------------------------------------ not believed

    function test_INV7_forgedReports() public {
        (Scene memory one, Scene memory other) = (sceneAt(380), sceneAt(380));
        other.salt = 1;
        (bytes memory first, bytes memory second) = (signed(one), signed(other));
        // By too few.
        other.absent[0] = 0x7ff;
        _refused(bytes.concat(first, signed(other)));
        _refused(bytes.concat(signed(other), first));
        // By a committee of another time.
        other.absent[0] = 0;
        other.period = 4;
        _refused(bytes.concat(first, signed(other)));
        other = sceneAt(319);
        _refused(bytes.concat(signed(other), signed(other)));
        // With a part of one in the other.
        Wire memory w = wireOf(one, false);
        w.finalized[20] ^= 0x01;
        _refused(bytes.concat(first, join(w)));
        // Cut short, or with something left over.
        _refused(first);
        _refused(bytes.concat(first, second, hex"00"));
        _refused(bytes.concat(first, second, first));
        client.freeze(bytes.concat(first, second));
    }

    function _freezes(bytes memory data, uint64 slot) private {
        vm.expectEmit();
        emit ILightClient.FrozenByMisbehaviour(slot);
        client.freeze(data);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Frozen));
        (uint64 finalizedSlot,, bytes32 committee, bytes32 next, bool frozen) = client.trustedState();
        assertTrue(frozen);
        assertEq(finalizedSlot, TRUSTED_SLOT);
        assertEq(committee, rootOf(5));
        assertEq(next, rootOf(6));
    }

    function _honest(bytes memory data) private {
        vm.expectPartialRevert(EthereumLightClient.NoMisbehaviour.selector);
        client.freeze(data);
    }

    function _refused(bytes memory data) private {
        vm.expectRevert();
        client.freeze{gas: 1_000_000}(data);
    }
}
