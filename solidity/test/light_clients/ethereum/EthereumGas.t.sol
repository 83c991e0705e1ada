// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {EthereumLightClient} from "../../../src/light_clients/ethereum/EthereumLightClient.sol";
import {EthereumClientTest, Scene} from "./support/EthereumClientTest.sol";

/// @title What the light client costs with a committee of 512, each call as a whole transaction, cold storage, Prague rules.
/// forge-config: default.isolate = true
/// forge-config: default.evm_version = "prague"
contract EthereumGasTest is EthereumClientTest {
    string internal constant GROUP = "ethereum";
    EthereumLightClient internal client;

    function setUp() public override {
        super.setUp();
        client = deployAt(TRUSTED_SLOT, 512, 342, false);
    }

    function test_gas_update_full() public {
        _update(0, false, "update 512 of 512");
    }

    function test_gas_update_99() public {
        _update(5, false, "update 507 of 512");
    }

    function test_gas_update_90() public {
        _update(51, false, "update 461 of 512");
    }

    function test_gas_update_least() public {
        _update(170, false, "update 342 of 512");
    }

    function test_gas_update_shown() public {
        _update(0, true, "update 512 of 512, next committee shown");
    }

    /// @dev In the steady state: the next committee takes the place of an older one.
    function test_gas_update_rotation() public {
        Scene memory scene = _scene(390);
        client = deployAt(TRUSTED_SLOT, 512, 342, true);
        scene.showNext = true;
        client.update(signed(scene));
        vm.snapshotGasLastCall(GROUP, "update 512 of 512, into the next period, next committee shown");
    }

    function test_gas_storageAt() public {
        Scene memory scene = _scene(380);
        bytes memory data = proof(scene);
        client.storageAt(data, ACCOUNT, SLOT);
        vm.snapshotGasLastCall(GROUP, "storageAt 512 of 512");
        _absent(scene, 5);
        data = proof(scene);
        client.storageAt(data, ACCOUNT, SLOT);
        vm.snapshotGasLastCall(GROUP, "storageAt 507 of 512");
    }

    function test_gas_anchor() public {
        bytes memory data = anchorOf(_scene(380));
        client.anchor(data);
        vm.snapshotGasLastCall(GROUP, "anchor 512 of 512");
        data = bytes.concat(hex"01", inclusion);
        client.storageAt(data, ACCOUNT, SLOT);
        vm.snapshotGasLastCall(GROUP, "storageAt anchored");
    }

    function test_gas_hashToG2() public {
        vm.snapshotValue(GROUP, "hash to G2", bls.measure(keccak256("message")));
    }

    function _update(uint256 absent, bool showNext, string memory name) private {
        Scene memory scene = _scene(380);
        _absent(scene, absent);
        scene.showNext = showNext;
        bytes memory data = signed(scene);
        client.update(data);
        vm.snapshotGasLastCall(GROUP, name);
    }

    function _scene(uint64 slot) private returns (Scene memory scene) {
        scene = sceneAt(slot);
        scene.size = 512;
        settle(scene);
    }

    /// @dev This many, scattered.
    function _absent(Scene memory scene, uint256 count) private pure {
        for (uint256 seed = 0; count > 0; ++seed) {
            uint256 index = uint256(keccak256(abi.encode("absent", seed))) % 512;
            if (isAbsent(scene.absent, index)) continue;
            scene.absent[index / 256] |= 1 << (index % 256);
            --count;
        }
    }
}
