// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Copies within memory.
/// @notice The same interface as evm/baseline/Memory.sol; the foundry profile chooses between the two.
library Memory {
    /// @notice Copies `size` bytes and writes no other. Where the two places overlap, `to` must be the lower one.
    function copy(uint256 to, uint256 from, uint256 size) internal pure {
        assembly ("memory-safe") {
            mcopy(to, from, size)
        }
    }
}
