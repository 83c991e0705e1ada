// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Signer sets of Clique chains, and the votes that change them (EIP-225).
library CliqueSigners {
    /// @notice Votes that count, each for its candidate to change its place: of a signer on a candidate, the latest.
    struct Votes {
        address[] voters;
        address[] candidates;
        uint256 count;
    }

    error SignerCountInvalid(uint256 found, uint256 most);
    /// @notice Signers ascend, and none is zero.
    error SignersNotAscending(uint256 index, address signer);

    /// @dev Their number is one byte on the wire.
    uint256 internal constant MOST_SIGNERS = 255;

    /// @notice How many of `count` signers are more than half.
    function majority(uint256 count) internal pure returns (uint256) {
        unchecked {
            return count / 2 + 1;
        }
    }

    /// @notice Reads n u8 ‖ n × 20 from calldata, whatever it is.
    function read(uint256 position) internal pure returns (address[] memory signers, uint256 next) {
        unchecked {
            uint256 count;
            assembly ("memory-safe") {
                count := byte(0, calldataload(position))
            }
            signers = new address[](count);
            next = position + 1;
            for (uint256 i = 0; i < count; ++i) {
                address signer;
                assembly ("memory-safe") {
                    signer := shr(96, calldataload(next))
                }
                signers[i] = signer;
                next += 20;
            }
        }
    }

    /// @notice Requires 1 to 255 signers, strictly ascending from above zero.
    function requireSet(address[] memory signers) internal pure {
        unchecked {
            uint256 count = signers.length;
            if (count == 0 || count > MOST_SIGNERS) revert SignerCountInvalid(count, MOST_SIGNERS);
            address below = address(0);
            for (uint256 i = 0; i < count; ++i) {
                if (signers[i] <= below) revert SignersNotAscending(i, signers[i]);
                below = signers[i];
            }
        }
    }

    /// @notice keccak256(n × 20).
    function hash(address[] memory signers) internal pure returns (bytes32 setHash) {
        assembly ("memory-safe") {
            // Beyond the free pointer: hashed at once, so nothing needs to be taken.
            let start := mload(0x40)
            let to := start
            let last := add(signers, shl(5, mload(signers)))
            for { let from := signers } lt(from, last) {} {
                from := add(from, 0x20)
                mstore(to, shl(96, mload(from)))
                to := add(to, 20)
            }
            setHash := keccak256(start, sub(to, start))
        }
    }

    function contains(address[] memory signers, address signer) internal pure returns (bool) {
        unchecked {
            for (uint256 i = 0; i < signers.length; ++i) {
                if (signers[i] == signer) return true;
            }
            return false;
        }
    }

    /// @notice Counts a vote, and changes the set at once where more than half agree.
    /// @return changed The set that seals the next block; the same memory while it is the same set.
    function vote(address[] memory signers, Votes memory votes, address voter, address candidate, bool add)
        internal
        pure
        returns (address[] memory changed)
    {
        unchecked {
            bool joins = !contains(signers, candidate);
            // The voter's earlier vote on the candidate is taken back, and the others on it are counted.
            uint256 agreeing = _forget(votes, voter, candidate, false);
            if (add == joins) {
                (votes.voters[votes.count], votes.candidates[votes.count]) = (voter, candidate);
                ++votes.count;
                ++agreeing;
            }
            if (agreeing < majority(signers.length)) return signers;
            // The votes on the candidate are settled, and who is dropped votes no more.
            _forget(votes, candidate, candidate, true);
            changed = joins ? _with(signers, candidate) : _without(signers, candidate);
            requireSet(changed);
        }
    }

    /// @dev Discards votes: those of the voter on the candidate; when settled, all of the one and all on the other.
    /// @return onCandidate How many on the candidate are left.
    function _forget(Votes memory votes, address voter, address candidate, bool settled)
        private
        pure
        returns (uint256 onCandidate)
    {
        unchecked {
            uint256 kept = 0;
            for (uint256 i = 0; i < votes.count; ++i) {
                (address by, address on) = (votes.voters[i], votes.candidates[i]);
                bool gone = settled ? by == voter || on == candidate : by == voter && on == candidate;
                if (gone) continue;
                if (on == candidate) ++onCandidate;
                (votes.voters[kept], votes.candidates[kept]) = (by, on);
                ++kept;
            }
            votes.count = kept;
        }
    }

    function _with(address[] memory signers, address joining) private pure returns (address[] memory changed) {
        unchecked {
            changed = new address[](signers.length + 1);
            uint256 place = signers.length;
            for (; place > 0 && signers[place - 1] > joining; --place) {
                changed[place] = signers[place - 1];
            }
            changed[place] = joining;
            for (; place > 0; --place) {
                changed[place - 1] = signers[place - 1];
            }
        }
    }

    function _without(address[] memory signers, address leaving) private pure returns (address[] memory changed) {
        unchecked {
            changed = new address[](signers.length - 1);
            uint256 kept = 0;
            for (uint256 i = 0; i < signers.length; ++i) {
                if (signers[i] != leaving) changed[kept++] = signers[i];
            }
        }
    }
}
