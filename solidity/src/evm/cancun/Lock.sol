// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title One lock a contract, in transient storage: the next transaction finds it open whatever happens.
/// @notice The same interface as evm/baseline/Lock.sol; the foundry profile chooses between the two.
library Lock {
    /// @notice To be called once, by the constructor of a contract that uses the lock.
    function prepare() internal pure {}

    function isTaken() internal view returns (bool taken) {
        assembly ("memory-safe") {
            taken := tload(0)
        }
    }

    /// @notice Only when it isn't taken.
    function take() internal {
        assembly ("memory-safe") {
            tstore(0, 1)
        }
    }

    /// @notice Only by whoever has taken it.
    function release() internal {
        assembly ("memory-safe") {
            tstore(0, 0)
        }
    }
}
