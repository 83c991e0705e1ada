// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SszTree} from "../../../../src/light_clients/ethereum/SszTree.sol";

/// @title Multiproofs by themselves.
contract SszTreeHarness {
    /// @notice The root that leaves at these places, and siblings, lead to; how many bytes of siblings were read; and gas.
    function multiproof(uint256 leaves, uint256[] calldata places, bytes32[] calldata nodes, bytes calldata siblings)
        external
        view
        returns (bytes32 root, uint256 read, uint256 gas)
    {
        uint256 memory_;
        uint256 start;
        assembly ("memory-safe") {
            memory_ := mload(0x40)
            mstore(0x40, add(memory_, shl(6, places.length)))
            for { let i := 0 } lt(i, places.length) { i := add(i, 1) } {
                mstore(add(memory_, shl(6, i)), add(leaves, calldataload(add(places.offset, shl(5, i)))))
                mstore(add(add(memory_, shl(6, i)), 0x20), calldataload(add(nodes.offset, shl(5, i))))
            }
            start := siblings.offset
        }
        gas = gasleft();
        (root, read) = SszTree.multiproof(memory_, memory_ + 64 * places.length, start);
        gas -= gasleft();
        read -= start;
    }

    function number(bytes calldata data) external pure returns (uint256) {
        return SszTree.number(_start(data));
    }

    function numberLeaf(bytes calldata data) external pure returns (bytes32) {
        return SszTree.numberLeaf(_start(data));
    }

    function _start(bytes calldata data) private pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := data.offset
        }
    }
}
