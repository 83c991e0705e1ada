// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Names of lanes, and the storage slots that proofs refer to (docs/reference/wire-formats.md §1 and §3).
/// @notice Slots are protocol: light clients on other chains prove them, so they can never move.
library Lanes {
    uint256 internal constant VERSION = 1;

    /// @dev ERC-7201 bases: keccak256(abi.encode(uint256(keccak256(namespace)) - 1)) & ~0xff.
    /// `postroad.outbox.heads`: the running head after the last message of a page.
    bytes32 internal constant HEADS = 0xdc7e0517465cb3979a4c8ded9588f8fd2e36452a1f472b01ea8aef9ef6638500;
    /// `postroad.inbox.delivered`: a page's messages that were executed with success, one bit each.
    bytes32 internal constant DELIVERED = 0x209e2bc22128d23fa3b660b72dd8828d83a80ecb05fa253a55ce5c4fd03b1f00;
    /// `postroad.outbox.expired`: reserved for messages that expired on the source, one bit each.
    bytes32 internal constant EXPIRED = 0x430c462bf31d1ab6f07bdadd66a5c1e123a815391e154d3100839257e4449500;

    /// @notice Messages that share a page: one storage word holds a bit for each.
    uint256 internal constant PAGE = 256;

    function id(bytes32 source, bytes32 destination, bytes32 channel, uint256 flags)
        internal
        pure
        returns (bytes32 laneId)
    {
        // Hashed in free memory without taking it: abi.encode would leave 192 bytes behind on the hottest path.
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, VERSION)
            mstore(add(at, 0x20), source)
            mstore(add(at, 0x40), destination)
            mstore(add(at, 0x60), channel)
            mstore(add(at, 0x80), flags)
            laneId := keccak256(at, 0xa0)
        }
    }

    /// @notice What the slots of one lane's pages have in common, for `slot`.
    function root(bytes32 base, bytes32 laneId) internal pure returns (bytes32) {
        return _pair(laneId, base);
    }

    function slot(bytes32 root_, uint256 page) internal pure returns (bytes32) {
        return _pair(bytes32(page), root_);
    }

    /// @dev The words are the protocol's, not the compiler's: no Solidity variable stands for them.
    function load(bytes32 slot_) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(slot_)
        }
    }

    function store(bytes32 slot_, uint256 word) internal {
        assembly ("memory-safe") {
            sstore(slot_, word)
        }
    }

    function _pair(bytes32 left, bytes32 right) private pure returns (bytes32 hash) {
        // Two words fit the scratch space, so nothing is allocated.
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            hash := keccak256(0x00, 0x40)
        }
    }
}
