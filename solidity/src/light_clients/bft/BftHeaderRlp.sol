// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CompactProof} from "../../libraries/CompactProof.sol";

/// @title The RLP of a BFT header, written into memory from front to back.
/// @notice Words overhang into what is written after them, so the order matters. The list is longer than 255 bytes and
/// shorter than 65536, so that its tag has three bytes and no field before the numbers ever moves.
library BftHeaderRlp {
    /// @dev keccak256 of the empty list's RLP.
    bytes32 private constant NO_OMMERS = 0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347;
    /// @dev "ctical byzantine fault tolerance", by which Istanbul headers are told from others.
    bytes32 private constant ISTANBUL_DIGEST = 0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365;
    /// @dev sha256 of nothing.
    bytes32 private constant NO_REQUESTS = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    /// @notice Places of fields, from the list's first byte.
    uint256 internal constant TRANSACTIONS_ROOT = 124;
    uint256 internal constant RECEIPTS_ROOT = 157;
    uint256 internal constant BLOOM = 192;
    uint256 internal constant NUMBERS = 449;

    /// @notice Where the list begins in its memory: its tag is written with 29 bytes before it.
    uint256 internal constant LIST_OFFSET = 32;
    /// @notice Memory for all that precedes extraData, and for all the rest but the validators, with room for what overhangs.
    uint256 internal constant FRONT_SIZE = 0x220;
    uint256 internal constant BACK_SIZE = 0x300;
    /// @notice A validator in the list: its tag and its address.
    uint256 internal constant VALIDATOR_SIZE = 21;
    /// @notice In legacy Istanbul: r, s and the parity.
    uint256 internal constant PROPOSER_SEAL_SIZE = 65;

    /// @dev The tags of an empty string and an empty list.
    uint256 private constant STRING = 0x80;
    uint256 private constant LIST = 0xc0;

    /// @notice Takes memory; what is taken twice in a row lies together.
    function allocate(uint256 size) internal pure returns (uint256 memory_) {
        assembly ("memory-safe") {
            memory_ := mload(0x40)
            mstore(0x40, add(memory_, size))
        }
    }

    /// @notice Writes the fields up to the bloom's tag: parentHash and beneficiary from calldata, the roots as given.
    function writeRoots(
        uint256 list,
        uint256 position,
        bytes32 stateRoot,
        bytes32 transactionsRoot,
        bytes32 receiptsRoot
    ) internal pure {
        assembly ("memory-safe") {
            mstore8(add(list, 3), 0xa0)
            mstore(add(list, 4), calldataload(position))
            mstore8(add(list, 36), 0xa0)
            mstore(add(list, 37), NO_OMMERS)
            mstore8(add(list, 69), 0x94)
            mstore(add(list, 70), calldataload(add(position, 32)))
            mstore8(add(list, 90), 0xa0)
            mstore(add(list, 91), stateRoot)
            mstore8(add(list, 123), 0xa0)
            mstore(add(list, TRANSACTIONS_ROOT), transactionsRoot)
            mstore8(add(list, 156), 0xa0)
            mstore(add(list, RECEIPTS_ROOT), receiptsRoot)
            // A string of 256 bytes.
            mstore(add(list, 189), shl(232, 0xb90100))
        }
    }

    /// @notice Writes difficulty 1 before the numbers, and the numbers.
    function writeNumbers(uint256 list, uint256 position, uint256 size) internal pure returns (uint256 end) {
        assembly ("memory-safe") {
            end := add(list, NUMBERS)
            mstore8(sub(end, 1), 1)
            calldatacopy(end, position, size)
            end := add(end, size)
        }
    }

    /// @notice Writes extraData's tags, the vanity and the validators' tag, and returns the place of the first validator.
    /// @param validatorsSize, endingSize Sizes of the validators' payload, and of all that follows them in extraData.
    function openExtraData(uint256 place, bytes32 vanity, uint256 validatorsSize, uint256 endingSize)
        internal
        pure
        returns (uint256 validators)
    {
        assembly ("memory-safe") {
            let size := add(validatorsSize, endingSize)
            switch and(gt(validatorsSize, 55), lt(size, 217))
            case 1 {
                // 3 to 10 validators: the tags of string, list and validators have one byte of length each.
                mstore(place, shl(216, add(0xb825f823a0, mul(0x01000100, size))))
                mstore(add(place, 5), vanity)
                mstore(add(place, 37), shl(240, or(0xf800, validatorsSize)))
                validators := add(place, 39)
            }
            default {
                switch lt(size, 22)
                case 1 {
                    // No validators, and an ending so short that no tag has a length of its own.
                    mstore(place, shl(232, add(0xa3e2a0, mul(0x010100, size))))
                    mstore(add(place, 3), vanity)
                    mstore8(add(place, 35), 0xc0)
                    validators := add(place, 36)
                }
                default {
                    // More than 55 bytes: the outer tags have a length.
                    function longTag(short, payload) -> tag, tagSize {
                        let wide := shl(3, gt(payload, 0xff))
                        tag := shl(sub(240, wide), add(shl(wide, shl(8, short)), add(shl(13, wide), payload)))
                        tagSize := add(2, shr(3, wide))
                    }

                    let validatorsTag, validatorsTagSize
                    switch gt(validatorsSize, 55)
                    case 1 { validatorsTag, validatorsTagSize := longTag(0xf8, validatorsSize) }
                    default {
                        validatorsTag := shl(248, add(0xc0, validatorsSize))
                        validatorsTagSize := 1
                    }
                    size := add(add(33, validatorsTagSize), size)
                    let listTag, listTagSize := longTag(0xf8, size)
                    let stringTag, stringTagSize := longTag(0xb8, add(size, listTagSize))
                    mstore(place, stringTag)
                    place := add(place, stringTagSize)
                    mstore(place, listTag)
                    place := add(place, listTagSize)
                    mstore8(place, 0xa0)
                    mstore(add(place, 1), vanity)
                    mstore(add(place, 33), validatorsTag)
                    validators := add(add(place, 33), validatorsTagSize)
                }
            }
        }
    }

    /// @notice Writes the payload of the validators' list, and hashes it.
    function writeValidators(uint256 place, uint256 position, uint256 size) internal pure returns (bytes32 setHash) {
        // Four at a time: what is too much is overwritten by what follows the list, or lies beyond the header.
        assembly ("memory-safe") {
            let tag := shl(248, 0x94)
            let end := add(place, size)
            for { let to := place } lt(to, end) { to := add(to, 84) } {
                mstore(to, or(tag, shr(8, calldataload(position))))
                mstore(add(to, 21), or(tag, shr(8, calldataload(add(position, 20)))))
                mstore(add(to, 42), or(tag, shr(8, calldataload(add(position, 40)))))
                mstore(add(to, 63), or(tag, shr(8, calldataload(add(position, 60)))))
                position := add(position, 80)
            }
            setHash := keccak256(place, size)
        }
    }

    /// @notice Writes extraData of legacy Istanbul, and hashes the validators' list: the vanity, then a list of the validators,
    /// the proposer's seal, and no others. Takes the memory for it and for what follows.
    /// @param position, seal Positions of the first validator and of the proposer's seal.
    function writeIstanbul(uint256 place, bytes32 vanity, uint256 position, uint256 count, uint256 seal)
        internal
        pure
        returns (bytes32 setHash, uint256 end)
    {
        unchecked {
            uint256 size = count * VALIDATOR_SIZE;
            allocate(BACK_SIZE + size);
            // The seal with its tag, and the empty list.
            uint256 listSize = _tagSize(size) + size + 2 + PROPOSER_SEAL_SIZE + 1;
            place = _writeTag(place, STRING, 32 + _tagSize(listSize) + listSize);
            assembly ("memory-safe") {
                mstore(place, vanity)
            }
            place = _writeTag(place + 32, LIST, listSize);
            place = _writeTag(place, LIST, size);
            assembly ("memory-safe") {
                end := add(place, size)
                for { let to := place } lt(to, end) { to := add(to, VALIDATOR_SIZE) } {
                    mstore(to, or(shl(248, 0x94), shr(8, calldataload(position))))
                    position := add(position, 20)
                }
                setHash := keccak256(place, size)
                mstore(end, shl(240, add(0xb800, PROPOSER_SEAL_SIZE)))
                calldatacopy(add(end, 2), seal, PROPOSER_SEAL_SIZE)
                end := add(end, add(PROPOSER_SEAL_SIZE, 3))
                mstore8(sub(end, 1), 0xc0)
            }
        }
    }

    /// @notice Writes a nonce from calldata into what `writeConstants` wrote at `place`.
    function writeNonce(uint256 place, uint256 position) internal pure {
        assembly ("memory-safe") {
            place := add(place, 34)
            let nonce := shr(192, calldataload(position))
            mstore(place, or(shl(192, nonce), shr(64, shl(64, mload(place)))))
        }
    }

    /// @notice Hashes a list whose tag `hashList` wrote, and unless `onChain` what validators of legacy Istanbul sign of it:
    /// the hash, and the code of the message COMMIT.
    function istanbulHash(uint256 list, uint256 end, bool onChain) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(list, sub(end, list))
            if iszero(onChain) {
                mstore(0x00, hash)
                mstore8(0x20, 2)
                hash := keccak256(0x00, 33)
            }
        }
    }

    /// @dev The tag of an RLP string or list of fewer than 65,536 bytes, a string's not of one byte.
    function _writeTag(uint256 place, uint256 short, uint256 payload) private pure returns (uint256 end) {
        assembly ("memory-safe") {
            switch gt(payload, 55)
            case 0 {
                mstore8(place, add(short, payload))
                end := add(place, 1)
            }
            default {
                let wide := gt(payload, 0xff)
                mstore8(place, add(add(short, 56), wide))
                mstore(add(place, 1), shl(sub(248, shl(3, wide)), payload))
                end := add(add(place, 2), wide)
            }
        }
    }

    function _tagSize(uint256 payload) private pure returns (uint256 size) {
        assembly ("memory-safe") {
            size := add(1, add(gt(payload, 55), gt(payload, 0xff)))
        }
    }

    /// @notice Writes what is at `position` in calldata, or the word if that is 0.
    function writeItem(uint256 place, uint256 position, uint256 size, bytes32 word)
        internal
        pure
        returns (uint256 end)
    {
        assembly ("memory-safe") {
            switch position
            case 0 { mstore(place, word) }
            default { calldatacopy(place, position, size) }
            end := add(place, size)
        }
    }

    /// @notice Writes mixHash, nonce, and `size` bytes of calldata: baseFee or a raw tail.
    function writeConstants(uint256 place, uint256 position, uint256 size) internal pure returns (uint256 end) {
        assembly ("memory-safe") {
            mstore8(place, 0xa0)
            mstore(add(place, 1), ISTANBUL_DIGEST)
            mstore(add(place, 33), shl(248, 0x88))
            place := add(place, 42)
            calldatacopy(place, position, size)
            end := add(place, size)
        }
    }

    /// @notice Writes withdrawalsRoot of no withdrawals.
    function writeShanghai(uint256 place) internal pure returns (uint256 end) {
        return _writeHash(place, CompactProof.EMPTY_ROOT);
    }

    /// @notice Writes blobGasUsed 0, excessBlobGas 0, parentBeaconBlockRoot 0.
    function writeCancun(uint256 place) internal pure returns (uint256 end) {
        assembly ("memory-safe") {
            mstore(place, shl(240, 0x8080))
            place := add(place, 2)
        }
        return _writeHash(place, 0);
    }

    /// @notice Writes requestsHash of no requests.
    function writePrague(uint256 place) internal pure returns (uint256 end) {
        return _writeHash(place, NO_REQUESTS);
    }

    function _writeHash(uint256 place, bytes32 hash) private pure returns (uint256 end) {
        assembly ("memory-safe") {
            mstore8(place, 0xa0)
            mstore(add(place, 1), hash)
            end := add(place, 33)
        }
    }

    /// @notice Writes the list's tag, and hashes it. 29 bytes before the list are overwritten.
    function hashList(uint256 list, uint256 end) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let size := sub(end, list)
            // Right-aligned before the first field.
            mstore(sub(list, 29), or(0xf90000, sub(size, 3)))
            hash := keccak256(list, size)
        }
    }
}
