// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../interfaces/ILightClient.sol";
import {CompactProof} from "../../libraries/CompactProof.sol";
import {TrieNodes} from "../../libraries/TrieNodes.sol";
import {LightClient} from "../shared/LightClient.sol";
import {BftHeader} from "./BftHeader.sol";
import {BftTrust} from "./BftTrust.sol";

/// @title A light client of a QBFT chain whose validators are chosen by a contract (docs/reference/wire-formats.md §6.6).
/// @notice Headers list nobody: the set that seals a block is what the contract's storage holds under the block's parent. So
/// every header comes with its parent, and with a proof that the set under the parent is the trusted one. A new set is the
/// one under a header of the trusted set, and seals from the block after it on (INV-7).
contract BftValidatorContractLightClient is BftTrust {
    /// @dev The first byte of a proof of the set: the contract's storage is the one that the trusted set was read from, or the
    /// members are read from it.
    uint256 private constant KNOWN_STORAGE = 0;
    uint256 private constant MEMBERS = 1;

    /// @dev The only protocol that lets a contract choose the validators: QBFT at every height. It is no constant, for the
    /// compiler would write a reader of its own for it.
    BftHeader.Kinds private immutable _kinds;

    /// @notice The contract that chooses the validators, and the slot of its `address[]`: the length stands in the slot,
    /// member i at keccak256(slot) + i, one in a word.
    address public immutable validatorContract;
    bytes32 public immutable validatorSlot;

    /// @notice The storage root of the contract that the trusted set was last read from; 0 after the admin chose the set.
    bytes32 public storageRoot;

    /// @notice The header lists validators, so a contract has no say in who seals it.
    error ValidatorsListed(uint256 found);
    /// @notice The header is a child of another block than the one that its set was proven under.
    error NotParent(bytes32 found, bytes32 expected);
    /// @notice The proof of the next set leads to another state than the header's.
    error NotStateRoot(bytes32 found, bytes32 expected);
    /// @notice A member's proof leads to another storage than that of the length.
    error StorageRootsDiffer(uint256 index, bytes32 found, bytes32 expected);
    /// @notice A member's word is no address.
    error ValidatorMalformed(uint256 index, bytes32 found);
    /// @notice The admin chose the set, so its storage is not known before the first update.
    error StorageUnknown();

    /// @param authority AccessManager whose roles say who may bootstrap again.
    /// @param validators The contract's list after the block at `height`, in its order.
    /// @param height Block number from which on the client trusts, at least 1.
    /// @param timestamp That block's time, in seconds.
    constructor(
        address authority,
        address validatorContract_,
        bytes32 validatorSlot_,
        address[] memory validators,
        uint64 height,
        uint64 timestamp,
        uint64 trustingPeriod_,
        uint64 maxClockDrift_
    ) LightClient(authority, trustingPeriod_, maxClockDrift_) {
        // An account at zero has no storage, so that no set could ever be proven.
        // slither-disable-next-line missing-zero-check
        validatorContract = validatorContract_;
        validatorSlot = validatorSlot_;
        _kinds = BftHeader.kindsOf(BftHeader.Kind.QBFT, BftHeader.Kind.QBFT, 0);
        _bootstrap(validators, height, timestamp);
    }

    // ------------------------------------------------------------------------------------------------ proving

    /// @inheritdoc ILightClient
    function storageAt(bytes calldata proof, address account, bytes32 slot)
        external
        view
        returns (bytes32 value, uint64 height, uint64 timestamp)
    {
        unchecked {
            uint256 belief = _requireActive();
            uint256 buffer = TrieNodes.allocateBuffer();
            uint256 position = _start(proof);
            uint256 form = _byteAt(position);
            bytes32 root;
            (root, value, position) = CompactProof.storageRoot(position + 1, CompactProof.keyOf(slot), buffer);
            (root, position) = CompactProof.stateRoot(position, CompactProof.keyOf(account), root, buffer);

            if (form != BY_HEADER) {
                (height, timestamp) = _requireAnchored(proof, position, form, root);
                return (value, height, timestamp);
            }
            BftHeader.Header memory header =
                BftHeader.readFrom(position, BftHeader.afterBeneficiary(position), root, _kinds);
            _requireNotAhead(header.timestamp);
            _requireEnd(proof, _requireSealed(position, header, belief, buffer));
            return (value, uint64(header.number), uint64(header.timestamp));
        }
    }

    // ------------------------------------------------------------------------------------------------ moving trust

    /// @inheritdoc ILightClient
    function update(bytes calldata data) external {
        uint256 belief = _requireActive();
        uint256 buffer = TrieNodes.allocateBuffer();
        uint256 position = _start(data);
        (BftHeader.Header memory header, uint256 next) = _requireBlock(position, belief, buffer);
        if (header.number <= _trusted.height) revert HeightNotAbove(header.number, _trusted.height);
        uint256 least = _timestampOf(belief);
        if (header.timestamp < least) revert TimestampBelow(header.timestamp, least);
        _requireNotAhead(header.timestamp);

        bytes32 setHash;
        bytes32 root;
        bytes32 stateRoot;
        (setHash, root, stateRoot, next) = _readSet(next, buffer);
        _requireEnd(data, next);
        bytes32 expected = BftHeader.stateRootAt(position);
        if (stateRoot != expected) revert NotStateRoot(stateRoot, expected);

        if (setHash == 0) setHash = _trusted.setHash;
        else (_trusted.setHash, storageRoot) = (setHash, root);
        _trusted.belief = _beliefOf(setHash, header.timestamp);
        _trusted.height = uint64(header.number);
        emit Updated(uint64(header.number), uint64(header.timestamp));
    }

    /// @inheritdoc ILightClient
    function anchor(bytes calldata data) external {
        uint256 belief = _requireActive();
        uint256 buffer = TrieNodes.allocateBuffer();
        uint256 position = _start(data);
        (BftHeader.Header memory header, uint256 end) = _requireBlock(position, belief, buffer);
        _requireNotAhead(header.timestamp);
        _requireEnd(data, end);
        _moveAnchor(BftHeader.stateRootAt(position), uint64(header.number), uint64(header.timestamp));
    }

    /// @inheritdoc ILightClient
    /// @dev An expired client can be frozen, and headers may lie in the future: two such headers are proof enough.
    function freeze(bytes calldata data) external {
        uint256 belief = _trusted.belief;
        if (belief & FROZEN != 0) revert NotActive(Status.Frozen);
        uint256 buffer = TrieNodes.allocateBuffer();
        uint256 position = _start(data);
        // Both are the first header's, and read when the second is there.
        // slither-disable-next-line uninitialized-local
        uint256 number;
        // slither-disable-next-line uninitialized-local
        bytes32 hash;
        // One after the other in a loop, so that what reads a header is there once.
        for (uint256 i = 0; i < 2; ++i) {
            (BftHeader.Header memory header, uint256 next) = _requireBlock(position, belief, buffer);
            uint256 carried = BftHeader.afterBeneficiary(position);
            // slither-disable-next-line unused-return
            (bytes32 found,) =
                BftHeader.onChainHashFrom(position, carried + 32, BftHeader.stateRootAt(position), _kinds);
            if (i == 1) {
                if (header.number != number) revert HeightsDiffer(number, header.number);
                if (found == hash) revert NoMisbehaviour(hash);
            }
            (number, hash, position) = (header.number, found, next);
        }
        _requireEnd(data, position);
        _trusted.belief = belief | FROZEN;
        emit FrozenByMisbehaviour(uint64(number));
    }

    /// @notice Chooses the trusted state anew, unfreezes, and forgets the anchor. For the admin, behind its delay: after
    /// misbehaviour was settled, or after an absence longer than the trusting period.
    function bootstrap(address[] calldata validators, uint64 height, uint64 timestamp) external restricted {
        _storeAnchor(0, 0);
        // It was that of another set.
        storageRoot = 0;
        _bootstrap(validators, height, timestamp);
    }

    // ------------------------------------------------------------------------------------------------ rules

    /// @dev A block of the trusted set, with its stateRoot, whatever its time. Returns its header and the position after it.
    function _requireBlock(uint256 position, uint256 belief, uint256 buffer)
        private
        view
        returns (BftHeader.Header memory header, uint256 next)
    {
        uint256 carried = BftHeader.afterBeneficiary(position);
        header = BftHeader.readFrom(position, carried + 32, BftHeader.stateRootAt(position), _kinds);
        next = _requireSealed(position, header, belief, buffer);
    }

    /// @dev A quorum of the trusted set sealed a header, and the trusted set is the one whose turn it was: the contract's under
    /// the header's parent. Without the latter a block that was proposed and not decided could pass: a growing set's older
    /// members may be a quorum of what they once were, and none of what they are.
    /// @param position The header's first byte.
    /// @return end The position after the block.
    function _requireSealed(uint256 position, BftHeader.Header memory header, uint256 belief, uint256 buffer)
        private
        view
        returns (uint256 end)
    {
        unchecked {
            uint256 listed = _byteAt(header.validators);
            if (listed != 0) revert ValidatorsListed(listed);
            uint256 next = header.sealers;
            uint256 count = _byteAt(next);
            _requireBelieved(_setHash(_list(next + 1, count)), belief);
            end = _requireQuorum(header.hash, next, next + 1 + count * 20, buffer);

            bytes32 setHash;
            bytes32 found;
            (setHash,, found, end) = _readSet(end, buffer);
            if (setHash != 0) _requireBelieved(setHash, belief);
            (found, end) = BftHeader.onChainHashFrom(end, BftHeader.afterBeneficiary(end), found, _kinds);
            bytes32 parent = BftHeader.parentHashAt(position);
            if (found != parent) revert NotParent(found, parent);
        }
    }

    function _requireBelieved(bytes32 setHash, uint256 belief) private view {
        if ((uint256(setHash) ^ belief) >> SET_SHIFT != 0) revert NotTrustedSet(setHash, _trusted.setHash);
    }

    /// @dev Reads what the contract's list is in some state.
    /// @return setHash Of the list; 0 for the trusted one.
    /// @return root The contract's storage root.
    /// @return stateRoot The state root that the proof leads to.
    function _readSet(uint256 position, uint256 buffer)
        private
        view
        returns (bytes32 setHash, bytes32 root, bytes32 stateRoot, uint256 next)
    {
        uint256 form = _byteAt(position);
        next = position + 1;
        if (form == MEMBERS) {
            (setHash, root, next) = _readMembers(next, buffer);
        } else {
            if (form != KNOWN_STORAGE) revert FormUnknown(form);
            root = storageRoot;
            if (root == 0) revert StorageUnknown();
        }
        (stateRoot, next) = CompactProof.stateRoot(next, CompactProof.keyOf(validatorContract), root, buffer);
    }

    /// @dev Reads the list out of the contract's storage: proofs of its length and of every member, all of one storage root.
    function _readMembers(uint256 position, uint256 buffer)
        private
        view
        returns (bytes32 setHash, bytes32 root, uint256 next)
    {
        unchecked {
            // Both the place of the length in the trie and where the members begin in storage.
            bytes32 base = CompactProof.keyOf(validatorSlot);
            bytes32 word;
            (root, word, next) = CompactProof.storageRoot(position, base, buffer);
            uint256 count = uint256(word);
            if (count - 1 >= MOST_VALIDATORS) revert ValidatorCountInvalid(count, MOST_VALIDATORS);
            address[] memory members = new address[](count);
            for (uint256 i = 0; i < count; ++i) {
                bytes32 found;
                bytes32 key = CompactProof.keyOf(bytes32(uint256(base) + i));
                (found, word, next) = CompactProof.storageRoot(next, key, buffer);
                if (found != root) revert StorageRootsDiffer(i, found, root);
                if (uint256(word) >> 160 != 0) revert ValidatorMalformed(i, word);
                members[i] = address(uint160(uint256(word)));
            }
            _requireMembers(members);
            setHash = _setHash(members);
        }
    }
}
