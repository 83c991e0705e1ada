// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {HashToCurveHarness} from "./HashToCurveHarness.sol";
import {PlainSsz} from "./PlainSsz.sol";

/// @notice A sync committee whose secrets the test knows: member i's is `secret + i`.
struct Committee {
    uint256 secret;
    /// x ‖ y, 96 bytes each.
    bytes[] keys;
    bytes aggregate;
    bytes32[] leaves;
    bytes32 pubkeysRoot;
    /// The root of the SyncCommittee.
    bytes32 root;
}

/// @title Keys and signatures of BLS12-381 made with the precompiles, to forge committees in tests.
library BlsKeys {
    uint256 internal constant ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;

    bytes internal constant GENERATOR =
        hex"17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1";
    /// @dev (p - 1) / 2, in 48 bytes.
    bytes private constant HALF =
        hex"0d0088f51cbff34d258dd3db21a5d66bb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555";

    function committee(uint256 secret, uint256 size) internal view returns (Committee memory made) {
        made.secret = secret;
        made.keys = new bytes[](size);
        made.leaves = new bytes32[](size);
        bytes memory key = publicKey(secret);
        uint256 sum = 0;
        for (uint256 i = 0; i < size; ++i) {
            made.keys[i] = key;
            made.leaves[i] = PlainSsz.keyLeaf(compress(key));
            sum = addmod(sum, secret + i, ORDER);
            key = add(key, GENERATOR);
        }
        made.aggregate = publicKey(sum);
        made.pubkeysRoot = PlainSsz.root(made.leaves);
        made.root = rootOf(made);
    }

    function rootOf(Committee memory some) internal pure returns (bytes32) {
        return PlainSsz.hash(some.pubkeysRoot, PlainSsz.keyLeaf(compress(some.aggregate)));
    }

    function publicKey(uint256 secret) internal view returns (bytes memory) {
        return unpad(_call(0x0c, bytes.concat(pad(GENERATOR), bytes32(secret)), 128));
    }

    function add(bytes memory one, bytes memory other) internal view returns (bytes memory) {
        return unpad(_call(0x0b, bytes.concat(pad(one), pad(other)), 128));
    }

    /// @notice The signature of a message by the sum of these secrets, 192 bytes.
    function sign(HashToCurveHarness harness, uint256 secrets, bytes32 message) internal view returns (bytes memory) {
        return unpad(_call(0x0e, bytes.concat(harness.hashToG2(message), bytes32(secrets)), 256));
    }

    /// @notice 48 bytes: x with its flags.
    function compress(bytes memory key) internal pure returns (bytes memory out) {
        out = _slice(key, 0, 48);
        out[0] |= 0x80;
        bytes memory y = _slice(key, 48, 96);
        for (uint256 i = 0; i < 48; ++i) {
            if (y[i] == HALF[i]) continue;
            if (y[i] > HALF[i]) out[0] |= 0x20;
            break;
        }
    }

    /// @notice 16 zero bytes before each 48.
    function pad(bytes memory data) internal pure returns (bytes memory out) {
        for (uint256 i = 0; i < data.length; i += 48) {
            out = bytes.concat(out, bytes16(0), _slice(data, i, i + 48));
        }
    }

    function unpad(bytes memory data) internal pure returns (bytes memory out) {
        for (uint256 i = 0; i < data.length; i += 64) {
            out = bytes.concat(out, _slice(data, i + 16, i + 64));
        }
    }

    function _call(uint160 precompile, bytes memory input, uint256 size) private view returns (bytes memory) {
        (bool done, bytes memory output) = address(precompile).staticcall(input);
        require(done && output.length == size, "a precompile refused");
        return output;
    }

    function _slice(bytes memory data, uint256 from, uint256 to) private pure returns (bytes memory out) {
        out = new bytes(to - from);
        assembly ("memory-safe") {
            mcopy(add(out, 32), add(add(data, 32), from), sub(to, from))
        }
    }
}
