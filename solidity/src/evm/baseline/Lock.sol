// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title One lock a contract, in storage of its own: for an EVM without transient storage.
/// @notice The same interface as evm/cancun/Lock.sol; the foundry profile chooses between the two.
///
/// The word is never zero after `prepare`: to take and to release the lock changes it and changes it back, which costs 5,000 and
/// 800 gas, 4,200 of them refunded (EIP-2200; from Berlin on 5,000 and 100 with 2,800 back), where a word that was zero would
/// cost 20,000 first. A transaction that reverts undoes both, so the lock is never left taken.
library Lock {
    /// @dev The ERC-7201 namespace `postroad.lock`: no declared variable has this slot, so both builds have one storage layout.
    uint256 private constant SLOT =
        uint256(keccak256(abi.encode(uint256(keccak256("postroad.lock")) - 1)) & ~bytes32(uint256(0xff)));
    uint256 private constant OPEN = 1;
    uint256 private constant TAKEN = 2;

    /// @notice To be called once, by the constructor of a contract that uses the lock.
    function prepare() internal {
        release();
    }

    function isTaken() internal view returns (bool taken) {
        uint256 slot = SLOT;
        assembly ("memory-safe") {
            taken := eq(sload(slot), TAKEN)
        }
    }

    /// @notice Only when it isn't taken.
    function take() internal {
        uint256 slot = SLOT;
        assembly ("memory-safe") {
            sstore(slot, TAKEN)
        }
    }

    /// @notice Only by whoever has taken it.
    function release() internal {
        uint256 slot = SLOT;
        assembly ("memory-safe") {
            sstore(slot, OPEN)
        }
    }
}
