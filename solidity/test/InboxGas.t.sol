// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInbox} from "../src/interfaces/IInbox.sol";
import {BatchEncoder, Sent} from "./support/BatchEncoder.sol";
import {GatewayTest} from "./support/GatewayTest.sol";
import {Burner, Hostile, Recorder} from "./support/Recipients.sol";
import {Vm} from "./support/Vm.sol";

/// @title Under-gassed relays: a delivery either reverts whole or gives each recipient at least its gas limit.
/// @notice The recipient burns as much as it was promised and then accepts, so that it fails exactly when it was starved.
contract InboxGasTest is GatewayTest {
    Burner internal burner;
    /// @dev What a burner needs beside what it burns: decoding, its own storage word, returning.
    uint256 internal constant OWN = 25_000;

    function setUp() public override {
        super.setUp();
        burner = Burner(deployed("Burner"));
    }

    function test_every_gas_between_nothing_and_enough_one_message() public {
        _search(1, 100_000, 150);
    }

    function test_every_gas_between_nothing_and_enough_large_gas_limit() public {
        _search(1, 3_000_000, 150);
    }

    function test_every_gas_between_nothing_and_enough_batch() public {
        _search(4, 300_000, 300);
    }

    /// @dev Unit by unit around the boundary between whole revert and success, where the frame's own costs weigh most: a
    /// small gas limit, a recipient not touched before; and where EIP-150's 64th part does, a large one.
    function test_the_boundary_itself() public {
        _boundaryOf(address(burner), 2_000, 400);
        _boundaryOf(address(burner), 200_000, 400);
        _boundaryOf(address(burner), 3_000_000, 20);
    }

    /// @dev The same for an account that delegates its code (EIP-7702): a call to it touches two accounts.
    /// forge-config: default.evm_version = "prague"
    function test_the_boundary_with_a_delegated_account() public {
        address account = makeAddr("an account with a delegate");
        vm.etch(account, abi.encodePacked(hex"ef0100", address(burner)));
        _boundaryOf(account, 2_000, 400);
    }

    function testFuzz_no_message_fails_for_lack_of_gas(uint256 burn, uint256 gas, uint32 extraGas, bool cold) public {
        burn = bound(burn, 0, 1_000_000);
        gas = bound(gas, 30_000, 4_000_000);
        extraGas = uint32(bound(extraGas, 0, 500_000));
        Sent[] memory messages = new Sent[](2);
        messages[0] = _message(burn);
        messages[1] = _message(burn / 2);
        prove(lane, 0);
        BatchEncoder.Options memory options = BatchEncoder.Options({extraGas: extraGas, spellOut: false, wide: false});
        bytes memory call = abi.encodeCall(b.deliver, (encode(messages, 0, 0, 2, 3, options), ""));
        if (cold) vm.cool(address(burner));
        (bool ok, uint256 executed, uint256 failed) = _attempt(call, gas);
        assertEq(failed, 0);
        assertEq(executed, ok ? 2 : 0);
        assertEq(b.delivered(lane, 0), ok ? 3 : 0);
    }

    /// @dev A recipient that burns all it gets fails, whatever the relay's gas, but only once it got its share.
    function test_a_recipient_that_burns_everything_fails_fairly() public {
        Hostile hostile = new Hostile();
        Sent[] memory messages = new Sent[](2);
        messages[0] = send(address(hostile), abi.encode(Hostile.Way.BurnAll), gasAttribute(500_000));
        messages[1] = _message(1000);
        prove(lane, 0);
        bytes memory call = abi.encodeCall(b.deliver, (encodeAll(messages), ""));
        uint256 state = vm.snapshotState();
        uint256 succeeded;
        for (uint256 gas = 100_000; gas < 1_100_000; gas += 7_919) {
            (bool ok, uint256 executed, uint256 failed) = _attempt(call, gas);
            if (ok) {
                ++succeeded;
                assertGt(gas, 500_000, "it had its gas");
                assertEq(executed, 1);
                assertEq(failed, 1);
            }
            vm.revertToState(state);
        }
        assertGt(succeeded, 10);
    }

    function test_the_error_says_what_is_missing() public {
        Sent[] memory messages = new Sent[](1);
        messages[0] = _message(1_000_000);
        prove(lane, 0);
        bytes memory call = abi.encodeCall(b.deliver, (encodeAll(messages), ""));
        (bool ok, bytes memory answer) = address(b).call{gas: 700_000}(call);
        assertFalse(ok);
        assertEq(bytes4(answer), IInbox.InsufficientGas.selector);
        (uint256 found, uint256 needed) = this.decode(answer);
        assertLt(found, 700_000);
        // The whole reserve: part of it is a margin for prices to come, whose loss no recipient would notice today.
        assertEq(needed, uint256(1_000_000 + OWN) * 64 / 63 + 10_000);
    }

    function decode(bytes calldata answer) external pure returns (uint256, uint256) {
        return abi.decode(answer[4:], (uint256, uint256));
    }

    /// @dev The smallest gas limits, where the frame's own costs matter most.
    function testFuzz_tiny_gas_limits(uint16 gasLimit, uint256 gas) public {
        Recorder recorder = new Recorder();
        Sent[] memory messages = one(send(address(recorder), "x", gasAttribute(gasLimit)));
        prove(lane, 0);
        gas = bound(gas, 20_000, 300_000);
        (bool ok, uint256 executed, uint256 failed) =
            _attempt(abi.encodeCall(b.deliver, (encodeAll(messages), "")), gas);
        // The recorder needs more than 65,535: fairly given, it fails; it never counts as executed.
        assertEq(executed, 0);
        assertEq(failed, ok ? 1 : 0);
    }

    function _message(uint256 burn) private returns (Sent memory) {
        return send(address(burner), abi.encode(burn), gasAttribute(burn + OWN));
    }

    function _search(uint256 n, uint256 burn, uint256 steps) private {
        (bytes memory call, uint256 low, uint256 high) = _boundary(n, burn);
        uint256 state = vm.snapshotState();
        uint256 reverted;
        uint256 delivered;
        for (uint256 i = 0; i < steps; ++i) {
            uint256 gas = 5_000 + i * (high * 11 / 10 - 5_000) / steps;
            _attemptWhole(call, gas, n) ? ++delivered : ++reverted;
            vm.revertToState(state);
        }
        assertGt(reverted, 3, "the range begins below the boundary");
        assertGt(delivered, 3, "and ends above it");
        assertGt(low, n * burn, "nobody was given less than promised");
    }

    /// @dev All n messages are executed, or the whole call reverts.
    function _attemptWhole(bytes memory call, uint256 gas, uint256 n) private returns (bool ok) {
        uint256 executed;
        uint256 failed;
        (ok, executed, failed) = _attempt(call, gas);
        assertEq(failed, 0, "never failed for lack of gas");
        assertEq(executed, ok ? n : 0);
        assertEq(b.delivered(lane, 0), ok ? (1 << n) - 1 : 0);
    }

    function _boundaryOf(address recipient, uint256 burn, uint256 width) private {
        uint256 before = vm.snapshotState();
        Sent[] memory messages = one(send(recipient, abi.encode(burn), gasAttribute(burn + OWN)));
        prove(lane, 0);
        bytes memory call = abi.encodeCall(b.deliver, (encodeAll(messages), ""));
        uint256 state = vm.snapshotState();
        (bool ok, uint256 executed, uint256 failed) = _attemptCold(recipient, call, 10_000_000);
        uint256 given = Burner(recipient).gasAtEntry();
        assertEq(executed, 1);
        assertGt(given, burn + OWN - 500);
        vm.revertToState(state);

        uint256 least = _leastCold(recipient, call);
        for (uint256 gas = least - 1 - width; gas < least - 1 + width; ++gas) {
            (ok, executed, failed) = _attemptCold(recipient, call, gas);
            assertEq(failed, 0, "never failed for lack of gas");
            assertEq(executed, ok ? 1 : 0);
            if (ok) assertEq(Burner(recipient).gasAtEntry(), given, "to the unit of gas what a rich relay gives");
            vm.revertToState(state);
        }
        vm.revertToState(before);
    }

    /// @dev The least gas that delivers, by halving.
    function _leastCold(address recipient, bytes memory call) private returns (uint256 least) {
        uint256 state = vm.snapshotState();
        uint256 tooLittle = 0;
        least = 10_000_000;
        while (least - tooLittle > 1) {
            uint256 middle = (tooLittle + least) / 2;
            (bool ok,,) = _attemptCold(recipient, call, middle);
            if (ok) least = middle;
            else tooLittle = middle;
            vm.revertToState(state);
        }
    }

    function _attemptCold(address recipient, bytes memory call, uint256 gas) private returns (bool, uint256, uint256) {
        vm.cool(recipient);
        vm.cool(address(burner));
        return _attempt(call, gas);
    }

    /// @dev The least gas that delivers, by halving: `low` fails or is it, `high` delivers.
    function _boundary(uint256 n, uint256 burn) private returns (bytes memory call, uint256 low, uint256 high) {
        Sent[] memory messages = new Sent[](n);
        for (uint256 i = 0; i < n; ++i) {
            messages[i] = _message(burn);
        }
        prove(lane, 0);
        call = abi.encodeCall(b.deliver, (encodeAll(messages), ""));
        high = n * (burn + OWN) * 2 + 500_000;
        uint256 state = vm.snapshotState();
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            (bool ok,,) = _attempt(call, middle);
            if (ok) high = middle;
            else low = middle;
            vm.revertToState(state);
        }
    }

    function _attempt(bytes memory call, uint256 gas) private returns (bool ok, uint256 executed, uint256 failed) {
        bytes memory answer;
        (ok, answer) = address(b).call{gas: gas}(call);
        if (ok) (, executed, failed,) = abi.decode(answer, (IInbox.Outcome, uint256, uint256, uint256));
    }
}
