// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInbox} from "../src/interfaces/IInbox.sol";
import {BatchEncoder, Sent} from "./support/BatchEncoder.sol";
import {Recorder} from "./support/Recipients.sol";
import {SealedPair} from "./support/SealedPair.sol";

/// @title INV-1 with the real light client: a message runs only if the source chain's validators sealed the head that holds it.
contract SealedDeliveryTest is SealedPair {
    Recorder internal recorder;
    Sent internal message;

    function setUp() public override {
        super.setUp();
        recorder = new Recorder();
        Sent memory sent = send(address(recorder), "sealed");
        message = sent;
    }

    function test_a_sealed_message_is_delivered() public {
        (, uint256 executed,,) = b.deliver(batchOf(idA, 0, message), proofOfA(lane, 0, honest()));
        assertEq(executed, 1);
        assertEq(recorder.received(0).payload, "sealed");
    }

    /// @dev Forged seals, too few seals, another account, another slot, another head: INV-1, INV-7.
    function test_forged_proofs_are_refused() public {
        Forgery[5] memory forgeries;
        forgeries[0].keysOfGroup = 7;
        forgeries[1].fewerSeals = 1;
        forgeries[2].account = address(b);
        forgeries[3].slot = headSlot(lane, 1);
        forgeries[4].value = keccak256("a head of my own");
        bytes memory batch = batchOf(idA, 0, message);
        for (uint256 i = 0; i < forgeries.length; ++i) {
            bytes memory proof = proofOfA(lane, 0, forgeries[i]);
            (bool ok,) = address(b).call(abi.encodeCall(b.deliver, (batch, proof)));
            assertFalse(ok);
        }
        assertEq(recorder.count(), 0);
        b.deliver(batch, proofOfA(lane, 0, honest()));
        assertEq(recorder.count(), 1);
    }

    /// @dev The proof of one chain does not serve the other, though both gateways know both lanes.
    function test_a_proof_of_the_wrong_chain_is_refused() public {
        bytes memory batch = batchOf(idA, 0, message);
        bytes memory proof = proofOfB(lane, 0, honest());
        vm.expectRevert();
        b.deliver(batch, proof);
    }

    /// @dev INV-1: a message that differs in one field from the one sent, under the proof of the one sent.
    function test_altered_messages_are_refused() public {
        bytes memory proof = proofOfA(lane, 0, honest());
        for (uint256 i = 0; i < 6; ++i) {
            Sent memory altered = message;
            Sent memory copy = Sent(
                altered.laneId,
                altered.sequence,
                altered.sender,
                altered.recipient,
                altered.gasLimit,
                altered.deadline,
                altered.fee,
                altered.payload,
                altered.leaf
            );
            if (i == 0) copy.sender = bytes32(uint256(uint160(guardian)));
            if (i == 1) copy.recipient = bytes32(uint256(uint160(guardian)));
            if (i == 2) copy.gasLimit += 1;
            if (i == 3) copy.deadline += 1;
            if (i == 4) copy.fee += 1;
            if (i == 5) copy.payload = "sealed?";
            bytes memory batch = batchOf(idA, 0, copy);
            vm.expectPartialRevert(IInbox.HeadMismatch.selector);
            b.deliver(batch, proof);
        }
        assertEq(recorder.count(), 0);
    }

    function test_an_older_head_proves_what_it_holds() public {
        bytes memory early = proofOfA(lane, 0, honest());
        Sent memory second = send(address(recorder), "later");
        (, uint256 executed,,) = b.deliver(batchOf(idA, 0, message), early);
        assertEq(executed, 1);
        bytes memory batch = batchOf(idA, keccak256(bytes.concat(bytes32(0), message.leaf)), second);
        vm.expectPartialRevert(IInbox.HeadMismatch.selector);
        b.deliver(batch, early);
        (, executed,,) = b.deliver(batch, proofOfA(lane, 0, honest()));
        assertEq(executed, 1);
    }
}
