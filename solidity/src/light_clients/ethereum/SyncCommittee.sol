// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Bls12381, HALF_HIGH, HALF_LOW, PRIME_HIGH, PRIME_LOW} from "./Bls12381.sol";
import {HashToCurve} from "./HashToCurve.sol";
import {SszTree} from "./SszTree.sol";

/// @title A sync committee, known by its SSZ root alone, and what it signed (docs/reference/wire-formats.md §7.3).
/// @notice The root commits to the aggregate of all its keys, so that nobody's key is needed but those of the absent. Who is
/// absent is read from the bits, never asked of the relayer: their keys are proven at those places and subtracted.
library SyncCommittee {
    error ParticipationTooLow(uint256 found, uint256 needed);
    /// @notice Keys of absent members are said to follow, and none is absent: a second form of the same thing.
    error NobodyAbsent();
    /// @notice A key's y is zero or not below p, at this position.
    error KeyInvalid(uint256 position);
    /// @notice The keys that signed add up to infinity, for which any message is signed.
    error AggregateInfinity();
    error SignatureInfinity();
    error SignatureInvalid(bytes32 signingRoot);

    uint256 internal constant KEY_SIZE = 96;

    /// @dev Every other byte, pair, four and eight of a word, to turn its bytes around; exponents of powers of two by their
    /// remainder by 19.
    uint256 private constant BYTES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant PAIRS = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
    uint256 private constant QUADS = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant OCTETS = 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
    uint256 private constant EXPONENTS = 0x0000010d02000e060308000c0f05070b040a0900000000000000000000000000;

    /// @notice Memory for a sum of keys and one that is added.
    function allocateSum() internal pure returns (uint256 sum) {
        assembly ("memory-safe") {
            sum := mload(0x40)
            mstore(0x40, add(sum, 0x100))
        }
    }

    /// @notice Reads `aggregateKey` and `members`.
    /// @param position The aggregate key's.
    /// @param sum Memory of `allocateSum`, in which the keys that signed are left as one, negated.
    /// @return root The committee's.
    /// @return next The position after the members.
    function read(uint256 position, bool someAbsent, uint256 size, uint256 threshold, uint256 sum)
        internal
        view
        returns (bytes32 root, uint256 next)
    {
        unchecked {
            bytes32 aggregate = _readKey(position, sum);
            _negate(sum);
            next = position + KEY_SIZE;
            if (someAbsent) {
                (root, next) = _subtract(next, size, threshold, sum);
            } else {
                assembly ("memory-safe") {
                    root := calldataload(next)
                }
                next += 32;
            }
            root = SszTree.hash(root, aggregate);
        }
    }

    /// @notice Reverts unless the committee signed. With the keys negated the generator pairs as it is.
    /// @param sum The negated keys, as `read` left them.
    /// @param signature Position of the signature.
    function requireSigned(bytes32 signingRoot, uint256 sum, uint256 signature) internal view {
        unchecked {
            uint256 pairs;
            assembly ("memory-safe") {
                pairs := mload(0x40)
                mstore(0x40, add(pairs, 0x300))
            }
            HashToCurve.hashToG2(signingRoot, pairs);
            uint256 bits;
            assembly ("memory-safe") {
                mcopy(pairs, sum, 0x80)
                let to := add(pairs, 0x200)
                for { let end := add(signature, 192) } lt(signature, end) {} {
                    let high := shr(128, calldataload(signature))
                    let low := calldataload(add(signature, 16))
                    bits := or(bits, or(high, low))
                    mstore(to, high)
                    mstore(add(to, 0x20), low)
                    to := add(to, 0x40)
                    signature := add(signature, 48)
                }
            }
            if (bits == 0) revert SignatureInfinity();
            Bls12381.writeGenerator(pairs + 0x180);
            if (!Bls12381.pairsCancel(pairs)) revert SignatureInvalid(signingRoot);
        }
    }

    /// @dev Adds the keys of the absent to the negated sum, and leads them to the root of the committee's keys.
    function _subtract(uint256 position, uint256 size, uint256 threshold, uint256 sum)
        private
        view
        returns (bytes32 root, uint256 next)
    {
        unchecked {
            (uint256 nodes, uint256 count) = _listAbsent(position, size);
            if (count == 0) revert NobodyAbsent();
            if (size - count < threshold) revert ParticipationTooLow(size - count, threshold);
            next = position + (size >> 3);
            uint256 node = nodes;
            for (uint256 i = 0; i < count; ++i) {
                bytes32 leaf = _readKey(next, sum + Bls12381.G1_SIZE);
                assembly ("memory-safe") {
                    mstore(add(node, 0x20), leaf)
                    node := add(node, 0x40)
                }
                Bls12381.addG1(sum, sum);
                next += KEY_SIZE;
            }
            bool isInfinity;
            assembly ("memory-safe") {
                isInfinity := iszero(
                    or(or(mload(sum), mload(add(sum, 0x20))), or(mload(add(sum, 0x40)), mload(add(sum, 0x60))))
                )
            }
            if (isInfinity) revert AggregateInfinity();
            return SszTree.multiproof(nodes, node, next);
        }
    }

    // It is 1 that is shifted.
    // slither-disable-start incorrect-shift

    /// @dev Makes (generalized index, -) in memory for each set bit, by ascending place.
    function _listAbsent(uint256 position, uint256 size) private pure returns (uint256 nodes, uint256 count) {
        assembly ("memory-safe") {
            nodes := mload(0x40)
            let node := nodes
            let all := sub(shl(size, 1), 1)
            for { let base := size } lt(base, shl(1, size)) { base := add(base, 256) } {
                // SSZ's first bit is the lowest of the first byte.
                let word := calldataload(position)
                position := add(position, 0x20)
                word := or(and(shr(8, word), BYTES), shl(8, and(word, BYTES)))
                word := or(and(shr(16, word), PAIRS), shl(16, and(word, PAIRS)))
                word := or(and(shr(32, word), QUADS), shl(32, and(word, QUADS)))
                word := or(and(shr(64, word), OCTETS), shl(64, and(word, OCTETS)))
                word := or(shr(128, word), shl(128, word))

                for { let absent := and(word, all) } absent { absent := and(absent, sub(absent, 1)) } {
                    let lowest := and(absent, sub(0, absent))
                    let exponent := shl(7, gt(lowest, 0xffffffffffffffffffffffffffffffff))
                    lowest := shr(exponent, lowest)
                    let more := shl(6, gt(lowest, 0xffffffffffffffff))
                    lowest := shr(more, lowest)
                    exponent := or(exponent, more)
                    more := shl(5, gt(lowest, 0xffffffff))
                    lowest := shr(more, lowest)
                    exponent := or(exponent, more)
                    more := shl(4, gt(lowest, 0xffff))
                    lowest := shr(more, lowest)
                    exponent := or(exponent, more)
                    // Powers of two below 2^16 leave distinct remainders by 19.
                    exponent := or(exponent, byte(mod(lowest, 19), EXPONENTS))
                    mstore(node, add(base, exponent))
                    node := add(node, 0x40)
                }
            }
            mstore(0x40, node)
            count := shr(6, sub(node, nodes))
        }
    }

    // slither-disable-end incorrect-shift

    /// @dev Writes a key, x ‖ y in calldata, as a point, and returns the leaf that it is in its committee: its compressed form.
    /// That y belongs to x, and that x is below p, is for the precompiles to refuse.
    function _readKey(uint256 position, uint256 to) private view returns (bytes32 leaf) {
        bool valid;
        bool done;
        assembly ("memory-safe") {
            let front := calldataload(position)
            let high := shr(128, calldataload(add(position, 48)))
            let low := calldataload(add(position, 64))
            mstore(to, shr(128, front))
            mstore(add(to, 0x20), calldataload(add(position, 16)))
            mstore(add(to, 0x40), high)
            mstore(add(to, 0x60), low)
            // With y from 1 to p - 1 it is not infinity, and has a negative.
            valid := or(lt(high, PRIME_HIGH), and(eq(high, PRIME_HIGH), lt(low, PRIME_LOW)))
            valid := and(valid, iszero(iszero(or(high, low))))

            let isLarger := or(gt(high, HALF_HIGH), and(eq(high, HALF_HIGH), gt(low, HALF_LOW)))
            mstore(0x00, or(front, shl(253, or(4, isLarger))))
            mstore(0x20, shl(128, shr(128, calldataload(add(position, 32)))))
            done := staticcall(gas(), 2, 0x00, 0x40, 0x00, 0x20)
            leaf := mload(0x00)
        }
        if (!valid) revert KeyInvalid(position);
        if (!done) revert SszTree.HashFailed();
    }

    /// @dev y becomes p - y.
    function _negate(uint256 point) private pure {
        assembly ("memory-safe") {
            let low := mload(add(point, 0x60))
            mstore(add(point, 0x40), sub(sub(PRIME_HIGH, mload(add(point, 0x40))), gt(low, PRIME_LOW)))
            mstore(add(point, 0x60), sub(PRIME_LOW, low))
        }
    }
}
