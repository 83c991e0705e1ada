// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Doorbell} from "../src/apps/Doorbell.sol";
import {Postbox} from "../src/apps/Postbox.sol";
import {Sent} from "./support/BatchEncoder.sol";
import {GatewayTest} from "./support/GatewayTest.sol";

/// @title What sending and delivering cost, whole transactions: calldata, cold storage and the base of 21,000 included.
/// @notice The light client is the fake one, at about 9,600 a delivery, so that these figures guard the gateway's own share;
/// `make gas` measures whole deliveries on anvil with the real client and real proofs.
/// forge-config: default.isolate = true
contract GasTest is GatewayTest {
    string internal constant GROUP = "gateway";
    bytes32 internal constant CHANNEL = keccak256("customs");

    Doorbell internal doorbell;

    function setUp() public override {
        super.setUp();
        doorbell = new Doorbell(address(b));
        // The lane is in use, and the page's word is not zero.
        deliverAll(one(send(address(doorbell), hex"01")));
    }

    function test_gas_send() public {
        _send(none(), "send");
    }

    function test_gas_send_with_gas_limit_and_deadline() public {
        bytes[] memory attributes = new bytes[](2);
        attributes[0] = gasAttribute(100_000)[0];
        attributes[1] = deadlineAttribute(uint64(block.timestamp + 600))[0];
        _send(attributes, "send, gas limit and deadline");
    }

    function test_gas_send_on_a_channel() public {
        vm.startPrank(opener);
        bytes32 channelLane = a.openChannel(idB, CHANNEL, 0, limits, opener);
        a.allowSender(channelLane, alice, true);
        vm.stopPrank();
        send(address(doorbell), "first", channelAttribute(CHANNEL));
        _send(channelAttribute(CHANNEL), "send on a channel");
    }

    function test_gas_deliver_1() public {
        _deliver(address(doorbell), 1, 0, "deliver 1");
    }

    function test_gas_deliver_10() public {
        _deliver(address(doorbell), 10, 0, "deliver 10");
    }

    function test_gas_deliver_100() public {
        _deliver(address(doorbell), 100, 0, "deliver 100");
    }

    function test_gas_deliver_1_ahead_of_15_others() public {
        _deliver(address(doorbell), 1, 15, "deliver 1, tail of 15");
    }

    function test_gas_deliver_10_to_a_postbox() public {
        _deliver(address(new Postbox(address(b))), 10, 0, "deliver 10 to a postbox");
    }

    function test_gas_deliver_100_again() public {
        bytes memory batch = _deliver(address(doorbell), 100, 0, "");
        b.deliver(batch, "");
        vm.snapshotGasLastCall(GROUP, "deliver 100 again");
    }

    function _send(bytes[] memory attributes, string memory name) private {
        bytes memory to = interoperable(CHAIN_B, address(doorbell));
        vm.prank(alice);
        a.sendMessage(to, abi.encode(keccak256("a payload of 32 bytes")), attributes);
        vm.snapshotGasLastCall(GROUP, name);
    }

    function _deliver(address recipient, uint256 n, uint256 tail, string memory name)
        private
        returns (bytes memory batch)
    {
        bytes32 previous = a.head(lane, 0);
        Sent[] memory messages = new Sent[](n + tail);
        for (uint256 i = 0; i < n + tail; ++i) {
            messages[i] = send(recipient, abi.encode(keccak256(abi.encode(i))));
        }
        prove(lane, 0);
        batch = encode(messages, previous, 0, n, type(uint256).max, plain());
        (, uint256 executed,,) = b.deliver(batch, "");
        if (bytes(name).length != 0) vm.snapshotGasLastCall(GROUP, name);
        assertEq(executed, n);
    }
}
