// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IOutbox} from "../src/interfaces/IOutbox.sol";
import {CanonicalAddress} from "../src/libraries/CanonicalAddress.sol";
import {Lanes} from "../src/libraries/Lanes.sol";
import {LaneWord, LaneWords} from "../src/libraries/LaneWord.sol";
import {Test} from "./support/Test.sol";

/// @title The pure parts against slow, obvious twins.
contract LibrariesTest is Test {
    function read(bytes calldata interoperable) external pure returns (bool, uint256, uint256, bytes32) {
        return CanonicalAddress.read(interoperable);
    }

    function withLimits(LaneWord word, IOutbox.Limits calldata limits) external pure returns (LaneWord) {
        return word.withLimits(limits);
    }

    function test_namespaces_are_erc7201() public pure {
        assertEq(Lanes.HEADS, _base("postroad.outbox.heads"));
        assertEq(Lanes.DELIVERED, _base("postroad.inbox.delivered"));
        assertEq(Lanes.EXPIRED, _base("postroad.outbox.expired"));
    }

    function testFuzz_lane_ids_and_slots_are_abi_encoded(
        bytes32 source,
        bytes32 destination,
        bytes32 channel,
        uint8 flags,
        uint256 page
    ) public pure {
        bytes32 id = Lanes.id(source, destination, channel, flags);
        assertEq(id, keccak256(abi.encode(uint256(1), source, destination, channel, uint256(flags))));
        assertEq(
            Lanes.slot(Lanes.root(Lanes.HEADS, id), page),
            keccak256(abi.encode(page, keccak256(abi.encode(id, Lanes.HEADS))))
        );
    }

    function testFuzz_lane_words_unpack_what_was_packed(
        uint64 advances,
        uint8 flags,
        bool paused,
        IOutbox.Limits calldata first,
        IOutbox.Limits calldata second
    ) public view {
        advances %= 50;
        LaneWord word = this.withLimits(LaneWords.create(flags), first);
        for (uint256 i = 0; i < advances; ++i) {
            word = word.advanced();
        }
        word = this.withLimits(word.withPaused(!paused).withPaused(paused), second);
        IOutbox.OutboundLane memory lane = word.unpack();
        assertEq(lane.nextSequence, advances);
        assertEq(lane.flags, flags);
        assertEq(lane.open, true);
        assertEq(lane.paused, paused);
        assertEq(word.isServed(), !paused);
        assertEq(abi.encode(lane.limits), abi.encode(second));
    }

    function test_an_unopened_lane_is_not_served() public pure {
        LaneWord word = LaneWord.wrap(0);
        assertFalse(word.isServed());
        assertFalse(word.isOpen());
        assertFalse(word.withPaused(true).isServed());
    }

    /// @dev Near misses: a valid shape with one of its parts changed.
    function testFuzz_addresses_are_read_like_the_twin(
        uint16 version,
        uint16 chainType,
        uint256 chainRef,
        uint8 referenceLength,
        uint8 addressLength,
        bytes32 account,
        bytes calldata trailing,
        uint8 shape
    ) public view {
        if (shape & 1 == 0) version = 1;
        if (shape & 2 == 0) chainType = 0;
        if (shape & 4 == 0) addressLength = uint8(chainType == 0 ? 20 : addressLength % 34);
        if (shape & 8 == 0) referenceLength %= 40;
        bytes memory referenceBytes = new bytes(referenceLength);
        for (uint256 i = 0; i < referenceLength; ++i) {
            referenceBytes[i] = bytes32(chainRef)[i % 32];
        }
        bytes memory accountBytes = new bytes(addressLength);
        for (uint256 i = 0; i < addressLength; ++i) {
            accountBytes[i] = account[i % 32];
        }
        bytes memory whole = abi.encodePacked(
            version,
            chainType,
            referenceLength,
            referenceBytes,
            addressLength,
            accountBytes,
            shape & 16 == 0 ? bytes("") : trailing
        );
        _compare(whole);
    }

    function testFuzz_any_bytes_are_read_like_the_twin(bytes calldata whole) public view {
        _compare(whole);
    }

    function test_truncated_and_extended_addresses_are_rejected() public view {
        bytes memory good = hex"00010000024e21140102030405060708090a0b0c0d0e0f1011121314";
        (bool valid, uint256 chainLength, uint256 addressLength, bytes32 account) = this.read(good);
        assertTrue(valid);
        assertEq(chainLength, 7);
        assertEq(addressLength, 20);
        assertEq(account, bytes32(uint256(uint160(0x0102030405060708090a0B0c0d0e0f1011121314))));
        for (uint256 length = 0; length < good.length; ++length) {
            bytes memory cut = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                cut[i] = good[i];
            }
            (valid,,,) = this.read(cut);
            assertFalse(valid, "truncated");
        }
        (valid,,,) = this.read(bytes.concat(good, hex"00"));
        assertFalse(valid, "trailing byte");
        (valid,,,) = this.read(hex"0001000003004e21140102030405060708090a0b0c0d0e0f1011121314");
        assertFalse(valid, "leading zero in the chain id");
        (valid,,,) = this.read(hex"00010000024e2113010203040506070809" hex"0a0b0c0d0e0f10111213");
        assertFalse(valid, "19 bytes of address on an eip155 chain");
        (valid,,,) = this.read(hex"000100000014" hex"0102030405060708090a0b0c0d0e0f1011121314");
        assertFalse(valid, "no chain");
        (valid,,,) = this.read(hex"00010000024e2100");
        assertFalse(valid, "no address");
    }

    function _compare(bytes memory whole) private view {
        (bool valid, uint256 chainLength, uint256 addressLength, bytes32 account) = this.read(whole);
        (bool expected, uint256 expectedChain, uint256 expectedAddress, bytes32 expectedAccount) = _twin(whole);
        assertEq(valid, expected, "validity");
        if (expected) {
            assertEq(chainLength, expectedChain);
            assertEq(addressLength, expectedAddress);
            assertEq(account, expectedAccount);
        }
    }

    function _twin(bytes memory b) private pure returns (bool, uint256, uint256, bytes32) {
        if (b.length < 6 || b[0] != 0 || b[1] != 0x01) return (false, 0, 0, 0);
        uint256 referenceLength = uint8(b[4]);
        if (referenceLength == 0 || b.length < 6 + referenceLength) return (false, 0, 0, 0);
        uint256 addressLength = uint8(b[5 + referenceLength]);
        if (b.length != 6 + referenceLength + addressLength) return (false, 0, 0, 0);
        if (b[2] == 0 && b[3] == 0) {
            if (addressLength != 20 || b[5] == 0 || referenceLength > 32) return (false, 0, 0, 0);
        } else if (addressLength == 0 || addressLength > 32) {
            return (false, 0, 0, 0);
        }
        uint256 account;
        for (uint256 i = 0; i < addressLength; ++i) {
            account = account << 8 | uint8(b[6 + referenceLength + i]);
        }
        return (true, 5 + referenceLength, addressLength, bytes32(account));
    }

    function _base(string memory namespace) private pure returns (bytes32) {
        return keccak256(abi.encode(uint256(keccak256(bytes(namespace))) - 1)) & ~bytes32(uint256(0xff));
    }
}
