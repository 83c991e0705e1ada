// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BftHeader} from "../../../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../../../src/light_clients/bft/BftLightClient.sol";
import {BftTrust} from "../../../src/light_clients/bft/BftTrust.sol";
import {Rlp} from "../../support/Rlp.sol";
import {Block, Form} from "./support/BftChain.sol";
import {BftClientTest} from "./support/BftClientTest.sol";

/// @title Headers in all their forms (docs/reference/wire-formats.md §6.1): put together again to the byte that was sealed, or
/// refused.
contract BftHeaderTest is BftClientTest {
    BftHeader.Kind internal constant QBFT = BftHeader.Kind.QBFT;
    BftHeader.Kind internal constant IBFT2 = BftHeader.Kind.IBFT2;

    uint256[] internal keys = keysOf(1, 4);
    BftLightClient[3] internal clients;

    function setUp() public override {
        super.setUp();
        clients[0] = deploy(QBFT, keys);
        clients[1] = deploy(IBFT2, keys);
        clients[2] = deploy(BftHeader.Kind.ISTANBUL, keys);
    }

    // ------------------------------------------------------------------------------------------------ what is accepted

    /// @dev 15 to 21 fields, ordinary and raw.
    function test_INV8_forks() public view {
        bytes[7] memory tails = [
            bytes(""),
            LONDON,
            shanghai(),
            cancun(),
            prague(),
            // Busy Cancun: a high base fee, blob gas, a beacon root
            bytes.concat(
                Rlp.integer(type(uint256).max),
                Rlp.word(keccak256("withdrawals")),
                Rlp.integer(131_072),
                Rlp.integer(1 << 60),
                Rlp.word(keccak256("beacon"))
            ),
            // Base fee and one field more than any fork so far has in this place
            bytes.concat(Rlp.integer(0), Rlp.word(keccak256("withdrawals")), hex"80")
        ];
        for (uint256 kind = 0; kind < 3; ++kind) {
            for (uint256 i = 0; i < tails.length; ++i) {
                Block memory b = _block(kind);
                b.tail = tails[i];
                Form memory form;
                _accepted(b, form);
                if (tails[i].length == 0) continue;
                form.rawTail = true;
                _accepted(b, form);
            }
        }
    }

    /// @dev Base fees of every length in an ordinary tail, which Form always sends as 7.
    function test_INV8_baseFees() public view {
        for (uint256 length = 0; length <= 32; ++length) {
            uint256 fee = length == 0 ? 0 : 0xab << (8 * length - 8);
            Block memory b = _block(0);
            b.tail = bytes.concat(Rlp.integer(fee), Rlp.word(EMPTY_ROOT));
            _acceptedWithTail(b, 2, Rlp.integer(fee));
        }
        uint8[3] memory edges = [1, 0x7f, 0x80];
        for (uint256 i = 0; i < 3; ++i) {
            Block memory b = _block(1);
            b.tail = Rlp.integer(edges[i]);
            _acceptedWithTail(b, 1, Rlp.integer(edges[i]));
        }
    }

    function test_INV8_blooms() public view {
        for (uint256 kind = 0; kind < 3; ++kind) {
            Form memory whole;
            Form memory sparse;
            Form memory shortest;
            (whole.wholeBloom, sparse.sparseBloom) = (true, true);
            Block memory b = _block(kind);
            b.bloom = new bytes(256);
            _accepted(b, shortest);
            _accepted(b, whole);
            // 255 places are the most that can be named.
            for (uint256 i = 0; i < 256; ++i) {
                b.bloom[i] = bytes1(uint8(i));
            }
            _accepted(b, whole);
            _accepted(b, sparse);
            b.bloom[0] = 0x01;
            _accepted(b, whole);
            for (uint256 i = 0; i < 256; i += 15) {
                b.bloom = new bytes(256);
                (b.bloom[0], b.bloom[i], b.bloom[255]) = (0x01, 0xff, 0x80);
                _accepted(b, whole);
                _accepted(b, sparse);
            }
        }
    }

    function test_INV8_emptyBlocksAndRoots() public view {
        Block memory b = _block(0);
        (b.transactionsRoot, b.receiptsRoot) = (EMPTY_ROOT, EMPTY_ROOT);
        Form memory form;
        _accepted(b, form);
        form.explicitRoots = true;
        _accepted(b, form);
    }

    function test_INV8_vanityVotesAndRounds() public view {
        for (uint256 kind = 0; kind < 2; ++kind) {
            Block memory b = _block(kind);
            Form memory form;
            b.vanity = keccak256("vanity");
            _accepted(b, form);
            b.vote = Rlp.list(bytes.concat(Rlp.string_(abi.encodePacked(address(0xbeef))), hex"81ff"));
            _accepted(b, form);
            b.round = kind == 0 ? bytes(hex"7f") : bytes(hex"840000007f");
            _accepted(b, form);
            b.vanity = 0;
            b.vote = "";
            _accepted(b, form);
            b.round = "";
            (form.explicitVanity, form.explicitVote, form.explicitRound) = (true, true, true);
            _accepted(b, form);
        }
    }

    /// @dev Around every length at which a tag of extraData or of the validators' list grows.
    function test_INV8_listsOfAllLengths() public {
        for (uint256 count = 1; count <= 16; ++count) {
            for (uint256 kind = 0; kind < 2; ++kind) {
                uint256[] memory members = keysOf(count, count);
                BftLightClient client = deploy(BftHeader.Kind(kind), members);
                for (uint256 size = 0; size <= 56; size += 8) {
                    Block memory b = provingBlock(BftHeader.Kind(kind), members);
                    if (size != 0) b.round = bytes.concat(bytes1(uint8(0x7f + size)), new bytes(size - 1));
                    assertProves(client, proofBy(b, members, first(count)), b);
                }
            }
        }
    }

    /// @dev Every length of the four numbers.
    function test_INV8_numbers() public view {
        for (uint256 length = 0; length <= 8; ++length) {
            uint256 most = length == 0 ? 0 : type(uint64).max >> (64 - 8 * length);
            uint256 least = length == 0 ? 0 : 1 << (8 * length - 8);
            Form memory form;
            Block memory b = _block(0);
            (b.gasLimit, b.gasUsed) = (most, least);
            _accepted(b, form);
            if (length != 0) {
                b.number = most;
                _accepted(b, form);
                b.number = least;
                _accepted(b, form);
            }
            if (length <= 3) {
                b.timestamp = most;
                _accepted(b, form);
            }
        }
        Block memory edge = _block(1);
        (edge.number, edge.gasLimit, edge.gasUsed, edge.timestamp) = (0x7f, 0x80, 0x7f, 0x80);
        Form memory ordinary;
        _accepted(edge, ordinary);
    }

    /// @dev Everything together, at random.
    /// forge-config: default.fuzz.runs = 300
    function testFuzz_INV8_anyHeader(uint256 seed) public view {
        uint256 kind = seed & 1;
        Block memory b = _block(kind);
        b.parentHash = _random(seed, "parent");
        b.beneficiary = address(uint160(uint256(_random(seed, "beneficiary"))));
        if (seed & 2 != 0) (b.transactionsRoot, b.receiptsRoot) = (EMPTY_ROOT, EMPTY_ROOT);
        if (seed & 4 != 0) b.vanity = _random(seed, "vanity");
        for (uint256 i = 0; i < 256; ++i) {
            b.bloom[i] = seed & 24 == 0 || uint256(_random(seed, bytes32(i))) % 8 != 0
                ? bytes1(0)
                : bytes1(uint8(uint256(_random(seed, bytes32(i + 256)))));
        }
        b.number = 1 + (uint64(uint256(_random(seed, "number"))) >> ((seed >> 8) & 63)) % type(uint64).max;
        b.gasLimit = uint64(uint256(_random(seed, "limit"))) >> ((seed >> 16) & 63);
        b.gasUsed = uint64(uint256(_random(seed, "used"))) >> ((seed >> 24) & 63);
        b.timestamp = NOW >> ((seed >> 32) & 31);
        if (seed & (1 << 40) != 0) {
            b.vote = Rlp.list(bytes.concat(Rlp.string_(abi.encodePacked(b.beneficiary)), hex"80"));
        }
        if (seed & (1 << 41) != 0) {
            uint256 round = uint32(uint256(_random(seed, "round")));
            b.round = kind == 0 ? Rlp.integer(round) : abi.encodePacked(uint8(0x84), uint32(round));
        }
        bytes[6] memory tails =
            [bytes(""), LONDON, shanghai(), cancun(), prague(), Rlp.integer(uint256(_random(seed, "fee")))];
        b.tail = tails[(seed >> 48) % 6];
        Form memory form;
        form.sparseBloom = seed & (1 << 56) != 0;
        form.rawTail = b.tail.length != 0 && seed & (1 << 57) != 0;
        form.explicitRoots = seed & (1 << 58) != 0;
        form.explicitVote = seed & (1 << 59) != 0;
        form.explicitRound = seed & (1 << 60) != 0;
        _accepted(b, form);
    }

    // ------------------------------------------------------------------------------------------------ what is refused

    /// @dev Constants of the consensus are not sent: a header with others, sealed by all, has another hash than what can be
    /// sent for it.
    function test_INV7_otherConstants() public {
        for (uint256 i = 0; i < 5; ++i) {
            Block memory b = _block(0);
            if (i == 0) b.mixHash = 0;
            if (i == 1) b.mixHash = keccak256("proof of work");
            if (i == 2) b.difficulty = 2;
            if (i == 3) b.nonce = hex"ffffffffffffffff";
            if (i == 4) b.ommersHash = keccak256("ommers");
            bytes memory proof = proofBy(b, keys, 15);
            vm.expectPartialRevert(BftHeader.SealRejected.selector);
            clients[0].storageAt(proof, ACCOUNT, SLOT);
        }
    }

    function test_INV7_genesis() public {
        Block memory b = _block(0);
        b.number = 0;
        assertRejected(clients[0], proofBy(b, keys, 15), abi.encodeWithSelector(BftHeader.GenesisHeader.selector));
    }

    /// @dev A chain that takes its validators from a contract lists none.
    function test_INV7_emptyList() public {
        Block memory b = _block(0);
        b.validators = new address[](0);
        Form memory form;
        form.withoutStateRoot = true;
        bytes memory proof = bytes.concat(hex"00", inclusion, wire(b, form));
        // The set of nobody is trusted by nobody.
        vm.expectPartialRevert(BftTrust.NotTrustedSet.selector);
        clients[0].storageAt(proof, ACCOUNT, SLOT);
    }

    function test_unusedFlags() public {
        Block memory b = _block(0);
        bytes memory proof = proofBy(b, keys, 15);
        uint256 flags = 1 + inclusion.length;
        for (uint256 bit = 1; bit < 0x80; bit <<= 1) {
            bytes memory bad = bytes.concat(proof);
            bad[flags] = bytes1(uint8(bad[flags]) | uint8(bit << 1));
            _malformed(bad, flags);
        }
        // bloom form 3, tails 5 and 6
        bytes memory form = bytes.concat(proof);
        form[flags + 1] = bytes1(uint8(form[flags + 1]) | 3);
        vm.expectPartialRevert(BftHeader.HeaderMalformed.selector);
        clients[0].storageAt(form, ACCOUNT, SLOT);
        for (uint256 tail = 5; tail < 7; ++tail) {
            form = bytes.concat(proof);
            form[flags + 1] = bytes1((uint8(form[flags + 1]) & 0x1f) | uint8(tail << 5));
            vm.expectPartialRevert(BftHeader.HeaderMalformed.selector);
            clients[0].storageAt(form, ACCOUNT, SLOT);
        }
    }

    /// @dev Numbers that are not in their shortest form, too long, or not the length that is said.
    function test_numbersMustBeCanonical() public {
        bytes memory good = hex"64840a0a0a0a825208846553f100";
        bytes[9] memory bad = [
            bytes(hex"00840a0a0a0a825208846553f100"),
            hex"8164840a0a0a0a825208846553f100",
            hex"820064840a0a0a0a825208846553f100",
            hex"6400825208846553f100",
            hex"64840a0a0a0a820008846553f100",
            hex"64840a0a0a0a817f846553f100",
            hex"64890100000000000000008252086553f100",
            hex"64840a0a0a0a825208850053f10000",
            hex"64840a0a0a0ac0846553f100"
        ];
        bytes memory head = _headUntilNumbers();
        for (uint256 i = 0; i < bad.length; ++i) {
            bytes memory proof = bytes.concat(head, bytes1(uint8(bad[i].length)), bad[i], _restAfterNumbers());
            _malformed(proof, head.length);
        }
        for (uint256 off = 0; off < 3; off += 2) {
            bytes memory proof = bytes.concat(head, bytes1(uint8(good.length - 1 + off)), good, _restAfterNumbers());
            _malformed(proof, head.length);
        }
        // The same with the right length gets as far as the seals, of which there are none.
        assertRejected(
            clients[0],
            bytes.concat(head, bytes1(uint8(good.length)), good, _restAfterNumbers()),
            quorumNotReached(0, 3)
        );
    }

    function test_baseFeeMustBeCanonical() public {
        bytes[8] memory bad = [
            bytes(""),
            hex"00",
            hex"8100",
            hex"817f",
            hex"820001",
            hex"0707",
            hex"c0",
            bytes.concat(hex"a1", new bytes(33))
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            _malformedTail(1, bad[i]);
            _malformedTail(4, bad[i]);
        }
    }

    function test_rawTailMustBeStrings() public {
        bytes[8] memory bad = [
            bytes(""),
            hex"c0",
            hex"07c107",
            hex"8107",
            hex"8207",
            bytes.concat(hex"b837", new bytes(55)),
            bytes.concat(hex"b90100", new bytes(200)),
            hex"01010101010101"
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            _malformedTail(7, bad[i]);
        }
        // Long strings, a leading zero and six fields are the chain's affair: nothing is read from them.
        bytes[3] memory good = [bytes.concat(hex"b838", new bytes(56)), bytes(hex"820001"), hex"010101010101"];
        for (uint256 i = 0; i < good.length; ++i) {
            Block memory b = _block(0);
            b.tail = good[i];
            _acceptedWithTail(b, 7, good[i]);
        }
    }

    /// @dev One encoding a bloom: at least one place, each once, in order, and with something in it.
    function test_sparseBloomIsCanonical() public {
        Form memory form;
        form.sparseBloom = true;
        bytes memory proof = proofInForm(_block(0), form, keys, 15);
        // flags, parentHash, beneficiary, two roots; then 3 places: 3, 100, 255
        uint256 offset = 1 + inclusion.length + 2 + 52 + 64;
        assertEq(uint8(proof[offset]), 3);
        assertEq(uint8(proof[offset + 1]), 3);

        bytes memory bad = bytes.concat(proof);
        bad[offset] = 0;
        _malformed(bad, offset);
        for (uint256 i = 0; i < 3; ++i) {
            bad = bytes.concat(proof);
            bad[offset + 2 + 2 * i] = 0;
            _malformed(bad, offset);
        }
        uint8[3] memory places = [3, 2, 0];
        for (uint256 i = 0; i < 3; ++i) {
            bad = bytes.concat(proof);
            bad[offset + 3] = bytes1(places[i]);
            _malformed(bad, offset);
        }
    }

    // ------------------------------------------------------------------------------------------------ helpers

    function _block(uint256 kind) private view returns (Block memory) {
        return provingBlock(BftHeader.Kind(kind), keys);
    }

    function _random(uint256 seed, bytes32 what) private pure returns (bytes32) {
        return keccak256(abi.encode(seed, what));
    }

    function _accepted(Block memory b, Form memory form) private view {
        assertProves(clients[uint256(b.kind)], proofInForm(b, form, keys, 7), b);
    }

    /// @dev With the tail sent in a form of its own: the kind of tail and the bytes that go with it.
    function _acceptedWithTail(Block memory b, uint256 tail, bytes memory sent) private view {
        bytes memory proof = bytes.concat(_untilTail(b, tail), sized(sent), sealsBy(b, keys, 7));
        assertProves(clients[uint256(b.kind)], proof, b);
    }

    function _malformedTail(uint256 tail, bytes memory sent) private {
        bytes memory head = _untilTail(_block(0), tail);
        bytes memory proof = bytes.concat(head, sized(sent), hex"07", new bytes(3 * 64));
        vm.expectPartialRevert(BftHeader.HeaderMalformed.selector);
        clients[0].storageAt(proof, ACCOUNT, SLOT);
    }

    function _untilTail(Block memory b, uint256 tail) private view returns (bytes memory) {
        bytes memory rest = b.tail;
        b.tail = "";
        Form memory form;
        form.withoutStateRoot = true;
        bytes memory header = wire(b, form);
        header[1] = bytes1(uint8(header[1]) | uint8(tail << 5));
        b.tail = rest;
        return bytes.concat(hex"00", inclusion, header);
    }

    function _headUntilNumbers() private view returns (bytes memory) {
        Block memory b = _block(0);
        b.tail = "";
        Form memory form;
        form.withoutStateRoot = true;
        bytes memory header = wire(b, form);
        bytes memory head = new bytes(2 + 52 + 64 + 256);
        for (uint256 i = 0; i < head.length; ++i) {
            head[i] = header[i];
        }
        return bytes.concat(hex"00", inclusion, head);
    }

    /// @dev The validators, and no seal.
    function _restAfterNumbers() private view returns (bytes memory) {
        return bytes.concat(hex"04", packed(addressesOf(keys)), hex"00");
    }

    function _malformed(bytes memory proof, uint256 offset) private {
        // selector, four words of the call's head, and the proof
        assertRejected(
            clients[0], proof, abi.encodeWithSelector(BftHeader.HeaderMalformed.selector, 4 + 4 * 32 + offset)
        );
    }
}
