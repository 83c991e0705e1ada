// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {CanonicalAddress} from "./CanonicalAddress.sol";

/// @title ERC-7930 addresses of eip155 chains, written and read.
/// @notice OpenZeppelin's InteroperableAddress does the same and more, but what it imports uses MCOPY, so it can't be compiled
/// for the rules before Cancun; contracts of every EVM need this much of it.
library EvmAddress {
    /// @notice A chain's part of an address: version 1, chain type 0, the chain id without leading zeros (0 has one byte).
    function chainPart(uint256 chainId) internal pure returns (bytes memory part) {
        uint256 size = 1;
        // A shift by 256 bits gives 0, so it ends at 32.
        while (chainId >> 8 * size != 0) ++size;
        part = abi.encodePacked(bytes4(0x00010000), uint8(size), chainId << 256 - 8 * size);
        assembly ("memory-safe") {
            mstore(part, add(5, size))
        }
    }

    /// @notice An address in canonical form.
    function write(uint256 chainId, address account) internal pure returns (bytes memory) {
        return abi.encodePacked(chainPart(chainId), uint8(20), account);
    }

    /// @notice Reads what `write` writes.
    /// @return valid False for anything that `write` doesn't write; the rest is then meaningless.
    function read(bytes calldata interoperable) internal pure returns (bool valid, uint256 chainId, address account) {
        // slither-disable-next-line unused-return
        (bool canonical, uint256 chainLength,, bytes32 word) = CanonicalAddress.read(interoperable);
        // A chain type that is not eip155 has other addresses.
        if (!canonical || bytes2(interoperable[2:4]) != 0) return (false, 0, address(0));
        return (
            true,
            uint256(bytes32(interoperable[5:chainLength])) >> 256 - 8 * (chainLength - 5),
            address(uint160(uint256(word)))
        );
    }
}
