// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Bls12381} from "../../../../src/light_clients/ethereum/Bls12381.sol";
import {HashToCurve} from "../../../../src/light_clients/ethereum/HashToCurve.sol";

/// @title Hash-to-curve by itself, for tests here and for differential tests from outside.
contract HashToCurveHarness {
    constructor() {
        Bls12381.requirePrecompiles();
    }

    /// @return point 256 bytes as EIP-2537 has them: x.c0, x.c1, y.c0, y.c1, each of 64 bytes.
    function hashToG2(bytes32 message) external view returns (bytes memory point) {
        bytes memory buffer = new bytes(HashToCurve.SIZE);
        // What lies there before must not matter.
        for (uint256 i = 0; i < buffer.length; ++i) {
            buffer[i] = 0xa5;
        }
        point = new bytes(Bls12381.G2_SIZE);
        HashToCurve.hashToG2(message, _start(buffer));
        assembly ("memory-safe") {
            mcopy(add(point, 0x20), add(add(buffer, 0x20), 0x80), 0x100)
        }
    }

    /// @notice high · 2^256 + low modulo the field's prime, in two words.
    function reduce(uint256 high, uint256 low) external pure returns (uint256, uint256) {
        return HashToCurve.reduce(high, low);
    }

    /// @notice Gas of one hash, without the call around it.
    function measure(bytes32 message) external view returns (uint256 gas) {
        uint256 buffer = _start(new bytes(HashToCurve.SIZE));
        uint256 before = gasleft();
        HashToCurve.hashToG2(message, buffer);
        gas = before - gasleft();
    }

    function _start(bytes memory data) private pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := add(data, 0x20)
        }
    }
}
