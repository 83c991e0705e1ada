// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title What a beacon chain is known by: its clock, its periods, its committees' size and its forks
/// (docs/reference/wire-formats.md §7.1). All of it is code, none storage.
/// @dev Slots, epochs and times are of 64 bits where they come from, and computed with 256, so that nothing overflows.
abstract contract EthereumParameters {
    struct Fork {
        uint64 epoch;
        bytes4 version;
        uint8 layout;
    }

    struct Parameters {
        uint64 genesisTime;
        uint32 slotDurationMs;
        uint32 slotsPerEpoch;
        uint32 slotsPerPeriod;
        uint16 committeeSize;
        uint16 threshold;
        uint64 trustingPeriod;
        uint64 maxClockDrift;
        bytes32 genesisValidatorsRoot;
        Fork[] forks;
    }

    uint256 internal constant SMALLEST_COMMITTEE = 8;
    uint256 internal constant LARGEST_COMMITTEE = 512;
    uint256 internal constant MOST_FORKS = 6;
    uint256 internal constant MOST_LAYOUT = 4;

    uint256 internal immutable _genesisTime;
    uint256 internal immutable _slotDurationMs;
    uint256 internal immutable _slotsPerEpoch;
    uint256 internal immutable _slotsPerPeriod;
    uint256 internal immutable _committeeSize;
    uint256 internal immutable _threshold;
    bytes32 internal immutable _genesisValidatorsRoot;

    /// @dev epoch ‖ version ‖ layout of each fork, the newest first, for that is the one in use; 0 after the oldest.
    uint256 private immutable _fork0;
    uint256 private immutable _fork1;
    uint256 private immutable _fork2;
    uint256 private immutable _fork3;
    uint256 private immutable _fork4;
    uint256 private immutable _fork5;
    uint256 private constant EPOCH_SHIFT = 40;
    uint256 private constant VERSION_SHIFT = 8;

    /// @notice A slot takes no time, an epoch no slot, or a period no whole epochs.
    error ClockInvalid(uint32 slotDurationMs, uint32 slotsPerEpoch, uint32 slotsPerPeriod);
    /// @notice A committee's size is a power of two from 8 to 512, and at least two thirds of it sign.
    error CommitteeInvalid(uint16 committeeSize, uint16 threshold);
    error ForkCountInvalid(uint256 found, uint256 most);
    /// @notice Forks come by strictly ascending epoch, and a layout is of 1 to 4.
    error ForkInvalid(uint256 index, uint64 epoch, uint8 layout);
    /// @notice Nothing before the first fork's epoch is believed.
    error BeforeFirstFork(uint256 slot);

    constructor(Parameters memory parameters_) {
        uint256 size = parameters_.committeeSize;
        if (
            parameters_.slotDurationMs == 0 || parameters_.slotsPerEpoch == 0 || parameters_.slotsPerPeriod == 0
                || parameters_.slotsPerPeriod % parameters_.slotsPerEpoch != 0
        ) revert ClockInvalid(parameters_.slotDurationMs, parameters_.slotsPerEpoch, parameters_.slotsPerPeriod);
        if (
            size < SMALLEST_COMMITTEE || size > LARGEST_COMMITTEE || size & (size - 1) != 0
                || parameters_.threshold > size || uint256(parameters_.threshold) * 3 < size * 2
        ) revert CommitteeInvalid(parameters_.committeeSize, parameters_.threshold);
        _genesisTime = parameters_.genesisTime;
        _slotDurationMs = parameters_.slotDurationMs;
        _slotsPerEpoch = parameters_.slotsPerEpoch;
        _slotsPerPeriod = parameters_.slotsPerPeriod;
        _committeeSize = size;
        _threshold = parameters_.threshold;
        _genesisValidatorsRoot = parameters_.genesisValidatorsRoot;

        Fork[] memory forks = parameters_.forks;
        uint256 count = forks.length;
        if (count == 0 || count > MOST_FORKS) revert ForkCountInvalid(count, MOST_FORKS);
        // Zero after the oldest.
        // slither-disable-next-line uninitialized-local
        uint256[MOST_FORKS] memory packed;
        for (uint256 i = 0; i < count; ++i) {
            Fork memory fork = forks[i];
            if (fork.layout == 0 || fork.layout > MOST_LAYOUT || (i > 0 && fork.epoch <= forks[i - 1].epoch)) {
                revert ForkInvalid(i, fork.epoch, fork.layout);
            }
            packed[count - 1 - i] =
                (uint256(fork.epoch) << EPOCH_SHIFT) | (uint256(uint32(fork.version)) << VERSION_SHIFT) | fork.layout;
        }
        (_fork0, _fork1, _fork2) = (packed[0], packed[1], packed[2]);
        (_fork3, _fork4, _fork5) = (packed[3], packed[4], packed[5]);
    }

    function _parameters() internal view returns (Parameters memory parameters_) {
        uint256[MOST_FORKS] memory packed = [_fork0, _fork1, _fork2, _fork3, _fork4, _fork5];
        uint256 count = 0;
        while (count < MOST_FORKS && packed[count] != 0) ++count;
        Fork[] memory forks = new Fork[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 fork = packed[count - 1 - i];
            forks[i] = Fork(uint64(fork >> EPOCH_SHIFT), bytes4(uint32(fork >> VERSION_SHIFT)), uint8(fork));
        }
        parameters_.genesisTime = uint64(_genesisTime);
        parameters_.slotDurationMs = uint32(_slotDurationMs);
        parameters_.slotsPerEpoch = uint32(_slotsPerEpoch);
        parameters_.slotsPerPeriod = uint32(_slotsPerPeriod);
        parameters_.committeeSize = uint16(_committeeSize);
        parameters_.threshold = uint16(_threshold);
        parameters_.genesisValidatorsRoot = _genesisValidatorsRoot;
        parameters_.forks = forks;
    }

    /// @dev In seconds, as the chain counts them.
    function _timestampOf(uint256 slot) internal view returns (uint256) {
        unchecked {
            return _genesisTime + slot * _slotDurationMs / 1000;
        }
    }

    function _periodOf(uint256 slot) internal view returns (uint256) {
        unchecked {
            // No period has no slot.
            return slot / _slotsPerPeriod;
        }
    }

    /// @dev How the trees of a slot's header are laid out.
    function _layoutOf(uint256 slot) internal view returns (uint256) {
        return uint8(_forkOf(slot));
    }

    function _versionOf(uint256 slot) internal view returns (bytes4) {
        return bytes4(uint32(_forkOf(slot) >> VERSION_SHIFT));
    }

    /// @dev The last fork whose epoch is not greater than the slot's.
    function _forkOf(uint256 slot) private view returns (uint256 fork) {
        unchecked {
            uint256 epoch = slot / _slotsPerEpoch;
            fork = _fork0;
            if (epoch >= fork >> EPOCH_SHIFT) return fork;
            fork = _fork1;
            if (epoch < fork >> EPOCH_SHIFT) fork = _fork2;
            if (epoch < fork >> EPOCH_SHIFT) fork = _fork3;
            if (epoch < fork >> EPOCH_SHIFT) fork = _fork4;
            if (epoch < fork >> EPOCH_SHIFT) fork = _fork5;
            // With six forks the oldest has a successor of nothing.
            if (epoch < fork >> EPOCH_SHIFT) fork = 0;
            if (fork == 0) revert BeforeFirstFork(slot);
        }
    }
}
