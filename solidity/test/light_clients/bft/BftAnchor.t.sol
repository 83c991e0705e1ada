// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../../src/interfaces/ILightClient.sol";
import {BftHeader} from "../../../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../../../src/light_clients/bft/BftLightClient.sol";
import {LightClient} from "../../../src/light_clients/shared/LightClient.sol";
import {Block} from "./support/BftChain.sol";
import {BftClientTest} from "./support/BftClientTest.sol";

/// @title State roots that are stored once for many proofs, and for hubs (docs/reference/wire-formats.md §3 and §6.4).
contract BftAnchorTest is BftClientTest {
    BftHeader.Kind internal constant QBFT = BftHeader.Kind.QBFT;

    uint256[] internal keys = keysOf(1, 4);
    BftLightClient internal client;

    function setUp() public override {
        super.setUp();
        client = deploy(QBFT, keys);
    }

    function test_INV1_proofsByAnchor() public {
        Block memory b = provingBlock(QBFT, keys);
        vm.expectEmit(address(client));
        emit ILightClient.Anchored(uint64(b.number), uint64(b.timestamp), b.stateRoot);
        client.anchor(sealedBlock(b, keys, 7));

        assertProves(client, bytes.concat(hex"01", inclusion), b);
        (bytes32 value,,) = client.storageAt(bytes.concat(hex"01", exclusion), ACCOUNT, ABSENT_SLOT);
        assertEq(value, bytes32(0));
        // The trusted state did not move.
        (, uint64 height,,) = client.trustedState();
        assertEq(height, TRUSTED_HEIGHT);
    }

    /// @dev The slots are protocol: hubs prove them.
    function test_slots() public {
        Block memory b = provingBlock(QBFT, keys);
        client.anchor(sealedBlock(b, keys, 7));
        uint256 base = uint256(keccak256(abi.encode(uint256(keccak256("postroad.client.anchor")) - 1))) & ~uint256(0xff);
        assertEq(vm.load(address(client), bytes32(base)), b.stateRoot);
        assertEq(uint256(vm.load(address(client), bytes32(base + 1))), (b.number << 64) | b.timestamp);
        (bytes32 root, uint64 height, uint64 timestamp) = client.anchored();
        assertEq(root, b.stateRoot);
        assertEq(height, b.number);
        assertEq(timestamp, b.timestamp);
    }

    function test_INV1_noAnchor() public {
        assertRejected(client, bytes.concat(hex"01", inclusion), abi.encodeWithSelector(LightClient.NoAnchor.selector));
    }

    function test_INV1_otherRoot() public {
        Block memory b = provingBlock(QBFT, keys);
        b.stateRoot = keccak256("another state");
        client.anchor(sealedBlock(b, keys, 7));
        assertRejected(
            client,
            bytes.concat(hex"01", inclusion),
            abi.encodeWithSelector(LightClient.NotAnchoredRoot.selector, stateRoot, b.stateRoot)
        );
    }

    function test_leftOverBehindAnAnchoredProof() public {
        client.anchor(sealedBlock(provingBlock(QBFT, keys), keys, 7));
        assertRejected(
            client,
            bytes.concat(hex"01", inclusion, hex"00"),
            abi.encodeWithSelector(LightClient.LengthMismatch.selector, inclusion.length + 2, inclusion.length + 1)
        );
    }

    function test_heightMustRise() public {
        Block memory b = provingBlock(QBFT, keys);
        client.anchor(sealedBlock(b, keys, 7));
        for (uint256 back = 0; back < 2; ++back) {
            Block memory older = provingBlock(QBFT, keys);
            older.number -= back;
            bytes memory data = sealedBlock(older, keys, 7);
            vm.expectRevert(abi.encodeWithSelector(LightClient.HeightNotAbove.selector, older.number, b.number));
            client.anchor(data);
        }
        b.number += 1;
        b.stateRoot = keccak256("next");
        client.anchor(sealedBlock(b, keys, 7));
        (bytes32 root,,) = client.anchored();
        assertEq(root, b.stateRoot);
    }

    /// @dev An anchor is accepted like the header of a proof.
    function test_INV7_whatIsNotBelieved() public {
        Block memory b = provingBlock(QBFT, keys);
        bytes memory few = sealedBlock(b, keys, 3);
        vm.expectRevert(quorumNotReached(2, 3));
        client.anchor(few);

        uint256[] memory others = keysOf(66, 4);
        bytes memory foreign = sealedBlock(provingBlock(QBFT, others), others, 15);
        vm.expectRevert(notTrusted(others, keys));
        client.anchor(foreign);

        bytes memory long = bytes.concat(sealedBlock(b, keys, 7), hex"00");
        vm.expectRevert(abi.encodeWithSelector(LightClient.LengthMismatch.selector, long.length, long.length - 1));
        client.anchor(long);

        b.timestamp = NOW + CLOCK_DRIFT + 1;
        bytes memory early = sealedBlock(b, keys, 7);
        vm.expectRevert(abi.encodeWithSelector(LightClient.TimestampInFuture.selector, b.timestamp, NOW + CLOCK_DRIFT));
        client.anchor(early);

        vm.warp(uint256(TRUSTED_TIME) + TRUSTING_PERIOD + 1);
        vm.expectRevert(abi.encodeWithSelector(ILightClient.NotActive.selector, ILightClient.Status.Expired));
        client.anchor(early);
    }

    function test_truncatedAtEveryLength() public {
        bytes memory data = sealedBlock(provingBlock(QBFT, keys), keys, 7);
        for (uint256 length = 0; length < data.length; ++length) {
            bytes memory cut = bytes.concat(data);
            assembly ("memory-safe") {
                mstore(cut, length)
            }
            try client.anchor(cut) {
                assertTrue(false, "a truncated anchor was accepted");
            } catch {}
        }
    }
}
