// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Copies within memory, for an EVM without MCOPY.
/// @notice The same interface as evm/cancun/Memory.sol; the foundry profile chooses between the two.
library Memory {
    /// @notice Copies `size` bytes and writes no other. Where the two places overlap, `to` must be the lower one.
    function copy(uint256 to, uint256 from, uint256 size) internal pure {
        // A word is read before any byte that a later word needs is written: the places of writing stay below those of reading.
        assembly ("memory-safe") {
            let shift := sub(from, to)
            for { let end := add(to, and(size, not(0x1f))) } lt(to, end) { to := add(to, 0x20) } {
                mstore(to, mload(add(to, shift)))
            }
            // The last bytes go in by a mask: what stands behind them stays.
            let rest := and(size, 0x1f)
            if rest {
                let behind := shr(shl(3, rest), not(0))
                mstore(to, or(and(mload(add(to, shift)), not(behind)), and(mload(to), behind)))
            }
        }
    }
}
