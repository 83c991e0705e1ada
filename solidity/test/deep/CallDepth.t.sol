// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInbox} from "../../src/interfaces/IInbox.sol";
import {InboxGasTest} from "../InboxGas.t.sol";
import {Sent} from "../support/BatchEncoder.sol";
import {Diver, Swallower} from "../support/Depth.sol";
import {GatewayTest} from "../support/GatewayTest.sol";

/// @title INV-2: executed means executed whole, on chains whose block gas limit makes the end of the call stack reachable.
/// @notice FOUNDRY_PROFILE=deep runs this folder, with the block gas limit that Besu's guide to free gas names.
contract CallDepthTest is GatewayTest {
    /// @dev What the contracts promise: a recipient's own calls may nest so deep.
    uint256 internal constant HEADROOM = 64;

    Swallower internal swallower;
    Diver internal diver;

    function setUp() public override {
        super.setUp();
        assertGe(block.gaslimit, 1 << 40, "run it by FOUNDRY_PROFILE=deep");
        swallower = new Swallower();
        diver = new Diver();
    }

    /// @dev The attack: a relay that calls from ever deeper. To the last frame from which it delivers, the effect is there.
    function test_INV2_whatIsDeliveredTookPlaceAtEveryDepth() public {
        bytes memory call = _delivery(HEADROOM);
        uint256 deepest = _deepest();
        uint256 state = vm.snapshotState();
        uint256 last;
        for (uint256 levels = deepest - 80; levels <= deepest; ++levels) {
            (bool ok, bytes memory answer) = _from(levels, call);
            assertEq(b.delivered(lane, 0), ok ? 1 : 0);
            assertEq(swallower.accepted(), ok ? 1 : 0);
            assertEq(swallower.booked(), ok ? 1 : 0, "delivered without its effect");
            if (ok) last = levels;
            // From the last frames nothing can be called at all, not even the light client or the gateway.
            else if (levels < deepest - 4) assertEq(answer, _tooShort());
            vm.revertToState(state);
        }
        // Two frames below the gateway's the recipient stands, HEADROOM more are its own.
        assertEq(last, deepest - 2 - HEADROOM);
    }

    /// @dev One call more than is promised, from the last depth that delivers: the test's recipient does reach the end.
    function test_theHeadroomIsNotMore() public {
        bytes memory call = _delivery(HEADROOM + 1);
        (bool ok,) = _from(_deepest() - 2 - HEADROOM, call);
        assertTrue(ok);
        assertEq(swallower.accepted(), 1);
        assertEq(swallower.booked(), 0);
    }

    /// @dev A ladder that lacks gas on any rung ends the batch as one that lacks frames does.
    function test_aLackOfGasIsNoHeadroom() public {
        bytes memory call = _delivery(1);
        uint256 state = vm.snapshotState();
        uint256 tooShort;
        for (uint256 gas = 40_000; gas < 140_000; gas += 97) {
            (bool ok, bytes memory answer) = address(b).call{gas: gas}(call);
            assertEq(swallower.booked(), ok ? 1 : 0);
            if (keccak256(answer) == keccak256(_tooShort())) ++tooShort;
            vm.revertToState(state);
        }
        assertGt(tooShort, 10);
    }

    function test_whatALadderCosts() public {
        uint256 gas = gasleft();
        (bool ok,) = address(b).call(abi.encodePacked(uint8(HEADROOM + 1)));
        gas -= gasleft();
        assertTrue(ok);
        uint256 rungs = HEADROOM + 1;
        assertLt(gas, rungs * (_priceOfCall() + 220), "what a batch pays for it");
        assertGt(gas, rungs * 100);
    }

    /// @dev 100 gas from Berlin on and 700 before it (EIP-2929, EIP-150), and some for measuring it.
    function _priceOfCall() private view returns (uint256 price) {
        price = gasleft();
        assembly ("memory-safe") {
            // The identity precompile, of no bytes.
            pop(staticcall(1000, 4, 0x00, 0x00, 0x00, 0x00))
        }
        price -= gasleft();
    }

    function _delivery(uint256 calls) private returns (bytes memory) {
        Sent[] memory sent = one(send(address(swallower), abi.encode(calls), gasAttribute(3_000_000)));
        prove(lane, 0);
        return abi.encodeCall(b.deliver, (encodeAll(sent), ""));
    }

    function _from(uint256 levels, bytes memory call) private returns (bool, bytes memory) {
        return address(diver).call(abi.encodeCall(Diver.dive, (levels, address(b), call)));
    }

    /// @dev The greatest depth from which the gateway answers anything.
    function _deepest() private returns (uint256 levels) {
        levels = 1024;
        bytes memory call = abi.encodeCall(b.endpointId, ());
        for (bool ok = false; !ok;) {
            (ok,) = _from(--levels, call);
        }
        assertGt(levels, 1_000);
    }

    function _tooShort() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IInbox.CallStackTooShort.selector, HEADROOM);
    }
}

/// @title Under-gassed relays where the ladder is climbed.
contract DeepInboxGasTest is InboxGasTest {}
