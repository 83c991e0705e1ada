// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Memory} from "@postroad/evm/Memory.sol";
import {CompactProof} from "../../libraries/CompactProof.sol";
import {BftHeaderRlp} from "./BftHeaderRlp.sol";

/// @title Headers of QBFT, IBFT 2.0 and legacy Istanbul chains, put together again from the wire and checked seal by seal
/// (docs/reference/wire-formats.md §6.1).
/// @notice Constants of the consensus (difficulty, mixHash, no ommers) are never sent, so a header that has others
/// cannot be expressed: its hash is another one, and its seals recover to strangers.
///
/// Positions are places in calldata. The reader only moves forwards and uses no byte that it does not move past, and what
/// calldata lacks reads as zero: so one comparison of the position after all reading with the end of the argument covers
/// every bound, and it is the caller's to make.
library BftHeader {
    enum Kind {
        QBFT,
        IBFT2,
        ISTANBUL
    }

    /// @notice What a chain runs: one protocol, or one after the other. From the lowest byte up: the first one, the later one,
    /// and in all the rest the first block of the later one.
    type Kinds is uint256;

    /// @notice What is read from a header.
    struct Header {
        /// The commit-seal hash.
        bytes32 hash;
        /// The hash of its validators.
        bytes32 setHash;
        /// Block number.
        uint256 number;
        /// In seconds.
        uint256 timestamp;
        /// Position of the number of validators, whom it precedes. It is 0 where the chain takes them from a contract.
        uint256 validators;
        /// Position of the mask of those who sealed.
        uint256 sealers;
    }

    /// @notice The header breaks the format at this byte of calldata.
    error HeaderMalformed(uint256 position);
    /// @notice Block 0 has no seals, and every chain that shares its genesis has it.
    error GenesisHeader();
    /// @notice A seal is not the one of the validator whose bit stands for it. `recovered` is 0 when it is no signature.
    error SealRejected(uint256 index, address recovered, address expected);

    uint256 private constant BLOOM_MASK = 3;
    uint256 private constant BLOOM_WHOLE = 1;
    uint256 private constant BLOOM_SPARSE = 2;
    uint256 private constant HAS_VANITY = 1 << 2;
    uint256 private constant HAS_VOTE = 1 << 3;
    uint256 private constant HAS_ROUND = 1 << 4;
    uint256 private constant TAIL_SHIFT = 5;
    uint256 private constant TAIL_MASK = 7;
    uint256 private constant EMPTY_BLOCK = 1 << 8;
    uint256 private constant FLAGS_END = 1 << 9;

    /// @dev Beside the flags that are sent: whether to hash what the chain hashes instead of what validators seal, and the Kind.
    /// One word for all three leaves room on the stack.
    uint256 private constant ON_CHAIN = 1 << 9;
    uint256 private constant KIND_SHIFT = 16;
    uint256 private constant IS_IBFT2 = 1 << 16;
    uint256 private constant IS_ISTANBUL = 2 << 16;

    /// @dev Tails. The ordinary ones each add to the one before.
    uint256 private constant SHANGHAI = 2;
    uint256 private constant CANCUN = 3;
    uint256 private constant PRAGUE = 4;
    uint256 private constant RAW_TAIL = 7;

    uint256 private constant HASHES_OFFSET = 2;
    uint256 private constant STATE_ROOT_OFFSET = 2 + 32 + 20;
    /// @dev The nonce of legacy Istanbul, which votes by it.
    uint256 private constant NONCE_SIZE = 8;

    /// @notice `first` below the block `laterFrom`, `later` from it on.
    function kindsOf(Kind first, Kind later, uint64 laterFrom) internal pure returns (Kinds) {
        return Kinds.wrap(uint256(first) | (uint256(later) << 8) | (uint256(laterFrom) << 16));
    }

    /// @notice What `kindsOf` was given.
    function split(Kinds kinds) internal pure returns (Kind first, Kind later, uint64 laterFrom) {
        uint256 word = Kinds.unwrap(kinds);
        return (Kind(word & 0xff), Kind((word >> 8) & 0xff), uint64(word >> 16));
    }

    /// @notice The Kind of a block, by its number.
    function kindAt(Kinds kinds, uint256 height) internal pure returns (uint256 kind) {
        assembly ("memory-safe") {
            kind := byte(sub(31, iszero(lt(height, shr(16, kinds)))), kinds)
        }
    }

    /// @notice Reads a header that carries its stateRoot.
    function read(uint256 position, Kinds kinds) internal pure returns (Header memory header) {
        unchecked {
            (header.hash, header.setHash, header.number, header.timestamp, header.validators, header.sealers) =
                _read(position, position + STATE_ROOT_OFFSET + 32, stateRootAt(position), kinds, 0);
        }
    }

    /// @notice Reads a header that lacks its stateRoot, with this one. The fields of a Header, on the stack: every proof passes
    /// here, and memory costs.
    function readWith(uint256 position, Kinds kinds, bytes32 stateRoot)
        internal
        pure
        returns (bytes32 hash, bytes32 setHash, uint256 number, uint256 timestamp, uint256 validators, uint256 sealers)
    {
        unchecked {
            return _read(position, position + STATE_ROOT_OFFSET, stateRoot, kinds, 0);
        }
    }

    /// @notice The hash by which the chain knows a header that carries its stateRoot: the same for every round that it was
    /// sealed in.
    function onChainHash(uint256 position, Kinds kinds) internal pure returns (bytes32 hash) {
        unchecked {
            (hash,,,,,) = _read(position, position + STATE_ROOT_OFFSET + 32, stateRootAt(position), kinds, ON_CHAIN);
        }
    }

    /// @notice Reads a header with this stateRoot, whether it carries it or not.
    /// @param next The byte after beneficiary (`afterBeneficiary`), and 32 bytes further where the header carries its stateRoot.
    function readFrom(uint256 position, uint256 next, bytes32 stateRoot, Kinds kinds)
        internal
        pure
        returns (Header memory header)
    {
        (header.hash, header.setHash, header.number, header.timestamp, header.validators, header.sealers) =
            _read(position, next, stateRoot, kinds, 0);
    }

    /// @notice The position of the byte after a header's beneficiary, where its stateRoot stands if it carries it.
    function afterBeneficiary(uint256 position) internal pure returns (uint256) {
        unchecked {
            return position + STATE_ROOT_OFFSET;
        }
    }

    /// @notice As `onChainHash`, with arguments as for `readFrom`; and the position after the header's fields.
    function onChainHashFrom(uint256 position, uint256 next, bytes32 stateRoot, Kinds kinds)
        internal
        pure
        returns (bytes32 hash, uint256 end)
    {
        (hash,,,,, end) = _read(position, next, stateRoot, kinds, ON_CHAIN);
    }

    /// @notice The parentHash of a header.
    function parentHashAt(uint256 position) internal pure returns (bytes32) {
        unchecked {
            return _wordAt(position + HASHES_OFFSET);
        }
    }

    /// @notice The stateRoot of a header that carries it.
    function stateRootAt(uint256 position) internal pure returns (bytes32) {
        unchecked {
            return _wordAt(position + STATE_ROOT_OFFSET);
        }
    }

    /// @notice How many of `count` validators make a quorum: two thirds, rounded up.
    function quorum(uint256 count) internal pure returns (uint256) {
        unchecked {
            return (count * 2 + 2) / 3;
        }
    }

    /// @notice Reads who sealed.
    /// @return mask Bit i stands for validator i.
    /// @return seals The position of the first seal.
    function sealersOf(uint256 validators, uint256 sealers) internal pure returns (uint256 mask, uint256 seals) {
        unchecked {
            uint256 count = _byteAt(validators);
            uint256 size = (count + 7) >> 3;
            mask = uint256(_wordAt(sealers)) >> (256 - (size << 3));
            if (mask >> count != 0) revert HeaderMalformed(sealers);
            seals = sealers + size;
        }
    }

    /// @notice Checks every seal of a header, by its hash and positions.
    /// @param buffer 128 bytes of memory.
    /// @return found How many distinct members of its list sealed.
    /// @return next The position after the last seal.
    function checkSeals(bytes32 hash, uint256 validators, uint256 sealers, uint256 buffer)
        internal
        view
        returns (uint256 found, uint256 next)
    {
        unchecked {
            uint256 mask;
            (mask, next) = sealersOf(validators, sealers);
            uint256 validator = validators + 1;
            uint256 seals = next;
            bool valid = true;
            assembly ("memory-safe") {
                mstore(buffer, hash)
                for {} mask { mask := shr(1, mask) } {
                    if and(mask, 1) {
                        // r, and from EIP-2098's second word v, whose parity is the top bit, and s.
                        let parityAndS := calldataload(add(next, 32))
                        mstore(add(buffer, 0x20), add(27, shr(255, parityAndS)))
                        mstore(add(buffer, 0x40), calldataload(next))
                        mstore(add(buffer, 0x60), shr(1, shl(1, parityAndS)))
                        // What is no signature gives no answer, and leaves the last one in the scratch word.
                        pop(staticcall(gas(), 1, buffer, 0x80, 0x00, 0x20))
                        valid := and(eq(returndatasize(), 0x20), eq(mload(0x00), shr(96, calldataload(validator))))
                        if iszero(valid) { break }
                        next := add(next, 64)
                    }
                    validator := add(validator, 20)
                }
            }
            if (!valid) _rejectSeal((validator - validators) / 20, validator);
            found = (next - seals) >> 6;
        }
    }

    /// @dev After ecrecover's last answer.
    function _rejectSeal(uint256 index, uint256 validator) private pure {
        address recovered;
        assembly ("memory-safe") {
            if eq(returndatasize(), 0x20) { recovered := mload(0x00) }
        }
        revert SealRejected(index, recovered, address(bytes20(_wordAt(validator))));
    }

    /// @dev Reads a header in one pass, and writes its RLP as it goes.
    /// @param position Its first byte.
    /// @param next The byte after beneficiary, and after stateRoot if it carries one.
    /// @param form ON_CHAIN, or 0.
    function _read(uint256 position, uint256 next, bytes32 stateRoot, Kinds kinds, uint256 form)
        private
        pure
        returns (bytes32 hash, bytes32 setHash, uint256 number, uint256 timestamp, uint256 validators, uint256 sealers)
    {
        unchecked {
            uint256 flags = uint256(_wordAt(position)) >> 240;
            if (flags >= FLAGS_END) revert HeaderMalformed(position);
            flags |= form;
            uint256 list = BftHeaderRlp.allocate(BftHeaderRlp.FRONT_SIZE) + BftHeaderRlp.LIST_OFFSET;
            next = _readRoots(list, position, next, stateRoot, flags);
            next = _readBloom(list, next, flags);
            // Slither does not see that `back` reads it.
            // slither-disable-next-line write-after-write
            uint256 end;
            (number, timestamp, next, end) = _readNumbers(list, next);
            flags |= kindAt(kinds, number) << KIND_SHIFT;
            if (flags >= IS_ISTANBUL) (setHash, validators, next, end) = _readIstanbul(end, next, flags);
            else (setHash, validators, next, end) = _readExtraData(end, next, flags);
            uint256 back = end;
            (sealers, end) = _readTail(back, next, flags);
            hash = BftHeaderRlp.hashList(list, end);
            if (flags >= IS_ISTANBUL) hash = _istanbulHash(list, end, back, validators, flags);
        }
    }

    /// @dev Vanity, validators and the proposer's seal. The nonce, which is sent between the two, stands behind extraData.
    function _readIstanbul(uint256 place, uint256 position, uint256 flags)
        private
        pure
        returns (bytes32 setHash, uint256 validators, uint256 next, uint256 end)
    {
        unchecked {
            // Zero is what an absent vanity is.
            // slither-disable-next-line uninitialized-local
            bytes32 vanity;
            validators = position;
            if (flags & HAS_VANITY != 0) {
                vanity = _wordAt(validators);
                validators += 32;
            }
            uint256 count = _byteAt(validators);
            // Without a proposer's seal no block is one of legacy Istanbul.
            if (count == 0 || flags & HAS_ROUND == 0) revert HeaderMalformed(validators);
            next = validators + 1 + count * 20;
            if (flags & HAS_VOTE != 0) next += NONCE_SIZE;
            (setHash, end) = BftHeaderRlp.writeIstanbul(place, vanity, validators + 1, count, next);
            next += BftHeaderRlp.PROPOSER_SEAL_SIZE;
        }
    }

    /// @dev Puts the nonce into a header of legacy Istanbul that has been written to its end, and hashes it.
    /// @param back Where mixHash begins.
    function _istanbulHash(uint256 list, uint256 end, uint256 back, uint256 validators, uint256 flags)
        private
        pure
        returns (bytes32 hash)
    {
        unchecked {
            if (flags & HAS_VOTE != 0) BftHeaderRlp.writeNonce(back, validators + 1 + _byteAt(validators) * 20);
            hash = BftHeaderRlp.istanbulHash(list, end, flags & ON_CHAIN != 0);
        }
    }

    function _readRoots(uint256 list, uint256 position, uint256 rest, bytes32 stateRoot, uint256 flags)
        private
        pure
        returns (uint256 next)
    {
        unchecked {
            bytes32 transactionsRoot = CompactProof.EMPTY_ROOT;
            bytes32 receiptsRoot = CompactProof.EMPTY_ROOT;
            next = rest;
            if (flags & EMPTY_BLOCK == 0) {
                transactionsRoot = _wordAt(next);
                receiptsRoot = _wordAt(next + 32);
                next += 64;
            }
            BftHeaderRlp.writeRoots(list, position + HASHES_OFFSET, stateRoot, transactionsRoot, receiptsRoot);
        }
    }

    function _readBloom(uint256 list, uint256 position, uint256 flags) private pure returns (uint256 next) {
        unchecked {
            uint256 form = flags & BLOOM_MASK;
            uint256 bloom = list + BftHeaderRlp.BLOOM;
            if (form == BLOOM_WHOLE) {
                assembly ("memory-safe") {
                    calldatacopy(bloom, position, 256)
                }
                return position + 256;
            }
            assembly ("memory-safe") {
                // Past calldata's end there are zeros.
                calldatacopy(bloom, calldatasize(), 256)
            }
            if (form == 0) return position;
            if (form != BLOOM_SPARSE) revert HeaderMalformed(position);
            return _scatterBloom(bloom, position);
        }
    }

    /// @dev count u8 ‖ count × (place u8 ‖ byte ≠ 0), by ascending place.
    function _scatterBloom(uint256 bloom, uint256 position) private pure returns (uint256 next) {
        unchecked {
            uint256 count = _byteAt(position);
            next = position + 1 + (count << 1);
            bool valid = count != 0;
            assembly ("memory-safe") {
                // One more than the last place, so that places ascend and place 0 is above the start.
                let floor := 0
                for { let from := add(position, 1) } lt(from, next) { from := add(from, 2) } {
                    let pair := calldataload(from)
                    let above := add(byte(0, pair), 1)
                    valid := and(valid, and(gt(above, floor), gt(byte(1, pair), 0)))
                    floor := above
                    mstore8(add(bloom, byte(0, pair)), byte(1, pair))
                }
            }
            if (!valid) revert HeaderMalformed(position);
        }
    }

    /// @dev length u8 ‖ RLP of number, gasLimit, gasUsed, timestamp: canonical integers below 2^64.
    function _readNumbers(uint256 list, uint256 position)
        private
        pure
        returns (uint256 height, uint256 time, uint256 next, uint256 end)
    {
        unchecked {
            uint256 size = _byteAt(position);
            uint256 first = position + 1;
            uint256 flaws;
            assembly ("memory-safe") {
                // One number; `flaws` gathers what is wrong.
                function readNumber(place, flaws_) -> value, after, flaws__ {
                    let word := calldataload(place)
                    after := add(place, 1)
                    value := byte(0, word)
                    switch gt(value, 0x80)
                    case 0 {
                        // Below 0x80 the byte itself; but zero is the empty string, 0x80.
                        flaws__ := or(flaws_, iszero(value))
                        value := and(value, 0x7f)
                    }
                    default {
                        // No leading zero, and no tag before what is below 0x80.
                        let length := sub(value, 0x80)
                        after := add(after, length)
                        value := shr(sub(256, shl(3, length)), shl(8, word))
                        flaws__ := or(flaws_, or(gt(length, 8), or(iszero(byte(1, word)), lt(value, 0x80))))
                    }
                }
                height, next, flaws := readNumber(first, flaws)
                // gasLimit and gasUsed are checked and passed over.
                let gasLimit, gasUsed
                gasLimit, next, flaws := readNumber(next, flaws)
                gasUsed, next, flaws := readNumber(next, flaws)
                time, next, flaws := readNumber(next, flaws)
            }
            if (flaws | (next - first ^ size) != 0) revert HeaderMalformed(position);
            if (height == 0) revert GenesisHeader();
            end = BftHeaderRlp.writeNumbers(list, first, size);
        }
    }

    /// @dev Vanity, validators, vote and round.
    function _readExtraData(uint256 place, uint256 position, uint256 flags)
        private
        pure
        returns (bytes32 setHash, uint256 validators, uint256 next, uint256 end)
    {
        unchecked {
            bytes32 vanity;
            validators = position;
            if (flags & HAS_VANITY != 0) {
                vanity = _wordAt(validators);
                validators += 32;
            }
            uint256 count = _byteAt(validators);
            next = validators + 1 + count * 20;
            uint256 size = count * BftHeaderRlp.VALIDATOR_SIZE;
            // Taken right behind the front, so it needs no name of its own.
            // slither-disable-next-line unused-return
            BftHeaderRlp.allocate(BftHeaderRlp.BACK_SIZE + size);

            // What follows the validators: vote, round, and for QBFT the empty list of seals.
            (bytes32 ending, uint256 endingSize) = _ordinaryEnding(flags);
            uint256 unusual;
            if (flags & (HAS_VOTE | HAS_ROUND) != 0) {
                (unusual, endingSize, next) = _readEnding(next, flags);
            }

            place = BftHeaderRlp.openExtraData(place, vanity, size, endingSize);
            setHash = BftHeaderRlp.writeValidators(place, validators + 1, size);
            place += size;
            if (unusual == 0) {
                assembly ("memory-safe") {
                    mstore(place, ending)
                }
            } else {
                Memory.copy(place, unusual, endingSize);
            }
            end = place + endingSize;
        }
    }

    /// @dev No vote, round 0. On chain, IBFT 2.0 has no round.
    function _ordinaryEnding(uint256 flags) private pure returns (bytes32 ending, uint256 size) {
        if (flags & IS_IBFT2 == 0) return (hex"c080c0", 3);
        return (hex"808400000000", flags & ON_CHAIN != 0 ? 1 : 6);
    }

    /// @dev Vote and round as far as they are sent, put together in memory.
    function _readEnding(uint256 position, uint256 flags)
        private
        pure
        returns (uint256 ending, uint256 size, uint256 next)
    {
        unchecked {
            bool qbft = flags & IS_IBFT2 == 0;
            (uint256 vote, uint256 voteSize) = (0, 1);
            (uint256 round, uint256 roundSize) = (0, qbft ? 1 : 5);
            next = position;
            if (flags & HAS_VOTE != 0) (vote, voteSize, next) = _readItem(next);
            if (flags & HAS_ROUND != 0) (round, roundSize, next) = _readItem(next);
            if (flags & ON_CHAIN != 0) (round, roundSize) = (0, qbft ? 1 : 0);

            // Two items of up to 56 bytes, one byte, and a word that overhangs.
            ending = BftHeaderRlp.allocate(0xa0);
            uint256 end = BftHeaderRlp.writeItem(ending, vote, voteSize, qbft ? bytes32(hex"c0") : bytes32(hex"80"));
            end = BftHeaderRlp.writeItem(end, round, roundSize, qbft ? bytes32(hex"80") : bytes32(hex"8400000000"));
            if (qbft) end = BftHeaderRlp.writeItem(end, 0, 1, hex"c0");
            size = end - ending;
        }
    }

    /// @dev length u8 ‖ one RLP item whose first byte alone says its size, so that nothing can be split in two ways.
    /// @return item Its position.
    function _readItem(uint256 position) private pure returns (uint256 item, uint256 size, uint256 next) {
        unchecked {
            size = _byteAt(position);
            item = position + 1;
            next = item + size;
            uint256 tag = _byteAt(item);
            uint256 needed = 1;
            if (tag >= 0xc0) needed = tag - 0xbf;
            else if (tag >= 0x80) needed = tag - 0x7f;
            // Tags with a length of their own (0xb8..0xbf, 0xf8..0xff) would need 57 bytes or more.
            if (size != needed || size > 56) revert HeaderMalformed(position);
        }
    }

    /// @dev The fields that forks added, after mixHash and nonce.
    function _readTail(uint256 place, uint256 position, uint256 flags)
        private
        pure
        returns (uint256 next, uint256 end)
    {
        unchecked {
            uint256 tail = (flags >> TAIL_SHIFT) & TAIL_MASK;
            if (tail - 1 < PRAGUE) {
                uint256 size = _byteAt(position);
                if (!_isInteger(position + 1, size)) revert HeaderMalformed(position);
                end = BftHeaderRlp.writeConstants(place, position + 1, size);
                if (tail >= SHANGHAI) end = BftHeaderRlp.writeShanghai(end);
                if (tail >= CANCUN) end = BftHeaderRlp.writeCancun(end);
                if (tail >= PRAGUE) end = BftHeaderRlp.writePrague(end);
                return (position + 1 + size, end);
            }
            if (tail == 0) return (position, BftHeaderRlp.writeConstants(place, position, 0));
            if (tail != RAW_TAIL) revert HeaderMalformed(position);
            next = position + 1 + _byteAt(position);
            _checkStrings(position + 1, next);
            end = BftHeaderRlp.writeConstants(place, position + 1, next - position - 1);
        }
    }

    /// @dev Whether `size` bytes are a canonical integer below 2^256.
    function _isInteger(uint256 position, uint256 size) private pure returns (bool valid) {
        assembly ("memory-safe") {
            let word := calldataload(position)
            let tag := byte(0, word)
            switch size
            case 1 {
                // Zero is the empty string; what is below 0x80 stands for itself.
                valid := lt(sub(tag, 1), 0x80)
            }
            default {
                // The tag of its size, no leading zero, and two bytes only for what one cannot hold.
                valid := and(lt(sub(size, 2), 32), eq(tag, add(0x7f, size)))
                valid := and(valid, gt(byte(1, word), mul(0x7f, eq(size, 2))))
            }
        }
    }

    /// @dev 1 to 6 canonical strings fill position..end.
    function _checkStrings(uint256 position, uint256 end) private pure {
        unchecked {
            uint256 fields = 0;
            uint256 next = position;
            for (; next < end; ++fields) {
                next = _stringEnd(next);
            }
            if (next != end || fields == 0 || fields > 6) revert HeaderMalformed(position);
        }
    }

    /// @dev The end of a canonical RLP string of up to 255 bytes.
    function _stringEnd(uint256 position) private pure returns (uint256) {
        unchecked {
            uint256 tag = _byteAt(position);
            if (tag < 0x80) return position + 1;
            uint256 second = _byteAt(position + 1);
            bool shortest = tag == 0x81 ? second >= 0x80 : tag < 0xb8 || (tag == 0xb8 && second >= 56);
            if (!shortest) revert HeaderMalformed(position);
            return tag == 0xb8 ? position + 2 + second : position + tag - 0x7f;
        }
    }

    function _byteAt(uint256 position) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := byte(0, calldataload(position))
        }
    }

    function _wordAt(uint256 position) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(position)
        }
    }
}
