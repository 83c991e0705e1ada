// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BftHeader} from "../../../../src/light_clients/bft/BftHeader.sol";
import {Rlp} from "../../../support/Rlp.sol";
import {Test} from "../../../support/Test.sol";

/// @notice A block of a BFT chain, with all that a header may hold, the impossible included. `vote`, `round` and `tail` are
/// RLP as it stands in the header; empty vote and round stand for the ordinary ones. In legacy Istanbul `round` is the
/// proposer's seal, the vote is the nonce, and `vote` only says that the nonce is sent.
struct Block {
    BftHeader.Kind kind;
    bytes32 parentHash;
    bytes32 ommersHash;
    address beneficiary;
    bytes32 stateRoot;
    bytes32 transactionsRoot;
    bytes32 receiptsRoot;
    bytes bloom;
    uint256 difficulty;
    uint256 number;
    uint256 gasLimit;
    uint256 gasUsed;
    uint256 timestamp;
    bytes32 vanity;
    address[] validators;
    bytes vote;
    bytes round;
    bytes32 mixHash;
    bytes nonce;
    bytes tail;
}

/// @notice How a header is sent where the wire leaves a choice.
struct Form {
    bool sparseBloom;
    bool wholeBloom;
    bool explicitRoots;
    bool explicitVanity;
    bool explicitVote;
    bool explicitRound;
    bool rawTail;
    bool withoutStateRoot;
}

/// @title A chain that a test seals itself: plain RLP on one side, the wire of docs/reference/wire-formats.md §6 on the other.
abstract contract BftChain is Test {
    bytes32 internal constant EMPTY_ROOT = keccak256(hex"80");
    bytes32 internal constant ISTANBUL_DIGEST = "ctical byzantine fault tolerance";
    /// @dev baseFee 7, and what forks have added since, for a chain that uses none of it.
    bytes internal constant LONDON = hex"07";

    uint256 internal constant NOW = 1_800_000_000;

    function shanghai() internal pure returns (bytes memory) {
        return bytes.concat(LONDON, Rlp.word(EMPTY_ROOT));
    }

    function cancun() internal pure returns (bytes memory) {
        return bytes.concat(shanghai(), hex"8080", Rlp.word(0));
    }

    function prague() internal pure returns (bytes memory) {
        return bytes.concat(cancun(), Rlp.word(sha256("")));
    }

    // ------------------------------------------------------------------------------------------------ keys

    /// @notice The private key of a validator; sets are told apart by `group`.
    function keyOf(uint256 group, uint256 index) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("validator", group, index))) >> 1;
    }

    function keysOf(uint256 group, uint256 count) internal pure returns (uint256[] memory keys) {
        keys = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            keys[i] = keyOf(group, i);
        }
    }

    function addressesOf(uint256[] memory keys) internal pure returns (address[] memory members) {
        members = new address[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) {
            members[i] = vm.addr(keys[i]);
        }
    }

    function setHashOf(address[] memory members) internal pure returns (bytes32) {
        bytes memory payload;
        for (uint256 i = 0; i < members.length; ++i) {
            payload = bytes.concat(payload, Rlp.string_(abi.encodePacked(members[i])));
        }
        return keccak256(payload);
    }

    // ------------------------------------------------------------------------------------------------ blocks

    /// @notice An ordinary block of a validator set: it holds a transaction and a log.
    function blockOf(BftHeader.Kind kind, address[] memory validators, uint256 number)
        internal
        pure
        returns (Block memory b)
    {
        b.kind = kind;
        b.parentHash = keccak256(abi.encode("parent", number));
        b.ommersHash = keccak256(hex"c0");
        b.beneficiary = validators.length == 0 ? address(0) : validators[0];
        b.stateRoot = keccak256(abi.encode("state", number));
        b.transactionsRoot = keccak256(abi.encode("transactions", number));
        b.receiptsRoot = keccak256(abi.encode("receipts", number));
        b.bloom = new bytes(256);
        b.bloom[3] = 0x10;
        b.bloom[100] = 0x80;
        b.bloom[255] = 0x01;
        b.difficulty = 1;
        b.number = number;
        b.gasLimit = 30_000_000;
        b.gasUsed = 21_000;
        b.timestamp = NOW - 1000 + number;
        b.validators = validators;
        b.mixHash = ISTANBUL_DIGEST;
        b.nonce = new bytes(8);
        b.tail = LONDON;
    }

    function ordinaryVote(BftHeader.Kind kind) internal pure returns (bytes memory) {
        return kind == BftHeader.Kind.QBFT ? bytes(hex"c0") : bytes(hex"80");
    }

    function ordinaryRound(BftHeader.Kind kind) internal pure returns (bytes memory) {
        if (kind == BftHeader.Kind.ISTANBUL) return bytes.concat(keccak256("r"), keccak256("s"), hex"01");
        return kind == BftHeader.Kind.QBFT ? bytes(hex"80") : bytes(hex"8400000000");
    }

    function commitSealHash(Block memory b) internal pure returns (bytes32) {
        if (b.kind == BftHeader.Kind.ISTANBUL) return keccak256(abi.encodePacked(onChainHash(b), hex"02"));
        bytes memory round = b.round.length == 0 ? ordinaryRound(b.kind) : b.round;
        return keccak256(_header(b, b.kind == BftHeader.Kind.QBFT ? bytes.concat(round, hex"c0") : round));
    }

    function onChainHash(Block memory b) internal pure returns (bytes32) {
        return keccak256(_header(b, b.kind == BftHeader.Kind.QBFT ? bytes(hex"80c0") : bytes("")));
    }

    function _header(Block memory b, bytes memory ending) private pure returns (bytes memory) {
        bytes memory validators;
        for (uint256 i = 0; i < b.validators.length; ++i) {
            validators = bytes.concat(validators, Rlp.string_(abi.encodePacked(b.validators[i])));
        }
        bytes memory extraData;
        if (b.kind == BftHeader.Kind.ISTANBUL) {
            bytes memory seal = Rlp.string_(b.round.length == 0 ? ordinaryRound(b.kind) : b.round);
            extraData = bytes.concat(b.vanity, Rlp.list(bytes.concat(Rlp.list(validators), seal, hex"c0")));
        } else {
            bytes memory vote = b.vote.length == 0 ? ordinaryVote(b.kind) : b.vote;
            extraData = Rlp.list(bytes.concat(Rlp.word(b.vanity), Rlp.list(validators), vote, ending));
        }
        bytes memory front = bytes.concat(
            Rlp.word(b.parentHash),
            Rlp.word(b.ommersHash),
            Rlp.string_(abi.encodePacked(b.beneficiary)),
            Rlp.word(b.stateRoot),
            Rlp.word(b.transactionsRoot),
            Rlp.word(b.receiptsRoot),
            Rlp.string_(b.bloom)
        );
        return Rlp.list(
            bytes.concat(
                front,
                Rlp.integer(b.difficulty),
                numbersOf(b),
                Rlp.string_(extraData),
                Rlp.word(b.mixHash),
                Rlp.string_(b.nonce),
                b.tail
            )
        );
    }

    function numbersOf(Block memory b) internal pure returns (bytes memory) {
        return
            bytes.concat(
                Rlp.integer(b.number), Rlp.integer(b.gasLimit), Rlp.integer(b.gasUsed), Rlp.integer(b.timestamp)
            );
    }

    // ------------------------------------------------------------------------------------------------ wire

    /// @notice A header without sealers and seals, in its shortest form or the one asked for.
    function wire(Block memory b, Form memory form) internal pure returns (bytes memory out) {
        bool emptyBlock = !form.explicitRoots && b.transactionsRoot == EMPTY_ROOT && b.receiptsRoot == EMPTY_ROOT;
        bool noBloom = keccak256(b.bloom) == keccak256(new bytes(256));
        uint256 bloom = form.wholeBloom ? 1 : noBloom ? 0 : form.sparseBloom ? 2 : 1;
        uint256 tail = _tailForm(b.tail, form);
        uint256 flags = bloom | (emptyBlock ? 1 << 8 : 0) | (tail << 5);
        if (b.vanity != 0 || form.explicitVanity) flags |= 4;
        if (b.vote.length != 0 || form.explicitVote) flags |= 8;
        bool istanbul = b.kind == BftHeader.Kind.ISTANBUL;
        if (b.round.length != 0 || form.explicitRound || istanbul) flags |= 16;

        out = abi.encodePacked(uint16(flags), b.parentHash, b.beneficiary);
        if (!form.withoutStateRoot) out = abi.encodePacked(out, b.stateRoot);
        if (!emptyBlock) out = abi.encodePacked(out, b.transactionsRoot, b.receiptsRoot);
        if (bloom == 1) out = bytes.concat(out, b.bloom);
        if (bloom == 2) out = bytes.concat(out, _sparse(b.bloom));
        out = bytes.concat(out, sized(numbersOf(b)));
        if (flags & 4 != 0) out = abi.encodePacked(out, b.vanity);
        out = bytes.concat(out, bytes1(uint8(b.validators.length)), packed(b.validators));
        bytes memory vote = b.vote.length == 0 ? ordinaryVote(b.kind) : b.vote;
        bytes memory round = b.round.length == 0 ? ordinaryRound(b.kind) : b.round;
        if (flags & 8 != 0) out = bytes.concat(out, istanbul ? b.nonce : sized(vote));
        if (flags & 16 != 0) out = bytes.concat(out, istanbul ? round : sized(round));
        if (tail == 7) out = bytes.concat(out, sized(b.tail));
        else if (tail != 0) out = bytes.concat(out, sized(LONDON));
    }

    function packed(address[] memory members) internal pure returns (bytes memory out) {
        for (uint256 i = 0; i < members.length; ++i) {
            out = abi.encodePacked(out, members[i]);
        }
    }

    function _tailForm(bytes memory tail, Form memory form) private pure returns (uint256) {
        bytes32 hash = keccak256(tail);
        if (tail.length == 0) return 0;
        if (form.rawTail) return 7;
        if (hash == keccak256(LONDON)) return 1;
        if (hash == keccak256(shanghai())) return 2;
        if (hash == keccak256(cancun())) return 3;
        return hash == keccak256(prague()) ? 4 : 7;
    }

    function _sparse(bytes memory bloom) private pure returns (bytes memory) {
        bytes memory pairs;
        for (uint256 i = 0; i < 256; ++i) {
            if (bloom[i] != 0) pairs = bytes.concat(pairs, bytes1(uint8(i)), bloom[i]);
        }
        return bytes.concat(bytes1(uint8(pairs.length / 2)), pairs);
    }

    function sized(bytes memory data) internal pure returns (bytes memory) {
        return bytes.concat(bytes1(uint8(data.length)), data);
    }

    // ------------------------------------------------------------------------------------------------ seals

    /// @notice sealers ‖ seals: the key of each bit that is set signs. `keys[i]` stands for validator i.
    function sealsBy(Block memory b, uint256[] memory keys, uint256 sealers) internal pure returns (bytes memory) {
        return sealsOver(commitSealHash(b), keys, sealers);
    }

    function sealsOver(bytes32 hash, uint256[] memory keys, uint256 sealers) internal pure returns (bytes memory out) {
        out = mask(sealers, keys.length);
        for (uint256 i = 0; i < keys.length; ++i) {
            if (sealers >> i & 1 != 0) out = bytes.concat(out, sealOf(hash, keys[i]));
        }
    }

    function sealOf(bytes32 hash, uint256 key) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, hash);
        return abi.encodePacked(r, vs);
    }

    function mask(uint256 sealers, uint256 count) internal pure returns (bytes memory out) {
        out = new bytes((count + 7) / 8);
        for (uint256 i = 0; i < out.length; ++i) {
            out[out.length - 1 - i] = bytes1(uint8(sealers >> (8 * i)));
        }
    }

    /// @notice The first `count` validators.
    function first(uint256 count) internal pure returns (uint256) {
        return (1 << count) - 1;
    }

    function ceilTwoThirds(uint256 count) internal pure returns (uint256 needed) {
        while (needed * 3 < count * 2) ++needed;
    }

    /// @notice A whole header with its stateRoot, sealed by the validators whose bits are set.
    function sealedBlock(Block memory b, uint256[] memory keys, uint256 sealers) internal pure returns (bytes memory) {
        Form memory form;
        return bytes.concat(wire(b, form), sealsBy(b, keys, sealers));
    }

    /// @notice The same without its stateRoot, as proofs carry it.
    function sealedWithoutRoot(Block memory b, uint256[] memory keys, uint256 sealers)
        internal
        pure
        returns (bytes memory)
    {
        Form memory form;
        form.withoutStateRoot = true;
        return bytes.concat(wire(b, form), sealsBy(b, keys, sealers));
    }
}
