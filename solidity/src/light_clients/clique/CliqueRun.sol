// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CompactProof} from "../../libraries/CompactProof.sol";
import {CliqueSigners} from "./CliqueSigners.sol";

/// @title A run of consecutive Clique headers, put together from the wire and checked by the rules of EIP-225
/// (docs/reference/wire-formats.md §8.2).
/// @notice What a rule fixes is never sent (number and parent of all but the first, difficulty, mixHash, ommers, an epoch
/// block's signers), so a header that breaks it cannot be expressed: it hashes to something else, and its seal is nobody's.
///
/// Positions are places in calldata. The reader only moves forwards and uses no byte that it does not move past, and what
/// calldata lacks reads as zero: so one comparison of the position after all reading with the end of the argument covers
/// every bound, and it is the caller's to make.
library CliqueRun {
    struct Run {
        /// Who may seal the next header.
        address[] signers;
        uint256 epoch;
        /// Who sealed the headers so far, in their order.
        address[] sealers;
        uint256 count;
        /// Whether votes are counted, those that were, and how many headers there were at the last change of the signers.
        bool tallied;
        CliqueSigners.Votes votes;
        uint256 changed;
        /// Of the newest header.
        bytes32 hash;
        uint256 number;
        uint256 timestamp;
        bytes32 vanity;
        /// Memory in which headers are put together.
        uint256 list;
    }

    /// @dev A header while it is read.
    struct Header {
        uint256 flags;
        address signer;
        uint256 difficulty;
        bytes32 parent;
        uint256 number;
        uint256 timestamp;
        bytes32 vanity;
        address candidate;
        address[] listed;
        uint256 tail;
        uint256 tailSize;
        /// Where extraData begins in memory.
        uint256 extra;
    }

    /// @notice Bits of a header's flags that mean nothing.
    error FlagsUnknown(uint256 found);
    error SignerUnknown(uint256 index, uint256 count);
    /// @notice Block 0 has no seal.
    error GenesisHeader();
    error NotConsecutive(uint256 found, uint256 expected);
    error TimestampBelow(uint256 found, uint256 least);
    error EpochBlockVotes(uint256 number);
    /// @notice A seal is not that of the signer that the header names. `recovered` is 0 when it is no signature.
    error SealRejected(uint256 number, address recovered, address expected);
    /// @notice A signer sealed one of the last floor(n/2) blocks already.
    error SealedTooSoon(uint256 number, address signer);

    uint256 private constant PARITY = 1;
    uint256 private constant HAS_ROOTS = 1 << 1;
    uint256 private constant HAS_BLOOM = 1 << 2;
    uint256 private constant HAS_VANITY = 1 << 3;
    uint256 private constant HAS_VOTE = 1 << 4;
    uint256 private constant ADDS = 1 << 5;
    uint256 private constant HAS_TAIL = 1 << 6;
    uint256 private constant FLAGS_END = 1 << 7;

    /// @dev keccak256 of the empty list's RLP.
    bytes32 private constant NO_OMMERS = 0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347;

    /// @dev Places of fields, from the list's first byte. The list is longer than 255 bytes and shorter than 65536, so that
    /// its tag has three bytes and no field before the numbers ever moves.
    uint256 private constant BENEFICIARY = 70;
    uint256 private constant STATE_ROOT = 91;
    uint256 private constant TRANSACTIONS_ROOT = 124;
    uint256 private constant RECEIPTS_ROOT = 157;
    uint256 private constant BLOOM = 192;
    uint256 private constant DIFFICULTY = 448;
    /// @dev All fields but extraData's signers: 485 bytes at most before it, 100 of its own, 297 behind, a word that overhangs.
    uint256 private constant LIST_SIZE = 0x400;

    /// @notice Begins a run of up to `most` headers with the set that seals the first of them.
    function begin(address[] memory signers, uint256 epoch, uint256 most, bool tallied)
        internal
        pure
        returns (Run memory run)
    {
        unchecked {
            (run.signers, run.epoch, run.tallied) = (signers, epoch, tallied);
            run.sealers = new address[](most);
            if (tallied) {
                run.votes.voters = new address[](most);
                run.votes.candidates = new address[](most);
            }
            // A word before the list is written with its tag. Every header may add one signer.
            uint256 size = LIST_SIZE + 32 * (signers.length + (tallied ? most : 0));
            uint256 list;
            assembly ("memory-safe") {
                list := add(mload(0x40), 0x20)
                mstore(0x40, add(list, size))
            }
            run.list = list;
        }
    }

    /// @notice Reads the next header, which carries its stateRoot.
    function read(Run memory run, uint256 position) internal pure returns (uint256 next) {
        return _read(run, position, false, 0);
    }

    /// @notice Reads the next header, which lacks its stateRoot, with this one.
    function readWith(Run memory run, uint256 position, bytes32 stateRoot) internal pure returns (uint256 next) {
        return _read(run, position, true, stateRoot);
    }

    function _read(Run memory run, uint256 position, bool rooted, bytes32 stateRoot)
        private
        pure
        returns (uint256 next)
    {
        unchecked {
            // slither-disable-next-line uninitialized-local
            Header memory header;
            next = _readFields(run, header, position, rooted, stateRoot);
            _requireNext(run, header);

            bytes32 sealHash = _writeRest(run.list, header, 0);
            _requireSeal(run, header, sealHash, next);
            // The block's hash covers the seal, which stands behind the signers.
            run.hash = _writeRest(run.list, header, next);
            next += 64;

            run.sealers[run.count] = header.signer;
            ++run.count;
            (run.number, run.timestamp, run.vanity) = (header.number, header.timestamp, header.vanity);
            if (run.tallied) _tally(run, header);
        }
    }

    /// @dev Reads up to the seal, and writes the fields before extraData.
    function _readFields(Run memory run, Header memory header, uint256 position, bool rooted, bytes32 stateRoot)
        private
        pure
        returns (uint256 next)
    {
        unchecked {
            uint256 list = run.list;
            uint256 flags = _byteAt(position);
            if (flags >= FLAGS_END) revert FlagsUnknown(flags);
            header.flags = flags;
            uint256 index = _byteAt(position + 1);
            uint256 count = run.signers.length;
            if (index >= count) revert SignerUnknown(index, count);
            header.signer = run.signers[index];
            next = position + 2;

            header.parent = run.hash;
            if (run.count == 0) (header.parent, next) = (_wordAt(next), next + 32);
            bytes32 root = stateRoot;
            if (!rooted) (root, next) = (_wordAt(next), next + 32);
            uint256 numbers = uint256(_wordAt(next));
            next += 32;
            (header.number, header.timestamp) = (numbers >> 192, uint64(numbers));
            header.difficulty = header.number % count == index ? 2 : 1;
            if (header.number % run.epoch == 0) header.listed = run.signers;

            (bytes32 transactionsRoot, bytes32 receiptsRoot) = (CompactProof.EMPTY_ROOT, CompactProof.EMPTY_ROOT);
            if (flags & HAS_ROOTS != 0) {
                (transactionsRoot, receiptsRoot, next) = (_wordAt(next), _wordAt(next + 32), next + 64);
            }
            // Past calldata's end there are zeros.
            uint256 bloom = msg.data.length;
            if (flags & HAS_BLOOM != 0) (bloom, next) = (next, next + 256);
            header.vanity = run.vanity;
            if (flags & HAS_VANITY != 0) (header.vanity, next) = (_wordAt(next), next + 32);
            if (flags & HAS_VOTE != 0) (header.candidate, next) = (address(bytes20(_wordAt(next))), next + 20);
            if (flags & HAS_TAIL != 0) {
                header.tailSize = _byteAt(next);
                header.tail = next + 1;
                next = header.tail + header.tailSize;
            }
            _writeFront(list, header.parent, header.candidate, root);
            _writeRoots(list, transactionsRoot, receiptsRoot, bloom);
            header.extra = _writeNumbers(list + DIFFICULTY, header.difficulty, numbers);
        }
    }

    /// @dev Its place behind the header before it.
    function _requireNext(Run memory run, Header memory header) private pure {
        unchecked {
            if (run.count == 0) {
                if (header.number == 0) revert GenesisHeader();
            } else {
                if (header.number != run.number + 1) revert NotConsecutive(header.number, run.number + 1);
                if (header.timestamp < run.timestamp) revert TimestampBelow(header.timestamp, run.timestamp);
            }
            if (header.number % run.epoch == 0 && _hasVote(header)) revert EpochBlockVotes(header.number);
        }
    }

    /// @dev Its signer sealed it, and none of the last floor(n/2) headers.
    function _requireSeal(Run memory run, Header memory header, bytes32 sealHash, uint256 position) private pure {
        unchecked {
            uint8 v = uint8(27 + (header.flags & PARITY));
            address recovered = ecrecover(sealHash, v, _wordAt(position), _wordAt(position + 32));
            // No signer is zero, which is what no signature recovers to.
            if (recovered != header.signer) revert SealRejected(header.number, recovered, header.signer);
            uint256 waiting = run.signers.length / 2;
            for (uint256 i = run.count > waiting ? run.count - waiting : 0; i < run.count; ++i) {
                if (run.sealers[i] == recovered) revert SealedTooSoon(header.number, recovered);
            }
        }
    }

    /// @dev Votes are discarded by an epoch block; any other may hold one.
    function _tally(Run memory run, Header memory header) private pure {
        if (header.number % run.epoch == 0) {
            run.votes.count = 0;
        } else if (_hasVote(header)) {
            address[] memory before = run.signers;
            run.signers =
                CliqueSigners.vote(before, run.votes, header.signer, header.candidate, header.flags & ADDS != 0);
            bool same;
            assembly ("memory-safe") {
                same := eq(before, mload(run))
            }
            if (!same) run.changed = run.count;
        }
    }

    function _hasVote(Header memory header) private pure returns (bool) {
        return header.flags & ADDS != 0 || header.candidate != address(0);
    }

    // ------------------------------------------------------------------------------------------------ RLP

    /// @dev The fields up to stateRoot. Words overhang into what is written after them, so the order matters.
    function _writeFront(uint256 list, bytes32 parent, address candidate, bytes32 stateRoot) private pure {
        assembly ("memory-safe") {
            mstore8(add(list, 3), 0xa0)
            mstore(add(list, 4), parent)
            mstore8(add(list, 36), 0xa0)
            mstore(add(list, 37), NO_OMMERS)
            mstore8(add(list, 69), 0x94)
            mstore(add(list, BENEFICIARY), shl(96, candidate))
            mstore8(add(list, 90), 0xa0)
            mstore(add(list, STATE_ROOT), stateRoot)
        }
    }

    function _writeRoots(uint256 list, bytes32 transactionsRoot, bytes32 receiptsRoot, uint256 bloom) private pure {
        assembly ("memory-safe") {
            mstore8(add(list, 123), 0xa0)
            mstore(add(list, TRANSACTIONS_ROOT), transactionsRoot)
            mstore8(add(list, 156), 0xa0)
            mstore(add(list, RECEIPTS_ROOT), receiptsRoot)
            // A string of 256 bytes.
            mstore(add(list, 189), shl(232, 0xb90100))
            calldatacopy(add(list, BLOOM), bloom, 256)
        }
    }

    /// @dev difficulty; number, gasLimit, gasUsed and timestamp, 64 bits each in one word.
    function _writeNumbers(uint256 place, uint256 weight, uint256 numbers) private pure returns (uint256 end) {
        assembly ("memory-safe") {
            mstore8(place, weight)
            end := add(place, 1)
            for { let shift := 192 } lt(shift, 256) { shift := sub(shift, 64) } {
                let value := and(shr(shift, numbers), 0xffffffffffffffff)
                let size := 0
                for { let rest := value } rest { rest := shr(8, rest) } { size := add(size, 1) }
                // Below 0x80 a byte stands for itself; zero is the empty string.
                let tagged := iszero(and(lt(value, 0x80), gt(value, 0)))
                if tagged { mstore8(end, add(0x80, size)) }
                end := add(end, tagged)
                mstore(end, shl(sub(256, shl(3, size)), value))
                end := add(end, size)
            }
        }
    }

    /// @dev extraData with the seal at `seal` in calldata, or without one if that is 0, and all that follows; returns the
    /// hash of the whole list.
    function _writeRest(uint256 list, Header memory header, uint256 seal) private pure returns (bytes32 hash) {
        unchecked {
            address[] memory listed = header.listed;
            uint256 size = 32 + 20 * listed.length + (seal == 0 ? 0 : 65);
            (uint256 place, bytes32 vanity) = (header.extra, header.vanity);
            uint256 parity = header.flags & PARITY;
            assembly ("memory-safe") {
                // The string's tag, with up to two bytes of length.
                switch lt(size, 56)
                case 1 {
                    mstore8(place, add(0x80, size))
                    place := add(place, 1)
                }
                default {
                    let wide := gt(size, 0xff)
                    mstore8(place, add(0xb8, wide))
                    mstore(add(place, 1), shl(sub(248, shl(3, wide)), size))
                    place := add(add(place, 2), wide)
                }
                mstore(place, vanity)
                place := add(place, 32)
                let last := add(listed, shl(5, mload(listed)))
                for { let from := listed } lt(from, last) {} {
                    from := add(from, 0x20)
                    mstore(place, shl(96, mload(from)))
                    place := add(place, 20)
                }
                if seal {
                    calldatacopy(place, seal, 64)
                    mstore8(add(place, 64), parity)
                    place := add(place, 65)
                }
            }
            hash = _hashFrom(list, place, header);
        }
    }

    /// @dev mixHash, nonce and tail, behind extraData; then the list's tag.
    function _hashFrom(uint256 list, uint256 end, Header memory header) private pure returns (bytes32 hash) {
        (uint256 tail, uint256 size) = (header.tail, header.tailSize);
        bool adds = header.flags & ADDS != 0;
        assembly ("memory-safe") {
            mstore8(end, 0xa0)
            mstore(add(end, 1), 0)
            mstore8(add(end, 33), 0x88)
            mstore(add(end, 34), sub(0, adds))
            calldatacopy(add(end, 42), tail, size)
            size := sub(add(add(end, 42), size), list)
            // Right-aligned before the first field: 29 bytes before the list are overwritten.
            mstore(sub(list, 29), or(0xf90000, sub(size, 3)))
            hash := keccak256(list, size)
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
