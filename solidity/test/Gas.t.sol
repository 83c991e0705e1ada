// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Doorbell} from "../src/apps/Doorbell.sol";
import {Postbox} from "../src/apps/Postbox.sol";
import {Sent} from "./support/BatchEncoder.sol";
import {GatewayTest} from "./support/GatewayTest.sol";

/// @title What sending and delivering cost, whole transactions, with a fake light client: the protocol's own share.
/// forge-config: default.isolate = true
contract GasTest is GatewayTest {
    Doorbell internal doorbell;

    function setUp() public override {
        super.setUp();
        doorbell = new Doorbell(address(b));
        Sent[] memory first = one(send(address(doorbell), hex"01"));
        deliverAll(first);
    }

    function test_gas_send() public {
        bytes memory to = interoperable(CHAIN_B, address(doorbell));
        vm.prank(alice);
        vm.chainId(CHAIN_A);
        a.sendMessage(to, abi.encode(keccak256("a payload of 32 bytes")), none());
        vm.snapshotGasLastCall("gateway", "send");
    }

    function test_gas_deliver_1() public {
        _deliver(1, "deliver 1");
    }

    function test_gas_deliver_10() public {
        _deliver(10, "deliver 10");
    }

    function test_gas_deliver_100() public {
        _deliver(100, "deliver 100");
    }

    function test_gas_deliver_already() public {
        bytes memory batch = _deliver(100, "x");
        b.deliver(batch, "");
        vm.snapshotGasLastCall("gateway", "deliver 100 again");
    }

    function _deliver(uint256 n, string memory name) private returns (bytes memory batch) {
        bytes32 previous = a.head(lane, 0);
        Sent[] memory messages = new Sent[](n);
        for (uint256 i = 0; i < n; ++i) messages[i] = send(address(doorbell), abi.encode(keccak256(abi.encode(i))));
        prove(lane, 0);
        batch = encode(messages, previous, 0, n, type(uint256).max, plain());
        (, uint256 executed,,) = b.deliver(batch, "");
        vm.snapshotGasLastCall("gateway", name);
        assertEq(executed, n);
    }
}
