// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ILightClient} from "../../../src/interfaces/ILightClient.sol";
import {Bls12381} from "../../../src/light_clients/ethereum/Bls12381.sol";
import {EthereumLightClient} from "../../../src/light_clients/ethereum/EthereumLightClient.sol";
import {EthereumParameters} from "../../../src/light_clients/ethereum/EthereumParameters.sol";
import {LightClient} from "../../../src/light_clients/shared/LightClient.sol";
import {EthereumClientTest, Scene} from "./support/EthereumClientTest.sol";

/// @title What a client can be deployed with, and who may begin anew.
/// forge-config: default.evm_version = "prague"
contract EthereumBootstrapTest is EthereumClientTest {
    bytes32 internal constant ROOT = keccak256("committee");
    bytes32 internal constant NEXT = keccak256("next committee");

    function test_deployment() public {
        EthereumParameters.Parameters memory made = parametersOf(512, 342);
        vm.expectEmit();
        emit EthereumLightClient.Bootstrapped(TRUSTED_SLOT, timeOf(TRUSTED_SLOT), ROOT, NEXT);
        EthereumLightClient client = _deploy(made);
        assertTrusted(client, TRUSTED_SLOT, ROOT, NEXT);
        assertEq(keccak256(abi.encode(client.parameters())), keccak256(abi.encode(made)));
        assertEq(client.trustingPeriod(), TRUSTING_PERIOD);
        assertEq(client.maxClockDrift(), CLOCK_DRIFT);
        assertEq(client.authority(), address(manager));
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Active));
        assertLt(address(client).code.length, 24_576);
    }

    /// @dev One fork and six, down to the fork of epoch 0 with a version of zeros.
    function test_forkTables() public {
        for (uint256 count = 1; count <= 6; ++count) {
            EthereumParameters.Parameters memory made = parametersOf(8, 6);
            made.forks = new EthereumParameters.Fork[](count);
            for (uint256 i = 0; i < count; ++i) {
                made.forks[i] = EthereumParameters.Fork(uint64(i * 3), bytes4(uint32(i)), uint8(1 + i % 4));
            }
            assertEq(keccak256(abi.encode(_deploy(made).parameters())), keccak256(abi.encode(made)));
        }
    }

    // ------------------------------------------------------------------------------------------------ what is refused

    function test_clock() public {
        for (uint256 i = 0; i < 4; ++i) {
            EthereumParameters.Parameters memory made = parametersOf(32, 22);
            if (i == 0) made.slotDurationMs = 0;
            if (i == 1) made.slotsPerEpoch = 0;
            if (i == 2) made.slotsPerPeriod = 0;
            if (i == 3) made.slotsPerPeriod = 65;
            _refused(
                made,
                abi.encodeWithSelector(
                    EthereumParameters.ClockInvalid.selector,
                    made.slotDurationMs,
                    made.slotsPerEpoch,
                    made.slotsPerPeriod
                )
            );
        }
    }

    function test_committees() public {
        uint16[2][9] memory wrong = [
            [uint16(0), 0],
            [uint16(4), 4],
            [uint16(1024), 1024],
            [uint16(31), 31],
            [uint16(33), 33],
            [uint16(32), 21],
            [uint16(512), 341],
            [uint16(32), 33],
            [uint16(8), 5]
        ];
        for (uint256 i = 0; i < 9; ++i) {
            _refused(
                parametersOf(wrong[i][0], wrong[i][1]),
                abi.encodeWithSelector(EthereumParameters.CommitteeInvalid.selector, wrong[i][0], wrong[i][1])
            );
        }
        uint16[2][5] memory right =
            [[uint16(8), 6], [uint16(32), 22], [uint16(32), 32], [uint16(512), 342], [uint16(512), 512]];
        for (uint256 i = 0; i < 5; ++i) {
            _deploy(parametersOf(right[i][0], right[i][1]));
        }
    }

    function test_forks() public {
        EthereumParameters.Parameters memory made = parametersOf(32, 22);
        made.forks[3].epoch = made.forks[2].epoch;
        _refused(made, abi.encodeWithSelector(EthereumParameters.ForkInvalid.selector, 3, 24, 4));
        made = parametersOf(32, 22);
        made.forks[1].layout = 0;
        _refused(made, abi.encodeWithSelector(EthereumParameters.ForkInvalid.selector, 1, 16, 0));
        made.forks[1].layout = 5;
        _refused(made, abi.encodeWithSelector(EthereumParameters.ForkInvalid.selector, 1, 16, 5));
        made.forks = new EthereumParameters.Fork[](0);
        _refused(made, abi.encodeWithSelector(EthereumParameters.ForkCountInvalid.selector, 0, 6));
        made.forks = new EthereumParameters.Fork[](7);
        _refused(made, abi.encodeWithSelector(EthereumParameters.ForkCountInvalid.selector, 7, 6));
    }

    function test_periods() public {
        EthereumParameters.Parameters memory made = parametersOf(32, 22);
        made.maxClockDrift = made.trustingPeriod;
        bytes4 selector = LightClient.PeriodsInvalid.selector;
        _refused(made, abi.encodeWithSelector(selector, made.trustingPeriod, made.trustingPeriod));
        (made.maxClockDrift, made.trustingPeriod) = (1, 1 << 32);
        _refused(made, abi.encodeWithSelector(selector, 1 << 32, 1));
    }

    function test_trustedState() public {
        _refusedState(TRUSTED_SLOT, 0, abi.encodeWithSelector(EthereumLightClient.CommitteeZero.selector));
        _refusedState(7, ROOT, abi.encodeWithSelector(EthereumParameters.BeforeFirstFork.selector, 7));
        uint256 most = block.timestamp + CLOCK_DRIFT;
        _refusedState(
            NOW_SLOT + 3, ROOT, abi.encodeWithSelector(LightClient.TimestampInFuture.selector, most + 6, most)
        );
        _refusedState(
            LAST,
            ROOT,
            abi.encodeWithSelector(LightClient.TimestampInFuture.selector, GENESIS + 12 * uint256(LAST), most)
        );
        vm.warp(timeOf(TRUSTED_SLOT) + TRUSTING_PERIOD + 1);
        _refusedState(
            TRUSTED_SLOT, ROOT, abi.encodeWithSelector(ILightClient.NotActive.selector, ILightClient.Status.Expired)
        );
    }

    function test_authority() public {
        EthereumParameters.Parameters memory made = parametersOf(32, 22);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedInvalidAuthority.selector, address(1)));
        this.deployClient(address(1), made, TRUSTED_SLOT, ROOT, 0);
    }

    /// @dev A chain without the precompiles answers nothing, and does not fail.
    /// forge-config: default.evm_version = "cancun"
    function test_noPrecompiles() public {
        _refused(parametersOf(32, 22), abi.encodeWithSelector(Bls12381.NoBlsPrecompiles.selector));
    }

    function test_onePrecompileIsMissing() public {
        uint160[4] memory needed = [uint160(0x0b), 0x0d, 0x0f, 0x11];
        for (uint256 i = 0; i < 4; ++i) {
            vm.mockCall(address(needed[i]), "", "");
            _refused(parametersOf(32, 22), abi.encodeWithSelector(Bls12381.NoBlsPrecompiles.selector));
            vm.clearMockedCalls();
        }
    }

    // ------------------------------------------------------------------------------------------------ anew

    function test_bootstrap() public {
        EthereumLightClient client = deploy();
        client.anchor(anchorOf(sceneAt(380)));
        (Scene memory one, Scene memory other) = (sceneAt(380), sceneAt(380));
        other.salt = 1;
        client.freeze(bytes.concat(signed(one), signed(other)));
        vm.expectEmit();
        emit EthereumLightClient.Bootstrapped(390, timeOf(390), rootOf(6), NEXT);
        client.bootstrap(390, rootOf(6), NEXT);
        assertTrusted(client, 390, rootOf(6), NEXT);
        (bytes32 root, uint64 height, uint64 timestamp) = client.anchored();
        assertEq(root, 0);
        assertEq(height, 0);
        assertEq(timestamp, 0);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Active));
        // Also backwards, and forgetting the next one.
        client.bootstrap(330, rootOf(5), 0);
        assertTrusted(client, 330, rootOf(5), 0);
        client.update(signed(sceneAt(380)));
    }

    function test_bootstrap_refused() public {
        EthereumLightClient client = deploy();
        vm.expectRevert(abi.encodeWithSelector(EthereumLightClient.CommitteeZero.selector));
        client.bootstrap(390, 0, NEXT);
        vm.prank(address(0xBAD));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, address(0xBAD)));
        client.bootstrap(390, ROOT, 0);
    }

    /// @dev In a frame of its own: a deployment that reverts in a test's own frame ends the test, and it passes.
    function deployClient(
        address authority,
        EthereumParameters.Parameters calldata made,
        uint64 slot,
        bytes32 committee,
        bytes32 next
    ) external {
        new EthereumLightClient(authority, made, slot, committee, next);
    }

    function _deploy(EthereumParameters.Parameters memory made) private returns (EthereumLightClient) {
        return new EthereumLightClient(address(manager), made, TRUSTED_SLOT, ROOT, NEXT);
    }

    function _refused(EthereumParameters.Parameters memory made, bytes memory reason) private {
        vm.expectRevert(reason);
        this.deployClient(address(manager), made, TRUSTED_SLOT, ROOT, NEXT);
    }

    function _refusedState(uint64 slot, bytes32 committee, bytes memory reason) private {
        EthereumParameters.Parameters memory made = parametersOf(32, 22);
        vm.expectRevert(reason);
        this.deployClient(address(manager), made, slot, committee, 0);
    }
}
