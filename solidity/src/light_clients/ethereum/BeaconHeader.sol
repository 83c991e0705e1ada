// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SszTree} from "./SszTree.sol";

/// @title Trees of beacon headers, states and bodies, rebuilt upwards from what a message's proof needs of them
/// (docs/reference/wire-formats.md §7.3).
/// @notice Positions are places in calldata. A layout fixes every tree's depth, and the slot, which is signed, fixes the
/// layout: so no bytes can be read as two trees.
library BeaconHeader {
    /// @notice The header's layout has no execution payload.
    error NoExecution(uint256 form);

    /// @notice The bytes of a header whose state root is not sent, and of the part before its body.
    uint256 internal constant ATTESTED_SIZE = 80;
    uint256 private constant BEFORE_BODY = 48;

    /// @dev The first layouts with a payload, with more than 16 of its fields, and with more than 32 fields of the state.
    uint256 private constant CAPELLA = 2;
    uint256 private constant DENEB = 3;
    uint256 private constant ELECTRA = 4;

    /// @dev Where finality holds h(fields 22, 23), or field 23, and the siblings above.
    uint256 private constant COMMITTEES = 40;
    uint256 private constant UPPER = 72;

    /// @notice The root of a header whose state root is this one.
    function attestedRoot(uint256 position, bytes32 state) internal view returns (bytes32) {
        unchecked {
            return _root(position, SszTree.hash(_wordAt(position + 16), state), _wordAt(position + 48));
        }
    }

    /// @notice The root of a finalized header that is sent by its two halves.
    function finalizedRoot(uint256 position) internal view returns (bytes32 root, uint256 next) {
        unchecked {
            root = _root(position, _wordAt(position + 16), _wordAt(position + BEFORE_BODY));
            next = position + BEFORE_BODY + 32;
        }
    }

    /// @notice The root of a finalized header in whose execution payload the state root is this one.
    function finalizedRootBy(uint256 position, uint256 form, bytes32 state)
        internal
        view
        returns (bytes32 root, uint256 blockNumber, uint256 next)
    {
        unchecked {
            if (form < CAPELLA) revert NoExecution(form);
            next = position + BEFORE_BODY;
            blockNumber = SszTree.number(next);

            // The payload: fields 0 to 7 around state root and number, then the others.
            bytes32 node = SszTree.hash(_wordAt(next + 48), SszTree.hash(state, _wordAt(next + 16)));
            bytes32 right = SszTree.hash(SszTree.numberLeaf(next), SszTree.numberLeaf(next + 8));
            node = SszTree.hash(node, SszTree.hash(_wordAt(next + 80), right));
            node = SszTree.hash(node, _wordAt(next + 112));
            next += 144;
            if (form >= DENEB) {
                node = SszTree.hash(node, _wordAt(next));
                next += 32;
            }

            // The body: gindex 25, then 12, 6 and 3.
            node = SszTree.hash(_wordAt(next), node);
            node = SszTree.hash(node, _wordAt(next + 32));
            node = SszTree.hash(node, _wordAt(next + 64));
            node = SszTree.hash(_wordAt(next + 96), node);
            next += 128;

            node = SszTree.hash(SszTree.hash(node, 0), SszTree.ZERO_PAIR);
            root = _root(position, _wordAt(position + 16), node);
        }
    }

    /// @notice The bytes of `finality`.
    function finalitySize(uint256 form) internal pure returns (uint256) {
        unchecked {
            return UPPER + 32 * _upperCount(form);
        }
    }

    /// @notice Field 23 of the state, where `finality` shows it.
    function nextCommittee(uint256 finality) internal pure returns (bytes32) {
        unchecked {
            return _wordAt(finality + COMMITTEES);
        }
    }

    /// @notice The root of the state that finalized a header's root.
    /// @param committee Field 22, where field 23 is shown; else 0, and their parent is sent.
    function stateRoot(uint256 finality, uint256 form, bytes32 root, bytes32 committee)
        internal
        view
        returns (bytes32 node)
    {
        unchecked {
            bytes32 committees = _wordAt(finality + COMMITTEES);
            if (committee != 0) committees = SszTree.hash(committee, committees);
            // The checkpoint, field 20, and 21; then 22 and 23.
            node = SszTree.hash(SszTree.numberLeaf(finality), root);
            node = SszTree.hash(node, _wordAt(finality + 8));
            node = SszTree.hash(node, committees);
            // Above, by turns: gindices 13, 6, 3, or 21, 10, 5, 2.
            uint256 end = finality + finalitySize(form);
            bool isRight = true;
            for (uint256 position = finality + UPPER; position < end; position += 32) {
                bytes32 sibling = _wordAt(position);
                node = isRight ? SszTree.hash(sibling, node) : SszTree.hash(node, sibling);
                isRight = !isRight;
            }
        }
    }

    function _upperCount(uint256 form) private pure returns (uint256) {
        return form < ELECTRA ? 3 : 4;
    }

    function _root(uint256 position, bytes32 parentAndState, bytes32 bodySide) private view returns (bytes32) {
        unchecked {
            bytes32 front = SszTree.hash(SszTree.numberLeaf(position), SszTree.numberLeaf(position + 8));
            return SszTree.hash(SszTree.hash(front, parentAndState), bodySide);
        }
    }

    function _wordAt(uint256 position) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := calldataload(position)
        }
    }
}
