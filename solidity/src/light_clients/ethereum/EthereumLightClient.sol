// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../interfaces/ILightClient.sol";
import {CompactProof} from "../../libraries/CompactProof.sol";
import {TrieNodes} from "../../libraries/TrieNodes.sol";
import {LightClient} from "../shared/LightClient.sol";
import {BeaconHeader} from "./BeaconHeader.sol";
import {Bls12381} from "./Bls12381.sol";
import {EthereumParameters} from "./EthereumParameters.sol";
import {SszTree} from "./SszTree.sol";
import {SyncCommittee} from "./SyncCommittee.sol";

/// @title A light client of Ethereum's proof of stake, by its sync committees (docs/reference/wire-formats.md §7).
/// @notice Trusts the committee of one period and, once it is shown, that of the next, by their roots. A finalized header is
/// believed when enough of the committee of its time signed a header whose state finalized it (INV-7).
contract EthereumLightClient is LightClient, EthereumParameters {
    /// @dev What most proofs are checked against is in the first word, for a cold word costs 2,100 gas: the committee is known
    /// there by the first 26 bytes of its root.
    struct TrustedState {
        /// The first 26 bytes of the committee of finalizedSlot's period, then finalizedSlot (46 bits), then a bit for a next
        /// committee that is known, then one for frozen.
        uint256 belief;
        /// Roots of SyncCommittees, by the parity of their period. While the next one is unknown its place holds an old one,
        /// for a word that is never cleared costs 5,000 gas to write, not 22,100.
        bytes32[2] committees;
    }

    /// @dev What is read from `signed`; parts of it by their positions.
    struct Signed {
        uint256 signature;
        uint256 signatureSlot;
        uint256 attested;
        /// How the attested header's state is laid out.
        uint256 form;
        uint256 finalized;
        uint256 finalizedSlot;
        /// The committee that signed, and where in memory those of its keys that signed are left as one, negated.
        bytes32 committee;
        uint256 sum;
        /// The committee of the period after all its slots', or 0 where it is not shown.
        bytes32 nextCommittee;
    }

    /// @dev Flags, the first byte of `signed`.
    uint256 private constant SOME_ABSENT = 1;
    uint256 private constant NEXT_SHOWN = 2;
    uint256 private constant FLAGS_END = 4;

    /// @dev Where parts of `signed` begin.
    uint256 private constant SIGNATURE_SLOT = 1;
    uint256 private constant SIGNATURE = 9;
    uint256 private constant AGGREGATE_KEY = 201;

    uint256 private constant FROZEN = 1;
    uint256 private constant NEXT_KNOWN = 2;
    uint256 private constant SLOT_SHIFT = 2;
    /// @dev Enough for slots of a millisecond each through two thousand years.
    uint256 private constant SLOT_MASK = (1 << 46) - 1;
    /// @dev Where the committee's part of a belief begins.
    uint256 private constant COMMITTEE_SHIFT = 48;
    /// @dev DOMAIN_SYNC_COMMITTEE, before 28 bytes of the fork's data root.
    bytes32 private constant DOMAIN = bytes32(uint256(7) << 248);

    TrustedState private _trusted;

    /// @notice The admin chose the trusted state, at deployment or again. `nextCommittee` 0: unknown.
    event Bootstrapped(uint64 indexed finalizedSlot, uint64 timestamp, bytes32 committee, bytes32 nextCommittee);

    /// @notice The committee that signed is neither of the trusted period nor the known one of the next.
    error PeriodUnknown(uint256 found, uint256 trusted);
    error NotTrustedCommittee(bytes32 found, bytes32 trusted);
    /// @notice The signature comes after what was attested, and that no earlier than what it finalized.
    error SlotsOutOfOrder(uint256 signatureSlot, uint256 attestedSlot, uint256 finalizedSlot);
    /// @notice A next committee is shown only where all three slots are of one period.
    error PeriodsDiffer(uint256 signatureSlot, uint256 attestedSlot, uint256 finalizedSlot);
    error NextCommitteeDiffers(bytes32 found, bytes32 known);
    error CommitteeZero();
    /// @notice Neither two finalized headers of one slot nor two next committees of one period.
    error NoMisbehaviour(bytes32 first, bytes32 second);

    /// @param authority AccessManager whose roles say who may bootstrap again.
    /// @param finalizedSlot Slot of the finalized header from which on the client trusts.
    /// @param committee SyncCommittee root of that slot's period.
    /// @param nextCommittee That of the period after it; 0 when it is unknown.
    constructor(
        address authority,
        Parameters memory parameters_,
        uint64 finalizedSlot,
        bytes32 committee,
        bytes32 nextCommittee
    ) LightClient(authority, parameters_.trustingPeriod, parameters_.maxClockDrift) EthereumParameters(parameters_) {
        Bls12381.requirePrecompiles();
        _bootstrap(finalizedSlot, committee, nextCommittee);
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
            if (form == BY_HEADER) {
                (height, timestamp) = _believeExecution(proof, position, root, belief);
            } else {
                (height, timestamp) = _requireAnchored(proof, position, form, root);
            }
        }
    }

    // ------------------------------------------------------------------------------------------------ moving trust

    /// @inheritdoc ILightClient
    function update(bytes calldata data) external {
        unchecked {
            uint256 belief = _requireActive();
            // Where it ends is compared, and the root is of no interest once it is signed.
            // slither-disable-next-line unused-return
            (Signed memory signed,, uint256 end) = _believe(_start(data), belief);
            _requireEnd(data, end);
            _requireNotAhead(_timestampOf(signed.signatureSlot));

            uint256 trustedSlot = _slotOf(belief);
            (uint256 slot, bytes32 shown) = (signed.finalizedSlot, signed.nextCommittee);
            uint256 period = _periodOf(slot);
            (bytes32 committee, bool isNextKnown) = (bytes32(belief), belief & NEXT_KNOWN != 0);
            // The next committee, which signed, is this one now, and the one after it is not known.
            if (period > _periodOf(trustedSlot)) (committee, isNextKnown) = (signed.committee, false);

            if (shown != 0 && !isNextKnown) {
                // News, whatever its slot: others may have moved trust beyond it by an update that shows no committee.
                _trusted.committees[(period + 1) & 1] = shown;
                isNextKnown = true;
            } else {
                if (slot <= trustedSlot) revert HeightNotAbove(slot, trustedSlot);
                bytes32 known = shown == 0 ? shown : _trusted.committees[(period + 1) & 1];
                if (shown != known) revert NextCommitteeDiffers(shown, known);
            }
            if (slot < trustedSlot) slot = trustedSlot;
            _trusted.belief = _beliefOf(committee, slot, isNextKnown);
            emit Updated(uint64(slot), uint64(_timestampOf(slot)));
        }
    }

    /// @inheritdoc ILightClient
    function anchor(bytes calldata data) external {
        unchecked {
            uint256 belief = _requireActive();
            uint256 position = _start(data);
            bytes32 root;
            assembly ("memory-safe") {
                root := calldataload(position)
            }
            (uint64 height, uint64 timestamp) = _believeExecution(data, position + 32, root, belief);
            _moveAnchor(root, height, timestamp);
        }
    }

    /// @inheritdoc ILightClient
    /// @dev An expired client can be frozen, and headers may lie in the future: two such headers are proof enough.
    function freeze(bytes calldata data) external {
        uint256 belief = _trusted.belief;
        if (belief & FROZEN != 0) revert NotActive(Status.Frozen);
        (Signed memory one, bytes32 root, uint256 second) = _believe(_start(data), belief);
        (Signed memory other, bytes32 otherRoot, uint256 end) = _believe(second, belief);
        _requireEnd(data, end);

        bool twoHeaders = one.finalizedSlot == other.finalizedSlot && root != otherRoot;
        bool twoCommittees = one.nextCommittee != 0 && other.nextCommittee != 0
            && one.nextCommittee != other.nextCommittee
            && _periodOf(one.finalizedSlot) == _periodOf(other.finalizedSlot);
        if (!twoHeaders && !twoCommittees) revert NoMisbehaviour(root, otherRoot);
        _trusted.belief = belief | FROZEN;
        emit FrozenByMisbehaviour(uint64(one.finalizedSlot));
    }

    /// @notice Chooses the trusted state anew, unfreezes, and forgets the anchor. For the admin, behind its delay: after
    /// misbehaviour was settled, or after an absence longer than the trusting period.
    function bootstrap(uint64 finalizedSlot, bytes32 committee, bytes32 nextCommittee) external restricted {
        _storeAnchor(0, 0);
        _bootstrap(finalizedSlot, committee, nextCommittee);
    }

    // ------------------------------------------------------------------------------------------------ reading

    /// @inheritdoc ILightClient
    function status() public view returns (Status) {
        return _statusOf(_trusted.belief);
    }

    /// @return finalizedSlot Slot of the newest finalized header that moved trust.
    /// @return timestamp That slot's time, in seconds.
    /// @return committee SyncCommittee root of that slot's period.
    /// @return nextCommittee That of the period after it; 0 while it is unknown.
    function trustedState()
        external
        view
        returns (uint64 finalizedSlot, uint64 timestamp, bytes32 committee, bytes32 nextCommittee, bool frozen)
    {
        uint256 belief = _trusted.belief;
        finalizedSlot = uint64(_slotOf(belief));
        timestamp = uint64(_timestampOf(finalizedSlot));
        uint256 period = _periodOf(finalizedSlot);
        committee = _trusted.committees[period & 1];
        if (belief & NEXT_KNOWN != 0) nextCommittee = _trusted.committees[(period + 1) & 1];
        frozen = belief & FROZEN != 0;
    }

    /// @notice What the client was deployed with.
    function parameters() external view returns (Parameters memory parameters_) {
        parameters_ = _parameters();
        parameters_.trustingPeriod = trustingPeriod;
        parameters_.maxClockDrift = maxClockDrift;
    }

    // ------------------------------------------------------------------------------------------------ rules

    function _requireActive() private view returns (uint256 belief) {
        belief = _trusted.belief;
        Status found = _statusOf(belief);
        if (found != Status.Active) revert NotActive(found);
    }

    function _statusOf(uint256 belief) private view returns (Status) {
        if (belief & FROZEN != 0) return Status.Frozen;
        return _isExpired(_timestampOf(_slotOf(belief))) ? Status.Expired : Status.Active;
    }

    function _slotOf(uint256 belief) private pure returns (uint256) {
        return (belief >> SLOT_SHIFT) & SLOT_MASK;
    }

    function _beliefOf(bytes32 committee, uint256 slot, bool isNextKnown) private pure returns (uint256) {
        return (uint256(committee) >> COMMITTEE_SHIFT << COMMITTEE_SHIFT) | (slot << SLOT_SHIFT)
            | (isNextKnown ? NEXT_KNOWN : 0);
    }

    /// @dev Believes the rest of `data`, from a position: `signed`, with this state root in the finalized payload.
    function _believeExecution(bytes calldata data, uint256 position, bytes32 stateRoot, uint256 belief)
        private
        view
        returns (uint64 height, uint64 timestamp)
    {
        Signed memory signed = _read(position, belief);
        (bytes32 root, uint256 blockNumber, uint256 end) =
            BeaconHeader.finalizedRootBy(signed.finalized, _layoutOf(signed.finalizedSlot), stateRoot);
        _requireEnd(data, end);
        _requireNotAhead(_timestampOf(signed.signatureSlot));
        _requireSigned(signed, root);
        return (uint64(blockNumber), uint64(_timestampOf(signed.finalizedSlot)));
    }

    /// @dev Believes `signed` with `bodySide`, but for the clock.
    function _believe(uint256 position, uint256 belief)
        private
        view
        returns (Signed memory signed, bytes32 root, uint256 end)
    {
        signed = _read(position, belief);
        // Of a fork that is believed.
        _layoutOf(signed.finalizedSlot);
        (root, end) = BeaconHeader.finalizedRoot(signed.finalized);
        _requireSigned(signed, root);
    }

    /// @dev Reads `signed` up to the finalized header: its committee is trusted, enough of it are named, its slots are in order.
    function _read(uint256 position, uint256 belief) private view returns (Signed memory signed) {
        unchecked {
            uint256 flags = _byteAt(position);
            if (flags >= FLAGS_END) revert FormUnknown(flags);
            uint256 slot = SszTree.number(position + SIGNATURE_SLOT);
            signed.signatureSlot = slot;
            signed.signature = position + SIGNATURE;

            // The committee of its period, by its root.
            uint256 period = _periodOf(slot);
            signed.sum = SyncCommittee.allocateSum();
            (signed.committee, position) = SyncCommittee.read(
                position + AGGREGATE_KEY, flags & SOME_ABSENT != 0, _committeeSize, _threshold, signed.sum
            );
            _requireTrusted(signed.committee, period, belief);

            // Its slots, and with them the places of what follows.
            signed.attested = position;
            uint256 attestedSlot = SszTree.number(position);
            uint256 form = _layoutOf(attestedSlot);
            position += BeaconHeader.ATTESTED_SIZE;
            uint256 finalized = position + BeaconHeader.finalitySize(form);
            uint256 finalizedSlot = SszTree.number(finalized);
            (signed.form, signed.finalized, signed.finalizedSlot) = (form, finalized, finalizedSlot);
            if (slot <= attestedSlot || attestedSlot < finalizedSlot) {
                revert SlotsOutOfOrder(slot, attestedSlot, finalizedSlot);
            }

            // The next committee, where all slots between the first and the last are of one period.
            if (flags & NEXT_SHOWN != 0) {
                signed.nextCommittee = BeaconHeader.nextCommittee(position);
                if (signed.nextCommittee == 0) revert CommitteeZero();
                if (_periodOf(finalizedSlot) != period) revert PeriodsDiffer(slot, attestedSlot, finalizedSlot);
            }
        }
    }

    /// @dev The committee signed an attested header whose state finalized the header of this root.
    function _requireSigned(Signed memory signed, bytes32 root) private view {
        unchecked {
            bytes32 current = signed.nextCommittee == 0 ? bytes32(0) : signed.committee;
            root = BeaconHeader.stateRoot(signed.attested + BeaconHeader.ATTESTED_SIZE, signed.form, root, current);
            root = BeaconHeader.attestedRoot(signed.attested, root);
            // Under the version of the fork one slot before.
            bytes32 domain = SszTree.hash(_versionOf(signed.signatureSlot - 1), _genesisValidatorsRoot);
            root = SszTree.hash(root, DOMAIN | (domain >> 32));
            SyncCommittee.requireSigned(root, signed.sum, signed.signature);
        }
    }

    /// @dev The committee of this root is the trusted one of its period.
    function _requireTrusted(bytes32 root, uint256 period, uint256 belief) private view {
        unchecked {
            uint256 trustedPeriod = _periodOf(_slotOf(belief));
            if (period == trustedPeriod) {
                if ((uint256(root) ^ belief) >> COMMITTEE_SHIFT == 0) return;
            } else if (period != trustedPeriod + 1 || belief & NEXT_KNOWN == 0) {
                revert PeriodUnknown(period, trustedPeriod);
            }
            bytes32 trusted = _trusted.committees[period & 1];
            if (root != trusted) revert NotTrustedCommittee(root, trusted);
        }
    }

    function _bootstrap(uint64 finalizedSlot, bytes32 committee, bytes32 nextCommittee) private {
        if (committee == 0) revert CommitteeZero();
        // Of a fork that is believed.
        _layoutOf(finalizedSlot);
        uint256 timestamp = _timestampOf(finalizedSlot);
        _requireNotAhead(timestamp);
        uint256 period = _periodOf(finalizedSlot);
        _trusted.belief = _beliefOf(committee, finalizedSlot, nextCommittee != 0);
        _trusted.committees[period & 1] = committee;
        if (nextCommittee != 0) _trusted.committees[(period + 1) & 1] = nextCommittee;
        // A state that is too old to be believed is a mistake, not a state.
        _requireActive();
        emit Bootstrapped(finalizedSlot, uint64(timestamp), committee, nextCommittee);
    }
}
