// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {Messages} from "./Messages.sol";

/// @title Reads ERC-7930 interoperable addresses, the canonical form only (docs/reference/wire-formats.md §1).
/// @notice One address has one encoding: version 1, a chain reference of at least one byte, an address of at least one,
/// nothing behind it. On eip155 chains the reference is the chain id without leading zeros and the address has 20 bytes.
library CanonicalAddress {
    /// @dev The chain type of ERC-7930 for eip155, as it stands in the bytes.
    uint256 internal constant EIP155 = 0;
    uint256 private constant VERSION_1 = 1;

    /// @notice Splits an address into the parts that the protocol hashes.
    /// @return valid False for anything but the canonical form; the rest is then meaningless.
    /// @return chainLength How many of the first bytes are the chain part: version, chain type, length, reference.
    /// @return addressLength 20 on eip155, else 1 to 32.
    /// @return account The address, padded on the left to 32 bytes.
    function read(bytes calldata interoperable)
        internal
        pure
        returns (bool valid, uint256 chainLength, uint256 addressLength, bytes32 account)
    {
        // One pass over at most three words. Reads past the end give bytes of other arguments or zeros: the length check at
        // the end rejects whatever they led to.
        assembly ("memory-safe") {
            let cursor := interoperable.offset
            let word := calldataload(cursor)
            chainLength := add(5, byte(4, word))
            let lengthAt := add(cursor, chainLength)
            addressLength := byte(0, calldataload(lengthAt))
            // A shift by 256 bits or more gives 0, so an empty or too long address does no harm before it is rejected.
            account := shr(sub(256, shl(3, addressLength)), calldataload(add(lengthAt, 1)))

            valid := and(
                eq(add(add(chainLength, addressLength), 1), interoperable.length),
                and(eq(shr(240, word), VERSION_1), gt(chainLength, 5))
            )
            switch and(shr(224, word), 0xffff)
            case 0 {
                // No leading zero in the chain id, and no chain id above 256 bits.
                valid := and(valid, and(and(eq(addressLength, 20), lt(chainLength, 38)), gt(byte(5, word), 0)))
            }
            default { valid := and(valid, lt(sub(addressLength, 1), 32)) }
        }
    }

    /// @notice The key of a chain's route.
    function routeKey(bytes calldata interoperable, uint256 chainLength) internal pure returns (bytes32) {
        uint256 cursor;
        assembly ("memory-safe") {
            cursor := interoperable.offset
        }
        return Messages.hashCalldata(cursor, chainLength);
    }
}
