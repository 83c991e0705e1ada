// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A message as a test knows it.
struct Sent {
    bytes32 laneId;
    uint64 sequence;
    bytes32 sender;
    bytes32 recipient;
    uint32 gasLimit;
    uint64 deadline;
    uint128 fee;
    bytes payload;
    bytes32 leaf;
}

/// @title Writes batches (docs/reference/wire-formats.md §4), apart from the contracts that read them.
library BatchEncoder {
    struct Options {
        uint32 extraGas;
        /// Repeats every field in every item, though it is as before.
        bool spellOut;
        /// Writes senders and recipients with 32 bytes, though 20 suffice.
        bool wide;
    }

    /// @notice The bytes before the items.
    function prologue(
        bytes32 source,
        bytes32 channel,
        uint8 flags,
        bytes32 previousHead,
        uint64 first,
        uint32 extraGas,
        uint16 count
    ) internal pure returns (bytes memory) {
        bytes memory lane = channel == 0 && flags == 0
            ? abi.encodePacked(uint8(0))
            : abi.encodePacked(uint8(1), channel, flags);
        return abi.encodePacked(source, lane, previousHead, first, extraGas, count);
    }

    function leafItem(bytes32 leaf) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0), leaf);
    }

    /// @notice A full item, shortened against the full item before it (`hasPrevious` false: none).
    function fullItem(Sent memory message, Sent memory previous, bool hasPrevious, Options memory options)
        internal
        pure
        returns (bytes memory)
    {
        bool all = options.spellOut;
        Sent memory before;
        if (hasPrevious) before = previous;
        (uint8 kind, bytes memory fields) =
            _account(message.sender, options.wide, all || !hasPrevious || message.sender != before.sender);
        uint8 tag = 0x80 | kind;
        bytes memory more;
        (kind, more) =
            _account(message.recipient, options.wide, all || !hasPrevious || message.recipient != before.recipient);
        tag |= kind << 2;
        fields = bytes.concat(fields, more);
        (kind, more) = _numbers(message, before, all);
        tag |= kind;
        return bytes.concat(bytes1(tag), fields, more, bytes3(uint24(message.payload.length)), message.payload);
    }

    function _numbers(Sent memory message, Sent memory before, bool all)
        private
        pure
        returns (uint8 tag, bytes memory fields)
    {
        if (all || message.gasLimit != before.gasLimit) {
            tag = 0x10;
            fields = abi.encodePacked(message.gasLimit);
        }
        if (all || message.deadline != before.deadline) {
            tag |= 0x20;
            fields = abi.encodePacked(fields, message.deadline);
        }
        if (all || message.fee != before.fee) {
            tag |= 0x40;
            fields = abi.encodePacked(fields, message.fee);
        }
    }

    /// @notice A run of messages: bit i of `full` says that message i goes whole, else only as its leaf.
    function items(Sent[] memory messages, uint256 from, uint256 to, uint256 full, Options memory options)
        internal
        pure
        returns (bytes memory out)
    {
        Sent memory previous;
        bool hasPrevious;
        for (uint256 i = from; i < to; ++i) {
            if (full >> (i - from) & 1 == 0) {
                out = bytes.concat(out, leafItem(messages[i].leaf));
            } else {
                out = bytes.concat(out, fullItem(messages[i], previous, hasPrevious, options));
                previous = messages[i];
                hasPrevious = true;
            }
        }
    }

    function tail(Sent[] memory messages, uint256 from, uint256 to) internal pure returns (bytes memory out) {
        for (uint256 i = from; i < to; ++i) {
            out = bytes.concat(out, messages[i].leaf);
        }
    }

    function _account(bytes32 account, bool wide, bool there) private pure returns (uint8 kind, bytes memory) {
        if (!there) return (0, "");
        if (wide || uint256(account) >> 160 != 0) return (2, abi.encodePacked(account));
        return (1, abi.encodePacked(uint160(uint256(account))));
    }
}
