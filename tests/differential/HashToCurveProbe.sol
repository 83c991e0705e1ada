// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Bls12381} from "../../solidity/src/light_clients/ethereum/Bls12381.sol";
import {HashToCurve} from "../../solidity/src/light_clients/ethereum/HashToCurve.sol";

/// @title Hashes many messages in a call, each in the memory that the one before left behind.
contract HashToCurveProbe {
    /// @return points 256 bytes a message, as EIP-2537 has them.
    function hashAll(bytes32[] calldata messages) external view returns (bytes memory points) {
        points = new bytes(Bls12381.G2_SIZE * messages.length);
        bytes memory buffer = new bytes(HashToCurve.SIZE);
        uint256 start;
        assembly ("memory-safe") {
            start := add(buffer, 0x20)
        }
        for (uint256 i = 0; i < messages.length; ++i) {
            HashToCurve.hashToG2(messages[i], start);
            assembly ("memory-safe") {
                mcopy(add(add(points, 0x20), shl(8, i)), add(start, 0x80), 0x100)
            }
        }
    }

    /// @param numbers Two words each.
    /// @return remainders Two words each.
    function reduceAll(uint256[2][] calldata numbers) external pure returns (uint256[2][] memory remainders) {
        remainders = new uint256[2][](numbers.length);
        for (uint256 i = 0; i < numbers.length; ++i) {
            (remainders[i][0], remainders[i][1]) = HashToCurve.reduce(numbers[i][0], numbers[i][1]);
        }
    }
}
