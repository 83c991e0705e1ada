// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC7786Recipient} from "@openzeppelin/contracts/crosschain/ERC7786Recipient.sol";
import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {Doorbell} from "../src/apps/Doorbell.sol";
import {Multisender} from "../src/apps/Multisender.sol";
import {PostroadRecipient} from "../src/apps/PostroadRecipient.sol";
import {Postbox} from "../src/apps/Postbox.sol";
import {Sent} from "./support/BatchEncoder.sol";
import {GatewayTest} from "./support/GatewayTest.sol";

/// @title A developer's first contract.
contract Ledger is PostroadRecipient {
    address private immutable _owner = msg.sender;
    mapping(bytes32 id => bytes) public entries;
    uint256 public lastChain;
    address public lastSender;

    constructor(IERC7786GatewaySource gateway_) PostroadRecipient(gateway_) {}

    function trust(uint256 chainId, address sender, bool trusted) external {
        require(msg.sender == _owner, "owner only");
        _trust(chainId, sender, trusted);
    }

    function write(uint256 chainId, address ledger, bytes calldata entry) external returns (bytes32) {
        return _send(chainId, ledger, entry);
    }

    function write(uint256 chainId, address ledger, bytes calldata entry, uint256 gasLimit, uint64 deadline)
        external
        returns (bytes32)
    {
        return _send(chainId, ledger, entry, gasLimit, deadline);
    }

    function _receive(bytes32 id, uint256 chainId, address sender, bytes calldata payload) internal override {
        entries[id] = payload;
        (lastChain, lastSender) = (chainId, sender);
    }
}

contract AppsTest is GatewayTest {
    function test_postbox_keeps_what_arrives() public {
        Postbox postbox = new Postbox(address(b));
        Sent memory message = send(address(postbox), "a letter");
        prove(lane, 0);
        bytes memory batch = encodeAll(one(message));
        vm.expectEmit(address(postbox));
        emit Postbox.Received(message.leaf, interoperable(CHAIN_A, alice), "a letter");
        b.deliver(batch, "");
        _onlyItsGateway(address(postbox));
    }

    function test_doorbell_rings() public {
        Doorbell doorbell = new Doorbell(address(b));
        Sent memory message = send(address(doorbell), "");
        prove(lane, 0);
        bytes memory batch = encodeAll(one(message));
        vm.expectEmit(address(doorbell));
        emit Doorbell.Rang();
        b.deliver(batch, "");
        _onlyItsGateway(address(doorbell));
    }

    function test_multisender_sends_in_one_transaction() public {
        Multisender multisender = new Multisender(a);
        bytes[] memory payloads = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) {
            payloads[i] = abi.encode(i);
        }
        bytes32[] memory ids = multisender.sendAll(interoperable(CHAIN_B, alice), payloads, gasAttribute(5));
        bytes32 last = multisender.sendCounted(interoperable(CHAIN_B, alice), 4, 1000, none());
        assertEq(a.outboundLane(lane).nextSequence, 7);
        Sent memory message = Sent(lane, 1, _word(address(multisender)), _word(alice), 5, 0, 0, abi.encode(1), 0);
        assertEq(ids[1], leafOf(message));
        message =
            Sent(lane, 6, _word(address(multisender)), _word(alice), limits.defaultGasLimit, 0, 0, abi.encode(1003), 0);
        assertEq(last, leafOf(message));
    }

    function test_a_postroad_recipient_hears_only_whom_it_trusts() public {
        Ledger there = new Ledger(b);
        Sent[] memory messages = one(send(address(there), "from alice"));
        (,, uint256 failed,) = deliverAll(messages);
        assertEq(failed, 1, "not trusted yet");
        vm.expectEmit(address(there));
        emit PostroadRecipient.SenderTrusted(CHAIN_A, alice, true);
        there.trust(CHAIN_A, alice, true);
        assertTrue(there.isTrusted(CHAIN_A, alice));
        assertFalse(there.isTrusted(CHAIN_B, alice), "an address is trusted on one chain");
        (, uint256 executed,,) = deliverAll(messages);
        assertEq(executed, 1);
        assertEq(there.entries(messages[0].leaf), "from alice");
        assertEq(there.lastChain(), CHAIN_A);
        assertEq(there.lastSender(), alice);
        _onlyItsGateway(address(there));
    }

    function test_a_postroad_recipient_sends() public {
        Ledger here = new Ledger(a);
        bytes32 first = here.write(CHAIN_B, alice, "entry");
        Sent memory message =
            Sent(lane, 0, _word(address(here)), _word(alice), limits.defaultGasLimit, 0, 0, "entry", 0);
        assertEq(first, leafOf(message));
        uint64 deadline = uint64(block.timestamp + 5);
        bytes32 second = here.write(CHAIN_B, alice, "entry", 123_456, deadline);
        message = Sent(lane, 1, _word(address(here)), _word(alice), 123_456, deadline, 0, "entry", 0);
        assertEq(second, leafOf(message));
    }

    function test_a_postroad_recipient_needs_a_gateway() public {
        vm.expectRevert(abi.encodeWithSelector(PostroadRecipient.GatewayMissing.selector));
        this.deployLedger(alice);
    }

    /// @dev In a frame of its own, as a deployment that is refused has to be (test_tooling.py).
    function deployLedger(address gateway) external {
        new Ledger(IERC7786GatewaySource(gateway));
    }

    function _onlyItsGateway(address recipient) private {
        bytes memory sender = interoperable(CHAIN_A, alice);
        vm.expectRevert(
            abi.encodeWithSelector(ERC7786Recipient.ERC7786RecipientUnauthorizedGateway.selector, address(this), sender)
        );
        ERC7786Recipient(recipient).receiveMessage(0, sender, "forged");
    }

    function _word(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }
}
