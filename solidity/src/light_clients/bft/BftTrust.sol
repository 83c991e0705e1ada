// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../interfaces/ILightClient.sol";
import {LightClient} from "../shared/LightClient.sol";
import {BftHeader} from "./BftHeader.sol";

/// @title What light clients of BFT chains trust, wherever such a chain shows its validators: one set, by its hash, since a
/// height and a time.
abstract contract BftTrust is LightClient {
    /// @dev All that a proof is checked against is in the first word, for a cold word costs 2,100 gas: the set is known there
    /// by the first 26 bytes of its hash. Trust moves by the whole hash.
    struct TrustedState {
        /// The first 26 bytes of setHash, then timestamp (40 bits), then 1 in the last byte when frozen.
        uint256 belief;
        bytes32 setHash;
        uint64 height;
    }

    uint256 internal constant MOST_VALIDATORS = 255;
    uint256 internal constant FROZEN = 1;
    /// @dev Where the set's part of a belief begins.
    uint256 internal constant SET_SHIFT = 48;
    uint256 private constant TIMESTAMP_SHIFT = 8;

    TrustedState internal _trusted;

    /// @notice The admin chose the trusted state, at deployment or again. The validators are in no other place on this chain.
    event Bootstrapped(uint64 indexed height, uint64 timestamp, address[] validators);

    error NotTrustedSet(bytes32 found, bytes32 trusted);
    error QuorumNotReached(uint256 found, uint256 needed);
    error TimestampBelow(uint256 found, uint256 least);
    error ValidatorCountInvalid(uint256 found, uint256 most);
    error ValidatorZero(uint256 index);
    error ValidatorTwice(uint256 index, address validator);
    error HeightsDiffer(uint256 first, uint256 second);
    /// @notice Both headers are one block.
    error NoMisbehaviour(bytes32 onChainHash);
    error HeightZero();

    /// @inheritdoc ILightClient
    function status() public view returns (Status) {
        return _statusOf(_trusted.belief);
    }

    /// @return setHash keccak256 of the validators' RLP payload, in their list's order.
    function trustedState() external view returns (bytes32 setHash, uint64 height, uint64 timestamp, bool frozen) {
        uint256 belief = _trusted.belief;
        return (_trusted.setHash, _trusted.height, uint64(_timestampOf(belief)), belief & FROZEN != 0);
    }

    /// @notice How many of `count` validators make a quorum.
    function quorum(uint256 count) external pure returns (uint256) {
        if (count > MOST_VALIDATORS) revert ValidatorCountInvalid(count, MOST_VALIDATORS);
        return BftHeader.quorum(count);
    }

    // ------------------------------------------------------------------------------------------------ rules

    function _requireActive() internal view returns (uint256 belief) {
        belief = _trusted.belief;
        Status found = _statusOf(belief);
        if (found != Status.Active) revert NotActive(found);
    }

    function _statusOf(uint256 belief) private view returns (Status) {
        if (belief & FROZEN != 0) return Status.Frozen;
        return _isExpired(_timestampOf(belief)) ? Status.Expired : Status.Active;
    }

    function _timestampOf(uint256 belief) internal pure returns (uint256) {
        return uint40(belief >> TIMESTAMP_SHIFT);
    }

    function _beliefOf(bytes32 setHash, uint256 timestamp) internal pure returns (uint256) {
        return (uint256(setHash) >> SET_SHIFT << SET_SHIFT) | (timestamp << TIMESTAMP_SHIFT);
    }

    function _requireTrustedSet(bytes32 found) internal view {
        bytes32 trusted = _trusted.setHash;
        if (found != trusted) revert NotTrustedSet(found, trusted);
    }

    /// @dev A quorum of a list sealed, and nobody else. Returns the position after the seals.
    /// @param validators, sealers Positions of the list's length and of the mask of those who sealed.
    function _requireQuorum(bytes32 hash, uint256 validators, uint256 sealers, uint256 buffer)
        internal
        view
        returns (uint256 next)
    {
        uint256 found;
        (found, next) = BftHeader.checkSeals(hash, validators, sealers, buffer);
        uint256 needed = BftHeader.quorum(_byteAt(validators));
        if (found < needed) revert QuorumNotReached(found, needed);
    }

    // ------------------------------------------------------------------------------------------------ validator sets

    function _bootstrap(address[] memory validators, uint64 height, uint64 timestamp) internal {
        uint256 count = validators.length;
        if (count == 0 || count > MOST_VALIDATORS) revert ValidatorCountInvalid(count, MOST_VALIDATORS);
        _requireMembers(validators);
        if (height == 0) revert HeightZero();
        _requireNotAhead(timestamp);
        bytes32 setHash = _setHash(validators);
        _trusted = TrustedState({belief: _beliefOf(setHash, timestamp), setHash: setHash, height: height});
        // A state that is too old to be believed is a mistake, not a state.
        _requireActive();
        emit Bootstrapped(height, timestamp, validators);
    }

    /// @dev No member is zero or there twice. Order is free, and ascending order, which these chains keep, costs one comparison
    /// a member.
    function _requireMembers(address[] memory validators) internal pure {
        unchecked {
            address highest = address(0);
            for (uint256 i = 0; i < validators.length; ++i) {
                address validator = validators[i];
                if (validator == address(0)) revert ValidatorZero(i);
                if (validator > highest) {
                    highest = validator;
                    continue;
                }
                for (uint256 j = 0; j < i; ++j) {
                    if (validators[j] == validator) revert ValidatorTwice(i, validator);
                }
            }
        }
    }

    /// @dev keccak256(n × (0x94 ‖ address)).
    function _setHash(address[] memory validators) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            // Beyond the free pointer: hashed at once, so nothing needs to be taken.
            let start := mload(0x40)
            let to := start
            let last := add(validators, shl(5, mload(validators)))
            for { let from := validators } lt(from, last) {} {
                from := add(from, 0x20)
                mstore(to, or(shl(248, 0x94), shl(88, mload(from))))
                to := add(to, 21)
            }
            hash := keccak256(start, sub(to, start))
        }
    }

    function _list(uint256 position, uint256 count) internal pure returns (address[] memory validators) {
        validators = new address[](count);
        assembly ("memory-safe") {
            let to := validators
            for { let left := count } left { left := sub(left, 1) } {
                to := add(to, 0x20)
                mstore(to, shr(96, calldataload(position)))
                position := add(position, 20)
            }
        }
    }
}
