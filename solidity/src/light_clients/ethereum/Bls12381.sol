// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @dev The prime of BLS12-381's field, in two words, and (p - 1) / 2.
uint256 constant PRIME_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
uint256 constant PRIME_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
uint256 constant HALF_HIGH = 0x0d0088f51cbff34d258dd3db21a5d66b;
uint256 constant HALF_LOW = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;

/// @title Points of BLS12-381 in memory, by the precompiles of EIP-2537.
/// @notice Field elements are two words, points of G1 4 words, of G2 8; all zero is infinity. The precompiles refuse
/// coordinates from p on and points off the curve; the pairing also what is outside of the subgroup.
library Bls12381 {
    /// @notice A precompile of this address refused its input, or is not there.
    error PrecompileFailed(uint256 precompile);
    /// @notice The precompiles of EIP-2537 are missing: this chain is older than Prague, or is no such chain.
    error NoBlsPrecompiles();

    uint256 internal constant G1_SIZE = 0x80;
    uint256 internal constant G2_SIZE = 0x100;
    /// @notice Two pairs of points, as the pairing takes them.
    uint256 internal constant PAIRS_SIZE = 0x300;

    uint256 private constant G1ADD = 0x0b;
    uint256 private constant G2ADD = 0x0d;
    uint256 private constant PAIRING = 0x0f;
    uint256 private constant MAP_FP2_TO_G2 = 0x11;

    /// @notice Writes the generator of G1.
    function writeGenerator(uint256 to) internal pure {
        assembly ("memory-safe") {
            mstore(to, 0x17f1d3a73197d7942695638c4fa9ac0f)
            mstore(add(to, 0x20), 0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb)
            mstore(add(to, 0x40), 0x08b3f481e3aaa0f1a09e30ed741d8ae4)
            mstore(add(to, 0x60), 0xfcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1)
        }
    }

    /// @notice Adds two points of G1 that lie together; `to` may be one of them.
    function addG1(uint256 from, uint256 to) internal view {
        _call(G1ADD, from, 2 * G1_SIZE, to, G1_SIZE);
    }

    /// @notice Adds two points of G2 that lie together.
    function addG2(uint256 from, uint256 to) internal view {
        _call(G2ADD, from, 2 * G2_SIZE, to, G2_SIZE);
    }

    /// @notice Maps an element of the quadratic extension, 4 words, into the subgroup G2.
    function mapToG2(uint256 from, uint256 to) internal view {
        _call(MAP_FP2_TO_G2, from, 0x80, to, G2_SIZE);
    }

    /// @notice Whether the pairings of two pairs, each a point of G1 and one of G2, have the product one.
    function pairsCancel(uint256 pairs) internal view returns (bool holds) {
        _call(PAIRING, pairs, PAIRS_SIZE, 0x00, 0x20);
        assembly ("memory-safe") {
            holds := mload(0x00)
        }
    }

    /// @notice Asks each precompile for a sum, map or product of zeros. An account without code would answer nothing.
    function requirePrecompiles() internal view {
        bytes memory zeros = new bytes(2 * G2_SIZE);
        bytes memory answer = new bytes(G2_SIZE);
        bool found;
        assembly ("memory-safe") {
            function answers(precompile, size, expected, input, output) -> yes {
                yes := staticcall(gas(), precompile, input, size, output, expected)
                yes := and(yes, eq(returndatasize(), expected))
            }
            let input := add(zeros, 0x20)
            let output := add(answer, 0x20)
            found := answers(G1ADD, 0x100, 0x80, input, output)
            found := and(found, answers(G2ADD, 0x200, 0x100, input, output))
            found := and(found, answers(MAP_FP2_TO_G2, 0x80, 0x100, input, output))
            found := and(found, answers(PAIRING, 0x180, 0x20, input, output))
            // Infinity pairs to one.
            found := and(found, eq(mload(output), 1))
        }
        if (!found) revert NoBlsPrecompiles();
    }

    /// @dev Success alone says nothing: what has no code succeeds.
    function _call(uint256 precompile, uint256 from, uint256 size, uint256 to, uint256 expected) private view {
        bool done;
        assembly ("memory-safe") {
            done := staticcall(gas(), precompile, from, size, to, expected)
            done := and(done, eq(returndatasize(), expected))
        }
        if (!done) revert PrecompileFailed(precompile);
    }
}
