// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInbox} from "../src/interfaces/IInbox.sol";
import {BatchEncoder, Sent} from "./support/BatchEncoder.sol";
import {FakeLightClient} from "./support/FakeLightClient.sol";
import {GatewayTest} from "./support/GatewayTest.sol";
import {Recorder} from "./support/Recipients.sol";

/// @title INV-1 at the byte: what batches can say, what is rejected, and that no damage makes a message that was not sent.
contract InboxBatchTest is GatewayTest {
    Recorder[3] internal recorders;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 3; ++i) {
            recorders[i] = new Recorder();
        }
    }

    // Encodings

    /// @dev Every way to write the same batch delivers the same messages.
    function testFuzz_all_encodings_of_a_batch_deliver_it(uint256 seed, bool spellOut, bool wide, uint32 extraGas)
        public
    {
        Sent[] memory messages = _sendMixed(seed, 6);
        prove(lane, 0);
        extraGas = uint32(bound(extraGas, 0, 1_000_000));
        uint256 full = uint256(keccak256(abi.encode(seed))) % 63 + 1;
        BatchEncoder.Options memory options = BatchEncoder.Options({extraGas: extraGas, spellOut: spellOut, wide: wide});
        (, uint256 executed, uint256 failed,) = b.deliver(encode(messages, 0, 0, 6, full, options), "");
        assertEq(failed, 0);
        assertEq(b.delivered(lane, 0), full);
        uint256 bits;
        for (uint256 i = 0; i < 6; ++i) {
            if (full >> i & 1 == 0) continue;
            ++bits;
            Recorder recorder = Recorder(address(uint160(uint256(messages[i].recipient))));
            assertEq(recorder.times(messages[i].leaf), 1);
        }
        assertEq(executed, bits);
        _requireOnlySent(messages);
    }

    /// @dev Fields that a gateway of today leaves 0 are hashed all the same.
    function test_fees_and_wide_accounts_are_part_of_the_leaf() public {
        Sent[] memory messages = new Sent[](3);
        bytes32 to = bytes32(uint256(uint160(address(recorders[0]))));
        messages[0] = Sent(lane, 0, bytes32(type(uint256).max), to, 1_000_000, 0, type(uint128).max, "x", 0);
        messages[1] = Sent(lane, 1, bytes32(type(uint256).max), to, 1_000_000, type(uint64).max, 5, "y", 0);
        messages[2] = Sent(lane, 2, bytes32(uint256(1)), to, type(uint32).max, 0, 0, "z", 0);
        bytes32 head;
        for (uint256 i = 0; i < 3; ++i) {
            messages[i].leaf = leafOf(messages[i]);
            head = keccak256(bytes.concat(head, messages[i].leaf));
        }
        clientOfA.set(address(a), headSlot(lane, 0), head);
        (, uint256 executed,,) = b.deliver(encode(messages, 0, 0, 2, 3, plain()), "");
        assertEq(executed, 2);
    }

    function test_empty_and_long_payloads() public {
        Sent[] memory messages = new Sent[](4);
        messages[0] = send(address(recorders[0]), "");
        messages[1] = send(address(recorders[0]), _bytes(1, 4_000), gasAttribute(5_000_000));
        messages[2] = send(address(recorders[0]), _bytes(2, 3));
        messages[3] = send(address(recorders[0]), _bytes(3, 33));
        (, uint256 executed,,) = deliverAll(messages);
        assertEq(executed, 4);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(recorders[0].received(i).payload, messages[i].payload);
        }
    }

    /// @dev The recipient's call data is canonical ABI, to its last padding byte, whatever came before in the same memory.
    function test_call_data_is_canonical() public {
        Sent[] memory messages = new Sent[](6);
        RawRecorder raw = new RawRecorder();
        for (uint256 i = 0; i < 6; ++i) {
            messages[i] = send(address(raw), _bytes(i, 70 - 11 * i), gasAttribute(2_000_000));
        }
        deliverAll(messages);
        bytes memory sender = interoperable(CHAIN_A, alice);
        for (uint256 i = 0; i < 6; ++i) {
            assertEq(
                raw.data(i),
                abi.encodeWithSignature(
                    "receiveMessage(bytes32,bytes,bytes)", messages[i].leaf, sender, messages[i].payload
                )
            );
        }
    }

    /// @dev The same for senders of 32 bytes, whose padding begins anywhere in a word, after a proof of ones that the memory held
    /// before.
    function test_call_data_is_canonical_with_senders_of_32_bytes() public {
        bytes memory ones = new bytes(1_024);
        for (uint256 i = 0; i < ones.length; ++i) {
            ones[i] = 0xff;
        }
        RawRecorder raw = new RawRecorder();
        for (uint256 length = 1; length <= 34; ++length) {
            bytes memory part = abi.encodePacked(bytes4(0x00010077), uint8(length), new bytes(length));
            FakeLightClient client = FakeLightClient(deployed("FakeLightClient"));
            bytes32 id = b.registerRemote(abi.encodePacked(part, uint8(20), address(a)), GENESIS_A, client, limits);
            Sent memory message;
            message.laneId = b.inboundLaneId(id, 0, 0);
            message.sender = bytes32(type(uint256).max);
            message.recipient = bytes32(uint256(uint160(address(raw))));
            message.gasLimit = 2_000_000;
            message.payload = hex"ffff";
            message.leaf = leafOf(message);
            client.set(address(a), headSlot(message.laneId, 0), keccak256(bytes.concat(bytes32(0), message.leaf)));
            b.deliver(
                bytes.concat(
                    BatchEncoder.prologue(id, 0, 0, 0, 0, 0, 1), BatchEncoder.items(one(message), 0, 1, 1, plain())
                ),
                ones
            );
            bytes memory sender = abi.encodePacked(part, uint8(32), message.sender);
            assertEq(
                raw.data(length - 1),
                abi.encodeWithSignature("receiveMessage(bytes32,bytes,bytes)", message.leaf, sender, message.payload)
            );
        }
    }

    // Malformed batches, each with the offset of the trouble

    function test_malformed_starts() public {
        bytes memory item = BatchEncoder.leafItem(0);
        for (uint256 length = 0; length < 79; ++length) {
            _malformed(new bytes(length), length);
        }
        for (uint256 kind = 2; kind < 256; kind += 23) {
            _malformed(abi.encodePacked(idA, uint8(kind), new bytes(100)), 32);
        }
        // A channel that is the public lane's.
        _malformed(
            abi.encodePacked(idA, uint8(1), bytes32(0), uint8(0), bytes32(0), uint64(0), uint32(0), uint16(1), item), 33
        );
        // Too short for a channel.
        for (uint256 length = 79; length < 112; ++length) {
            bytes memory short = new bytes(length);
            short[32] = 0x01;
            _malformed(short, length);
        }
        // No items.
        _malformed(bytes.concat(BatchEncoder.prologue(idA, 0, 0, 0, 0, 0, 0), item), 77);
        _malformed(bytes.concat(BatchEncoder.prologue(idA, "c", 0, 0, 0, 0, 0), item), 110);
    }

    function test_malformed_tags() public {
        Sent[] memory messages = one(send(address(recorders[0]), "x"));
        prove(lane, 0);
        bytes memory good = encodeAll(messages);
        for (uint256 tag = 0; tag < 256; ++tag) {
            bytes memory bad = bytes.concat(good);
            bad[79] = bytes1(uint8(tag));
            if (tag == uint8(good[79])) continue;
            bool wellFormed = tag >= 0x80 && tag & 3 != 3 && tag & 12 != 12 && tag & 3 != 0 && tag & 12 != 0;
            (bool ok, bytes memory answer) = address(b).call(abi.encodeCall(b.deliver, (bad, "")));
            assertFalse(ok);
            if (!wellFormed && tag != 0) {
                assertEq(answer, abi.encodeWithSelector(IInbox.MalformedBatch.selector, 79));
            }
        }
        (, uint256 executed,,) = b.deliver(good, "");
        assertEq(executed, 1);
    }

    /// @dev With as many bytes as a third kind would take, were it read as the two are.
    function test_accounts_are_of_two_kinds() public {
        prove(lane, 0);
        bytes memory prologue = BatchEncoder.prologue(idA, 0, 0, 0, 0, 0, 1);
        bytes memory rest = abi.encodePacked(uint24(1), "x");
        _malformed(bytes.concat(prologue, hex"87", new bytes(44), bytes20(alice), rest), 79);
        _malformed(bytes.concat(prologue, hex"8d", bytes20(alice), new bytes(44), rest), 79);
        _malformed(bytes.concat(prologue, hex"8f", new bytes(88), rest), 79);
    }

    function test_a_first_full_item_needs_sender_and_recipient() public {
        Sent[] memory messages = new Sent[](2);
        messages[0] = send(address(recorders[0]), "x");
        messages[1] = send(address(recorders[0]), "y");
        prove(lane, 0);
        // Behind a leaf it is still the first full one.
        bytes memory items =
            bytes.concat(BatchEncoder.leafItem(messages[0].leaf), abi.encodePacked(uint8(0x80), uint24(1), "y"));
        _malformed(bytes.concat(BatchEncoder.prologue(idA, 0, 0, 0, 0, 0, 2), items), 79 + 33);
        items =
            bytes.concat(BatchEncoder.leafItem(messages[0].leaf), abi.encodePacked(uint8(0x81), alice, uint24(1), "y"));
        _malformed(bytes.concat(BatchEncoder.prologue(idA, 0, 0, 0, 0, 0, 2), items), 79 + 33);
    }

    function test_a_batch_without_a_full_message() public {
        Sent[] memory messages = new Sent[](2);
        messages[0] = send(address(recorders[0]), "x");
        messages[1] = send(address(recorders[0]), "y");
        prove(lane, 0);
        _malformed(encode(messages, 0, 0, 2, 0, plain()), 79);
    }

    function test_tails_are_whole_leaves() public {
        Sent[] memory messages = one(send(address(recorders[0]), "x"));
        prove(lane, 0);
        bytes memory good = encodeAll(messages);
        for (uint256 extra = 1; extra < 32; ++extra) {
            _malformed(bytes.concat(good, new bytes(extra)), good.length);
        }
        vm.expectPartialRevert(IInbox.HeadMismatch.selector);
        b.deliver(bytes.concat(good, bytes32(0)), "");
    }

    function test_sequences_end_at_64_bits() public {
        Sent memory message = Sent(
            lane,
            type(uint64).max,
            bytes32(uint256(1)),
            bytes32(uint256(uint160(address(recorders[0])))),
            1_000_000,
            0,
            0,
            "x",
            0
        );
        message.leaf = leafOf(message);
        bytes32 head = keccak256(bytes.concat(bytes32(0), message.leaf));
        clientOfA.set(address(a), headSlot(lane, type(uint64).max >> 8), head);
        bytes memory item = BatchEncoder.items(one(message), 0, 1, 1, plain());
        bytes memory good = bytes.concat(BatchEncoder.prologue(idA, 0, 0, 0, type(uint64).max, 0, 1), item);
        _malformed(bytes.concat(good, bytes32(0)), good.length + 32);
        bytes memory two =
            bytes.concat(BatchEncoder.prologue(idA, 0, 0, 0, type(uint64).max, 0, 2), item, BatchEncoder.leafItem(0));
        _malformed(two, two.length);
        (, uint256 executed,,) = b.deliver(good, "");
        assertEq(executed, 1);
        assertTrue(b.isDelivered(lane, type(uint64).max));
    }

    /// @dev Cut anywhere, a batch delivers nothing.
    function test_every_truncation_is_refused() public {
        Sent[] memory messages = _sendMixed(7, 5);
        prove(lane, 0);
        bytes memory good = encode(messages, 0, 0, 4, 15, plain());
        for (uint256 length = 0; length < good.length; ++length) {
            bytes memory cut = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                cut[i] = good[i];
            }
            (bool ok,) = address(b).call(abi.encodeCall(b.deliver, (cut, "")));
            assertFalse(ok);
        }
        (, uint256 executed,,) = b.deliver(good, "");
        assertEq(executed, 4);
    }

    /// @dev The proof's bytes follow the batch's in the call: they are never read as part of it.
    function test_a_batch_does_not_run_on_into_the_proof() public {
        Sent[] memory messages = new Sent[](2);
        messages[0] = send(address(recorders[0]), "x");
        messages[1] = send(address(recorders[0]), "y");
        prove(lane, 0);
        bytes memory good = encodeAll(messages);
        uint256 second = good.length - 5;
        bytes memory cut = new bytes(second);
        for (uint256 i = 0; i < second; ++i) {
            cut[i] = good[i];
        }
        // Calldata laid out by hand: behind the batch at once the bytes that would complete it, then the proof.
        bytes memory call = abi.encodePacked(
            IInbox.deliver.selector, uint256(64), uint256(96 + second + 5), second, cut, hex"8000000179", uint256(0)
        );
        (bool ok, bytes memory answer) = address(b).call(call);
        assertFalse(ok);
        assertEq(answer, abi.encodeWithSelector(IInbox.MalformedBatch.selector, second));
        // A leaf that reaches over the end likewise: without its last 32 bytes, and without any.
        bytes memory full = bytes.concat(
            BatchEncoder.prologue(idA, 0, 0, 0, 0, 0, 2),
            BatchEncoder.fullItem(messages[0], messages[0], false, plain())
        );
        bytes memory leaf = BatchEncoder.leafItem(messages[1].leaf);
        for (uint256 kept = 0; kept < 2; ++kept) {
            uint256 length = full.length + kept;
            call = abi.encodePacked(
                IInbox.deliver.selector, uint256(64), uint256(96 + full.length + 33), length, full, leaf, uint256(0)
            );
            (ok, answer) = address(b).call(call);
            assertFalse(ok);
            assertEq(answer, abi.encodeWithSelector(IInbox.MalformedBatch.selector, full.length));
        }
    }

    /// @dev What an item leaves out is as in the one before, from zero on: never as in one behind it.
    function test_nothing_is_carried_back() public {
        Sent[] memory messages = new Sent[](2);
        bytes32 to = bytes32(uint256(uint160(address(recorders[0]))));
        messages[0] = Sent(lane, 0, bytes32(uint256(1)), to, 0, 0, 0, "x", 0);
        messages[1] = Sent(lane, 1, bytes32(uint256(1)), to, 50_000_000, uint64(block.timestamp - 1), 7, "y", 0);
        bytes32 head;
        for (uint256 i = 0; i < 2; ++i) {
            messages[i].leaf = leafOf(messages[i]);
            head = keccak256(bytes.concat(head, messages[i].leaf));
        }
        clientOfA.set(address(a), headSlot(lane, 0), head);
        BatchEncoder.Options memory options = BatchEncoder.Options({extraGas: 900_000, spellOut: false, wide: false});
        (, uint256 executed,, uint256 expired) = b.deliver{gas: 3_000_000}(encode(messages, 0, 0, 2, 3, options), "");
        assertEq(executed, 1, "the first has no deadline");
        assertEq(expired, 1);
        assertLe(recorders[0].received(0).gasAtEntry, 900_000, "nor a gas limit");
    }

    // Damage

    /// @dev INV-1: whatever bytes are changed, what runs was sent, unaltered, and runs once.
    function testFuzz_damaged_batches_never_run_what_was_not_sent(uint256 seed) public {
        Sent[] memory messages = _sendMixed(seed, 6);
        prove(lane, 0);
        uint256 full = seed % 63 + 1;
        BatchEncoder.Options memory options =
            BatchEncoder.Options({extraGas: 0, spellOut: seed & 64 != 0, wide: seed & 128 != 0});
        bytes memory good = encode(messages, 0, 0, 5, full, options);
        for (uint256 round = 0; round < 40; ++round) {
            bytes memory bad = bytes.concat(good);
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 changes = 1 + seed % 3;
            for (uint256 i = 0; i < changes; ++i) {
                seed = uint256(keccak256(abi.encode(seed)));
                bad[seed % bad.length] = bytes1(uint8(seed >> 128));
            }
            uint256 before = b.delivered(lane, 0);
            (bool ok,) = address(b).call{gas: 30_000_000}(abi.encodeCall(b.deliver, (bad, "")));
            if (!ok) assertEq(b.delivered(lane, 0), before, "all or nothing");
            _requireOnlySent(messages);
        }
    }

    /// @dev Sequences, previous heads and counts of one's own choosing lead nowhere.
    function testFuzz_invented_batches_are_refused(bytes32 previous, uint64 first, uint16 items, bytes calldata rest)
        public
    {
        Sent[] memory messages = _sendMixed(3, 4);
        prove(lane, 0);
        bytes memory invented = bytes.concat(BatchEncoder.prologue(idA, 0, 0, previous, first, 0, items), rest);
        (bool ok,) = address(b).call{gas: 30_000_000}(abi.encodeCall(b.deliver, (invented, "")));
        assertFalse(ok);
        _requireOnlySent(messages);
    }

    /// @dev The same messages under other numbers: the sequence is in the leaf.
    function test_messages_cannot_be_renumbered() public {
        Sent[] memory messages = new Sent[](2);
        messages[0] = send(address(recorders[0]), "x");
        messages[1] = send(address(recorders[0]), "y");
        prove(lane, 0);
        bytes memory items = BatchEncoder.items(messages, 0, 2, 3, plain());
        for (uint64 first = 1; first < 5; ++first) {
            vm.expectPartialRevert(IInbox.HeadMismatch.selector);
            b.deliver(bytes.concat(BatchEncoder.prologue(idA, 0, 0, 0, first, 0, 2), items), "");
        }
    }

    function _requireOnlySent(Sent[] memory messages) private view {
        for (uint256 r = 0; r < 3; ++r) {
            for (uint256 i = 0; i < recorders[r].count(); ++i) {
                Recorder.Received memory found = recorders[r].received(i);
                uint256 matches = 0;
                for (uint256 m = 0; m < messages.length; ++m) {
                    if (messages[m].leaf != found.id) continue;
                    ++matches;
                    assertEq(found.payload, messages[m].payload);
                    assertEq(found.sender, interoperable(CHAIN_A, address(uint160(uint256(messages[m].sender)))));
                    assertEq(address(recorders[r]), address(uint160(uint256(messages[m].recipient))));
                }
                assertEq(matches, 1, "it was sent");
                assertEq(recorders[r].times(found.id), 1, "it ran once");
            }
        }
    }

    function _sendMixed(uint256 seed, uint256 n) private returns (Sent[] memory messages) {
        messages = new Sent[](n);
        for (uint256 i = 0; i < n; ++i) {
            seed = uint256(keccak256(abi.encode(seed, i)));
            bytes[] memory attributes = new bytes[](seed % 3);
            if (attributes.length > 0) {
                attributes[0] = abi.encodeWithSignature("minGasLimit(uint256)", 1_500_000 + (seed >> 8) % 1000);
            }
            if (attributes.length > 1) {
                attributes[1] = abi.encodeWithSignature("deadline(uint64)", block.timestamp + (seed >> 16) % 1000);
            }
            if (attributes.length == 0) attributes = gasAttribute(1_500_000);
            messages[i] = sendFrom(
                (seed >> 24) & 1 == 0 ? alice : opener,
                address(recorders[(seed >> 32) % 3]),
                _bytes(seed, (seed >> 40) % 100),
                attributes
            );
        }
    }

    function _bytes(uint256 seed, uint256 length) private pure returns (bytes memory data) {
        data = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            data[i] = bytes1(uint8(uint256(keccak256(abi.encode(seed, i)))));
        }
    }

    function _malformed(bytes memory batch, uint256 offset) private {
        vm.expectRevert(abi.encodeWithSelector(IInbox.MalformedBatch.selector, offset));
        b.deliver(batch, "");
    }
}

/// @title Keeps the call's data as it came.
contract RawRecorder {
    bytes[] public data;

    fallback(bytes calldata call) external returns (bytes memory) {
        data.push(call);
        return abi.encode(bytes4(0x2432ef26));
    }
}
