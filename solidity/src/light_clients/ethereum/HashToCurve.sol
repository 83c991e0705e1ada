// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Bls12381, PRIME_HIGH, PRIME_LOW} from "./Bls12381.sol";

/// @title Hashing to G2 of BLS12-381: suite BLS12381G2_XMD:SHA-256_SSWU_RO_ of RFC 9380, with the domain tag that proof of
/// possession signatures have.
/// @notice SHA-256 expands the message to four field elements, and precompiles (EIP-2537) map and add them.
library HashToCurve {
    /// @notice The memory that it needs.
    uint256 internal constant SIZE = 0x300;
    /// @notice Where in that memory the point is left, 256 bytes as EIP-2537 has them.
    uint256 internal constant POINT = 0x80;

    /// @dev Where the two mapped points lie, and before that, what is hashed.
    uint256 private constant MAPPED = 0x100;
    /// @dev The three bytes and the tag that follow the message: 256, the length asked for, as two bytes; 0; the tag and its
    /// length.
    bytes32 private constant TAIL_BEGINS = "\x01\x00\x00BLS_SIG_BLS12381G2_XMD:SHA-25";
    bytes32 private constant TAIL_ENDS = "6_SSWU_RO_POP_\x2b";

    /// @dev floor(2^636 / p), below 2^256.
    uint256 private constant RECIPROCAL = 0x9d835d2f3cc9e45ce28101b0cc7a6ba291b82741ff6a0a94bdf4771e0286779d;

    /// @notice Hashes 32 bytes to G2.
    /// @param buffer SIZE bytes of memory, whatever is in it.
    function hashToG2(bytes32 message, uint256 buffer) internal view {
        unchecked {
            uint256 success;
            bytes32 first;
            uint256 block_ = buffer + MAPPED + 0x42;
            assembly ("memory-safe") {
                // 64 zero bytes ‖ message ‖ tail. Later 32 bytes and a counter stand right before the tag.
                let input := add(buffer, MAPPED)
                mstore(input, 0)
                mstore(add(input, 0x20), 0)
                mstore(add(input, 0x40), message)
                mstore(add(input, 0x60), TAIL_BEGINS)
                mstore(add(input, 0x80), TAIL_ENDS)
                success := staticcall(gas(), 2, input, 143, 0x00, 0x20)
                first := mload(0x00)
            }
            bytes32 previous = 0;
            for (uint256 i = 0; i < 4; ++i) {
                bytes32 high;
                assembly ("memory-safe") {
                    mstore(block_, xor(first, previous))
                    mstore8(add(block_, 0x20), add(shl(1, i), 1))
                    success := and(success, staticcall(gas(), 2, block_, 77, 0x00, 0x20))
                    high := mload(0x00)
                    mstore(block_, xor(first, high))
                    mstore8(add(block_, 0x20), add(shl(1, i), 2))
                    success := and(success, staticcall(gas(), 2, block_, 77, 0x00, 0x20))
                    previous := mload(0x00)
                }
                (uint256 elementHigh, uint256 elementLow) = reduce(uint256(high), uint256(previous));
                assembly ("memory-safe") {
                    let element := add(buffer, shl(6, i))
                    mstore(element, elementHigh)
                    mstore(add(element, 0x20), elementLow)
                }
            }
            if (success == 0) revert Bls12381.PrecompileFailed(2);
            Bls12381.mapToG2(buffer, buffer + MAPPED);
            Bls12381.mapToG2(buffer + 0x80, buffer + MAPPED + 0x100);
            Bls12381.addG2(buffer + MAPPED, buffer + POINT);
        }
    }

    /// @notice high · 2^256 + low modulo the field's prime. The modexp precompile would cost more, and 500 gas at least since
    /// EIP-7883.
    function reduce(uint256 high, uint256 low) internal pure returns (uint256, uint256) {
        assembly ("memory-safe") {
            function multiply(a, b) -> productHigh, productLow {
                let product := mulmod(a, b, not(0))
                productLow := mul(a, b)
                productHigh := sub(sub(product, productLow), lt(product, productLow))
            }
            // The quotient, or one less: what is left out, `low` and the reciprocal's fraction, is less than 2^-123 of one.
            let quotient, rest := multiply(high, RECIPROCAL)
            quotient := shr(124, quotient)
            let timesHigh, timesLow := multiply(quotient, PRIME_LOW)
            timesHigh := add(timesHigh, mul(quotient, PRIME_HIGH))
            high := sub(sub(high, timesHigh), lt(low, timesLow))
            low := sub(low, timesLow)
            if iszero(or(lt(high, PRIME_HIGH), and(eq(high, PRIME_HIGH), lt(low, PRIME_LOW)))) {
                high := sub(sub(high, PRIME_HIGH), lt(low, PRIME_LOW))
                low := sub(low, PRIME_LOW)
            }
        }
        return (high, low);
    }
}
