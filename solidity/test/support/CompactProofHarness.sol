// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CompactProof} from "../../src/libraries/CompactProof.sol";
import {TrieNodes} from "../../src/libraries/TrieNodes.sol";

/// @title The trie proof reader by itself, for tests here and for differential tests from outside. The whole argument must be
/// the proof.
contract CompactProofHarness {
    error LengthMismatch(uint256 found, uint256 expected);

    function storageRoot(bytes calldata proof, bytes32 slot) external pure returns (bytes32 root, bytes32 value) {
        return storageRootOfKey(proof, CompactProof.keyOf(slot));
    }

    function stateRoot(bytes calldata proof, address account, bytes32 storageRoot_)
        external
        pure
        returns (bytes32 root)
    {
        return stateRootOfKey(proof, CompactProof.keyOf(account), storageRoot_);
    }

    /// @notice The same for a place in the trie that need not be the hash of anything known.
    function storageRootOfKey(bytes calldata proof, bytes32 key) public pure returns (bytes32 root, bytes32 value) {
        uint256 next;
        (root, value, next) = CompactProof.storageRoot(_start(proof), key, TrieNodes.allocateBuffer());
        _requireEnd(proof, next);
    }

    function stateRootOfKey(bytes calldata proof, bytes32 key, bytes32 storageRoot_)
        public
        pure
        returns (bytes32 root)
    {
        uint256 next;
        (root, next) = CompactProof.stateRoot(_start(proof), key, storageRoot_, TrieNodes.allocateBuffer());
        _requireEnd(proof, next);
    }

    /// @notice Gas of one account proof and one storage proof, without the call around them.
    function measure(bytes calldata storageProof, bytes calldata accountProof, bytes32 slot, address account)
        external
        view
        returns (uint256 gas, bytes32 root)
    {
        uint256 before = gasleft();
        uint256 buffer = TrieNodes.allocateBuffer();
        (root,,) = CompactProof.storageRoot(_start(storageProof), CompactProof.keyOf(slot), buffer);
        (root,) = CompactProof.stateRoot(_start(accountProof), CompactProof.keyOf(account), root, buffer);
        gas = before - gasleft();
    }

    function _start(bytes calldata proof) private pure returns (uint256 position) {
        assembly ("memory-safe") {
            position := proof.offset
        }
    }

    function _requireEnd(bytes calldata proof, uint256 next) private pure {
        uint256 expected = next - _start(proof);
        if (proof.length != expected) revert LengthMismatch(proof.length, expected);
    }
}
