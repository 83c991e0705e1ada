// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ILightClient} from "../../interfaces/ILightClient.sol";

/// @title What light clients of every consensus share: how long trust lasts, the anchor, and reading to the last byte.
/// @notice Positions are places in calldata; what calldata lacks reads as zero, and the end is compared once.
abstract contract LightClient is ILightClient, AccessManaged {
    /// @dev The first byte of a proof.
    uint256 internal constant BY_HEADER = 0;
    uint256 internal constant BY_ANCHOR = 1;

    /// @dev Keeps timestamps, which may be ahead by less than it, below 40 bits.
    uint64 private constant LONGEST_PERIOD = type(uint32).max;

    /// @dev ERC-7201 `postroad.client.anchor`: the anchored state root; the word after it holds height and timestamp.
    bytes32 private constant ANCHOR = 0x45e7e18082d6d4e21abf378a09f86348471982093f539fa3f1f10c670261f200;

    /// @notice Seconds after the trusted timestamp in which the client believes anything.
    uint64 public immutable trustingPeriod;
    /// @notice Seconds that a header may be ahead of this chain's time.
    uint64 public immutable maxClockDrift;

    /// @notice Reading ended at another byte than the argument does: it is cut short, or something is left over.
    error LengthMismatch(uint256 found, uint256 expected);
    /// @notice A byte that says what follows is of no known kind.
    error FormUnknown(uint256 found);
    error TimestampInFuture(uint256 found, uint256 most);
    error HeightNotAbove(uint256 found, uint256 above);
    error NoAnchor();
    error NotAnchoredRoot(bytes32 found, bytes32 anchored);
    error PeriodsInvalid(uint64 trustingPeriod, uint64 maxClockDrift);

    constructor(address authority, uint64 trustingPeriod_, uint64 maxClockDrift_) AccessManaged(authority) {
        if (authority.code.length == 0) revert AccessManagedInvalidAuthority(authority);
        // A header that may be ahead by as much as trust lasts could keep a client alive that nobody updates.
        if (maxClockDrift_ >= trustingPeriod_ || trustingPeriod_ > LONGEST_PERIOD) {
            revert PeriodsInvalid(trustingPeriod_, maxClockDrift_);
        }
        trustingPeriod = trustingPeriod_;
        maxClockDrift = maxClockDrift_;
    }

    /// @notice The state root that proofs may refer to; height 0 while there is none.
    function anchored() public view returns (bytes32 stateRoot, uint64 height, uint64 timestamp) {
        uint256 word;
        assembly ("memory-safe") {
            stateRoot := sload(ANCHOR)
            word := sload(add(ANCHOR, 1))
        }
        return (stateRoot, uint64(word >> 64), uint64(word));
    }

    function _storeAnchor(bytes32 root, uint256 word) internal {
        assembly ("memory-safe") {
            sstore(ANCHOR, root)
            sstore(add(ANCHOR, 1), word)
        }
    }

    /// @dev An anchor is above the last one.
    function _moveAnchor(bytes32 root, uint64 height, uint64 timestamp) internal {
        (, uint64 above,) = anchored();
        if (height <= above) revert HeightNotAbove(height, above);
        _storeAnchor(root, (uint256(height) << 64) | timestamp);
        emit Anchored(height, timestamp, root);
    }

    /// @dev The rest of a proof that leads to this root, from a position that must be its end.
    function _requireAnchored(bytes calldata proof, uint256 position, uint256 form, bytes32 root)
        internal
        view
        returns (uint64 height, uint64 timestamp)
    {
        if (form != BY_ANCHOR) revert FormUnknown(form);
        _requireEnd(proof, position);
        bytes32 anchoredRoot;
        (anchoredRoot, height, timestamp) = anchored();
        if (height == 0) revert NoAnchor();
        if (root != anchoredRoot) revert NotAnchoredRoot(root, anchoredRoot);
    }

    function _requireNotAhead(uint256 timestamp) internal view {
        unchecked {
            uint256 most = block.timestamp + maxClockDrift;
            // The drift is there to be wider than what a block producer can shift its clock by.
            // slither-disable-next-line timestamp
            if (timestamp > most) revert TimestampInFuture(timestamp, most);
        }
    }

    /// @dev Whether trust that began at this time has ended.
    function _isExpired(uint256 timestamp) internal view returns (bool) {
        unchecked {
            // Trust ends by this chain's clock, in days: what a block producer can shift it by does not matter.
            // slither-disable-next-line timestamp
            return block.timestamp > timestamp + trustingPeriod;
        }
    }

    /// @dev Nothing is left over, and nothing was read past the end.
    function _requireEnd(bytes calldata data, uint256 position) internal pure {
        unchecked {
            uint256 expected = position - _start(data);
            if (data.length != expected) revert LengthMismatch(data.length, expected);
        }
    }

    function _start(bytes calldata data) internal pure returns (uint256 position) {
        assembly ("memory-safe") {
            position := data.offset
        }
    }

    function _byteAt(uint256 position) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := byte(0, calldataload(position))
        }
    }
}
