// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Rlp} from "../../../support/Rlp.sol";
import {Test} from "../../../support/Test.sol";

/// @notice A header as its signer seals it. Fields may break any rule.
struct Header {
    bytes32 parentHash;
    address candidate;
    bool adds;
    bytes32 stateRoot;
    uint256 difficulty;
    uint64 number;
    uint64 timestamp;
    address[] listed;
    uint256 key;
}

/// @title Clique headers from the rules of EIP-225, sealed, and as they are sent (wire-formats §8.2).
abstract contract CliqueChain is Test {
    uint256 internal constant NOW = 1_700_000_000;
    bytes32 internal constant EMPTY_ROOT = keccak256(hex"80");
    bytes32 internal constant NO_OMMERS = keccak256(hex"c0");
    uint64 internal constant GAS_LIMIT = 30_000_000;

    /// @notice So many keys, ascending by their addresses.
    function signerKeys(uint256 count) internal pure returns (uint256[] memory keys) {
        keys = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = uint256(keccak256(abi.encode("signer", i)));
            uint256 place = i;
            for (; place > 0 && vm.addr(keys[place - 1]) > vm.addr(key); --place) {
                keys[place] = keys[place - 1];
            }
            keys[place] = key;
        }
    }

    function addresses(uint256[] memory keys) internal pure returns (address[] memory found) {
        found = new address[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) {
            found[i] = vm.addr(keys[i]);
        }
    }

    /// @notice A set as it is sent, without its count for hashing.
    function packed(address[] memory set) internal pure returns (bytes memory data) {
        for (uint256 i = 0; i < set.length; ++i) {
            data = bytes.concat(data, bytes20(set[i]));
        }
    }

    function wireSet(address[] memory set) internal pure returns (bytes memory) {
        return bytes.concat(bytes1(uint8(set.length)), packed(set));
    }

    /// @notice `count` blocks from `number` on, sealed in turn by these signers.
    function inTurn(uint256[] memory keys, uint64 number, uint256 count) internal pure returns (Header[] memory run) {
        run = new Header[](count);
        for (uint256 i = 0; i < count; ++i) {
            Header memory header = run[i];
            header.number = number + uint64(i);
            header.timestamp = uint64(NOW - 500 + i);
            header.stateRoot = keccak256(abi.encode("state", header.number));
            header.difficulty = 2;
            header.key = keys[header.number % keys.length];
        }
    }

    /// @notice The run as it is sent; every header is built on the one before.
    /// @param sets Who may seal each of them.
    function wireRun(Header[] memory run, address[][] memory sets) internal pure returns (bytes memory data) {
        bytes32 parent = run[0].parentHash;
        for (uint256 i = 0; i < run.length; ++i) {
            if (run[i].parentHash == 0) run[i].parentHash = parent;
            bytes memory sent;
            (sent, parent) = _seal(run[i], sets[i], i == 0);
            data = bytes.concat(data, sent);
        }
    }

    /// @notice The same for one set.
    function wireRun(Header[] memory run, address[] memory set) internal pure returns (bytes memory) {
        address[][] memory sets = new address[][](run.length);
        for (uint256 i = 0; i < run.length; ++i) {
            sets[i] = set;
        }
        return wireRun(run, sets);
    }

    function _seal(Header memory header, address[] memory set, bool first)
        private
        pure
        returns (bytes memory sent, bytes32 hash)
    {
        bytes memory extra = bytes.concat(bytes32(0), packed(header.listed));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(header.key, _hash(header, extra));
        hash = _hash(header, bytes.concat(extra, r, s, bytes1(v - 27)));
        bytes memory front = first ? abi.encodePacked(header.parentHash) : bytes("");
        sent = bytes.concat(_begin(header, set, v - 27), front, _fields(header), r, s);
    }

    function _begin(Header memory header, address[] memory set, uint8 parity) private pure returns (bytes memory) {
        uint8 flags = parity | (header.adds ? 32 : 0) | (header.candidate == address(0) ? 0 : 16);
        uint8 index = 0;
        while (index + 1 < set.length && set[index] != vm.addr(header.key)) ++index;
        return abi.encodePacked(flags, index);
    }

    function _fields(Header memory header) private pure returns (bytes memory data) {
        data = abi.encodePacked(header.stateRoot, header.number, GAS_LIMIT, uint64(0), header.timestamp);
        if (header.candidate != address(0)) data = abi.encodePacked(data, header.candidate);
    }

    function _hash(Header memory header, bytes memory extra) private pure returns (bytes32) {
        return keccak256(Rlp.list(bytes.concat(_front(header), _numbers(header), Rlp.string_(extra), _back(header))));
    }

    function _front(Header memory header) private pure returns (bytes memory front) {
        front = bytes.concat(Rlp.word(header.parentHash), Rlp.word(NO_OMMERS));
        front = bytes.concat(front, Rlp.string_(abi.encodePacked(header.candidate)), Rlp.word(header.stateRoot));
        front = bytes.concat(front, Rlp.word(EMPTY_ROOT), Rlp.word(EMPTY_ROOT), Rlp.string_(new bytes(256)));
    }

    function _numbers(Header memory header) private pure returns (bytes memory numbers) {
        numbers = bytes.concat(Rlp.integer(header.difficulty), Rlp.integer(header.number), Rlp.integer(GAS_LIMIT));
        numbers = bytes.concat(numbers, Rlp.integer(0), Rlp.integer(header.timestamp));
    }

    function _back(Header memory header) private pure returns (bytes memory) {
        bytes8 nonce = header.adds ? bytes8(type(uint64).max) : bytes8(0);
        return bytes.concat(Rlp.word(bytes32(0)), Rlp.string_(abi.encodePacked(nonce)));
    }
}
