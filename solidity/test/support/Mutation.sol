// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Bytes with one to three changes, as a seed says.
library Mutation {
    function make(bytes memory data, uint256 seed) internal pure returns (bytes memory) {
        uint256 changes = 1 + seed % 3;
        for (uint256 i = 0; i < changes; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            data = _change(data, seed % 8, seed >> 8);
        }
        return data;
    }

    function _change(bytes memory data, uint256 kind, uint256 random) private pure returns (bytes memory out) {
        uint256 length = data.length;
        if (length == 0) return abi.encodePacked(uint8(random));
        uint256 place = random % length;
        uint256 other = (random >> 64) % length;
        bytes1 value = bytes1(uint8(random >> 128));
        // Small values are what lengths, depths and kinds are made of.
        if (random >> 136 & 1 != 0) value &= 0x07;
        uint256 size = 1 + (random >> 140) % 4;

        out = bytes.concat(data);
        if (kind == 0) {
            out[place] ^= bytes1(uint8(1 << (random >> 128 & 7)));
        } else if (kind == 1) {
            out[place] = value;
        } else if (kind == 2) {
            (out[place], out[other]) = (out[other], out[place]);
        } else if (kind == 3) {
            out = bytes.concat(_slice(data, 0, place), value, _slice(data, place, length));
        } else if (kind == 4) {
            uint256 end = place + size < length ? place + size : length;
            out = bytes.concat(_slice(data, 0, place), _slice(data, end, length));
        } else if (kind == 5) {
            // A word from elsewhere, as siblings, seals and roots are words.
            for (uint256 i = 0; i < 32 && place + i < length && other + i < length; ++i) {
                out[place + i] = data[other + i];
            }
        } else if (kind == 6) {
            out = _slice(data, 0, place);
        } else {
            out = bytes.concat(data, _slice(data, place, place + size < length ? place + size : length));
        }
    }

    function _slice(bytes memory data, uint256 from, uint256 to) private pure returns (bytes memory out) {
        out = new bytes(to - from);
        for (uint256 i = from; i < to; ++i) {
            out[i - from] = data[i];
        }
    }
}
