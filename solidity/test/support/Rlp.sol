// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title RLP in its plainest form, to build what the contracts have to agree with.
library Rlp {
    function string_(bytes memory data) internal pure returns (bytes memory) {
        if (data.length == 1 && uint8(data[0]) < 0x80) return data;
        return bytes.concat(_tag(0x80, data.length), data);
    }

    function list(bytes memory payload) internal pure returns (bytes memory) {
        return bytes.concat(_tag(0xc0, payload.length), payload);
    }

    function integer(uint256 value) internal pure returns (bytes memory) {
        return string_(minimal(value));
    }

    function word(bytes32 value) internal pure returns (bytes memory) {
        return string_(abi.encodePacked(value));
    }

    /// @notice Big-endian without leading zeros; zero has no byte.
    function minimal(uint256 value) internal pure returns (bytes memory data) {
        while (value != 0) {
            data = bytes.concat(bytes1(uint8(value)), data);
            value >>= 8;
        }
    }

    function _tag(uint256 base, uint256 length) private pure returns (bytes memory) {
        if (length < 56) return abi.encodePacked(uint8(base + length));
        bytes memory size = minimal(length);
        return bytes.concat(bytes1(uint8(base + 55 + size.length)), size);
    }
}
