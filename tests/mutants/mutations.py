# SPDX-License-Identifier: MIT
"""Rules of the contracts, the text that stands for a rule, and the test that must fail without it.

One mutation is one line or a few, so that nothing but the rule changes, and the text is there exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Mutation:
    """A rule that is dropped or weakened.

    Attributes:
        name: short, unique.
        rule: what no longer holds.
        source: the file, below solidity/src/.
        found: a text that the source has exactly once.
        put: what stands there instead.
        killer: the test that fails then: its file below solidity/test/, two colons, the function's name.
    """

    name: str
    rule: str
    source: str
    found: str
    put: str
    killer: str

    @property
    def file(self) -> str:
        """The killer's file, below solidity/test/."""
        return self.killer.partition("::")[0]

    @property
    def test(self) -> str:
        """The killer's function."""
        return self.killer.partition("::")[2]

    def apply_to(self, text: str) -> str:
        """Return a source with the rule gone. Raises ValueError where the text is not there exactly once."""
        if (count := text.count(self.found)) != 1:
            raise ValueError(
                f"{self.name}: found its text {count} times in {self.source}, expected once. The source has "
                "changed: take the mutation along."
            )
        return text.replace(self.found, self.put)


_FRAME: Final = "libraries/Frame.sol"
_BATCH: Final = "libraries/BatchReader.sol"
_PROOF: Final = "libraries/CompactProof.sol"
_BFT: Final = "light_clients/bft/BftLightClient.sol"
_BFT_TRUST: Final = "light_clients/bft/BftTrust.sol"
_BFT_HEADER: Final = "light_clients/bft/BftHeader.sol"
_CONTRACT_MODE: Final = "light_clients/bft/BftValidatorContractLightClient.sol"
_CONTRACT_MODE_TEST: Final = "light_clients/bft/BftValidatorContract.t.sol::"
_CLIQUE: Final = "light_clients/clique/CliqueLightClient.sol"
_CLIQUE_RUN: Final = "light_clients/clique/CliqueRun.sol"
_CLIQUE_SIGNERS: Final = "light_clients/clique/CliqueSigners.sol"
_CLIQUE_TEST: Final = "light_clients/clique/CliqueRules.t.sol::"
_ETHEREUM: Final = "light_clients/ethereum/EthereumLightClient.sol"
_DEEP: Final = "deep/CallDepth.t.sol::test_INV2_whatIsDeliveredTookPlaceAtEveryDepth"
_COMMITTEE: Final = "light_clients/ethereum/SyncCommittee.sol"

MUTATIONS: Final = (
    # --- the gateway --------------------------------------------------------------------------------------
    Mutation(
        "frame-gas-63-64",
        "A recipient gets its gas though a call passes on at most 63/64 (EIP-150).",
        _FRAME,
        "needed = (gasLimit << 6) / 63 + RESERVE;",
        "needed = gasLimit + RESERVE;",
        "InboxGas.t.sol::test_the_boundary_itself",
    ),
    Mutation(
        "frame-reserve",
        "The whole reserve is asked for, with the margin for prices to come.",
        _FRAME,
        "RESERVE = 10_000;",
        "RESERVE = 5_600;",
        "InboxGas.t.sol::test_the_error_says_what_is_missing",
    ),
    Mutation(
        "frame-sender-padding",
        "A sender's padding is zeros.",
        _FRAME,
        "            mstore(add(add(place, 1), addressLength), 0)\n",
        "",
        "InboxBatch.t.sol::test_call_data_is_canonical_with_senders_of_32_bytes",
    ),
    Mutation(
        "frame-no-headroom",
        "No recipient runs at the end of the call stack (INV-2).",
        "Inbox.sol",
        "        if (block.gaslimit >= DEPTH_IN_REACH) Frame.requireHeadroom();\n",
        "",
        _DEEP,
    ),
    Mutation(
        "frame-less-headroom",
        "A recipient has all of its frames (INV-2).",
        _FRAME,
        "mstore8(0x00, add(HEADROOM, 1))",
        "mstore8(0x00, HEADROOM)",
        _DEEP,
    ),
    Mutation(
        "frame-ladder-breaks",
        "A rung that fails ends the ladder (INV-2).",
        _FRAME,
        "if iszero(staticcall(gas(), address(), 0x00, 0x01, 0x00, 0x00)) { revert(0x00, 0x00) }",
        "pop(staticcall(gas(), address(), 0x00, 0x01, 0x00, 0x00))",
        _DEEP,
    ),
    Mutation(
        "frame-short-answer",
        "An answer of fewer than 32 bytes is no acceptance.",
        _FRAME,
        "if and(and(ok, gt(size, 31)), eq(mload(0x00), selector))",
        "if and(and(ok, gt(size, 3)), eq(mload(0x00), selector))",
        "InboxIsolation.t.sol::test_a_hostile_recipient_fails_alone",
    ),
    Mutation(
        "frame-reason-size",
        "A reason of 32 bytes is a failed recipient's and stops no batch.",
        _FRAME,
        "if (size > MOST_REASON + 1) {",
        "if (size > MOST_REASON) {",
        "InboxIsolation.t.sol::test_a_hostile_recipient_fails_alone",
    ),
    Mutation(
        "inbox-deadline",
        "A message is delivered in the second of its deadline.",
        "Inbox.sol",
        "block.timestamp > message.deadline",
        "block.timestamp >= message.deadline",
        "Inbox.t.sol::test_deadlines_to_the_second",
    ),
    Mutation(
        "inbox-sequence-64-bits",
        "A batch ends within the 64 bits of a sequence.",
        "Inbox.sol",
        "if (last > type(uint64).max) revert MalformedBatch(run.end - run.begin);",
        "",
        "InboxBatch.t.sol::test_sequences_end_at_64_bits",
    ),
    Mutation(
        "inbox-wide-recipient",
        "A recipient of more than 20 bytes is no address.",
        "Inbox.sol",
        "else run.bar = uint256(message.recipient) >> 160 != 0 ? FAILED : 0;",
        "else run.bar = 0;",
        "InboxIsolation.t.sol::test_recipients_that_are_no_address_fail_alone",
    ),
    Mutation(
        "inbox-client-answer",
        "An answer of fewer than three words proves nothing.",
        "Inbox.sol",
        "if lt(returndatasize(), 0x60) { revert(0x00, 0x00) }",
        "",
        "Inbox.t.sol::test_clients_that_are_not_active_or_misbehave_stop_only_their_own_remote",
    ),
    Mutation(
        "inbox-head",
        "The head that is re-hashed is the one that was proven (INV-1).",
        "Inbox.sol",
        "if (proven != head) revert HeadMismatch(head, proven);",
        "",
        "Inbox.t.sol::test_the_head_must_be_proven",
    ),
    Mutation(
        "inbox-bit",
        "A message whose bit is set does not run again (INV-2).",
        "Inbox.sol",
        "if (word & bit != 0) continue;",
        "",
        "Inbox.t.sol::test_overlapping_batches",
    ),
    Mutation(
        "inbox-failed-bit",
        "A failed message's bit is cleared.",
        "Inbox.sol",
        "Lanes.store(slot, Lanes.load(slot) & ~bit);",
        "",
        "Inbox.t.sol::test_a_failed_message_leaves_nothing_and_can_be_tried_again",
    ),
    Mutation(
        "inbox-paused-remote",
        "A paused remote delivers nothing.",
        "Inbox.sol",
        "if (record.paused) revert RemoteIsPaused(source);",
        "",
        "Gateway.t.sol::test_pausing_a_remote_stops_both_directions_at_once",
    ),
    Mutation(
        "inbox-last-height",
        "A retired remote is believed up to its last height (INV-1).",
        "Inbox.sol",
        "if (height > record.lastHeight) revert",
        "if (height > record.lastHeight + 1) revert",
        "Retirement.t.sol::test_what_was_sent_by_the_last_height_arrives",
    ),
    Mutation(
        "inbox-succeeded",
        "A remote whose chain another endpoint speaks for delivers nothing (INV-1).",
        "Inbox.sol",
        "        if (record.succeeded) revert RemoteIsSucceeded(source);\n",
        "",
        "Retirement.t.sol::test_INV1_a_retired_chain_does_not_speak_for_its_successor",
    ),
    Mutation(
        "batch-tag",
        "A tag of an unknown kind is refused.",
        _BATCH,
        "and(gt(tag, 0x7f), iszero(and(and(tag, shr(1, tag)), KINDS)))",
        "gt(tag, 0x7f)",
        "InboxBatch.t.sol::test_malformed_tags",
    ),
    Mutation(
        "gateway-paused-route",
        "A paused remote keeps its chain.",
        "Gateway.sol",
        "bytes32 holder = _holders[key];\n        if (holder != 0 && !_remotes[holder].retired) revert ChainAlreadyRouted",
        "bytes32 holder = _routes[key];\n        if (holder != 0 && !_remotes[holder].retired) revert ChainAlreadyRouted",
        "Gateway.t.sol::test_a_paused_remote_keeps_its_chain",
    ),
    Mutation(
        "gateway-successor",
        "A registration ends the retired remote of the same chain (INV-1).",
        "Gateway.sol",
        "        if (holder != 0) _remotes[holder].succeeded = true;\n",
        "",
        "Retirement.t.sol::test_a_successor_ends_what_a_retired_remote_may_deliver",
    ),
    Mutation(
        "gateway-reinstated-too-late",
        "A remote that was succeeded is not reinstated.",
        "Gateway.sol",
        "        if (!record.retired) return;\n        if (record.succeeded) revert RemoteIsSucceeded(remoteId);\n",
        "        if (!record.retired) return;\n",
        "Retirement.t.sol::test_a_successor_ends_what_a_retired_remote_may_deliver",
    ),
    Mutation(
        "gateway-reinstated-unpaused",
        "A remote that is reinstated while it is paused has no route.",
        "Gateway.sol",
        "        record.lastHeight = 0;\n        if (!record.paused) _routes",
        "        record.lastHeight = 0;\n        _routes",
        "Retirement.t.sol::test_a_reinstated_remote_that_is_paused_stays_so",
    ),
    Mutation(
        "outbox-owner",
        "A channel belongs to whom its opener names.",
        "Outbox.sol",
        "_owners[laneId] = owner;",
        "_owners[laneId] = owner == address(0) ? owner : msg.sender;",
        "Outbox.t.sol::test_a_channel_opened_through_the_manager_belongs_to_whom_its_opener_names",
    ),
    Mutation(
        "outbox-offer",
        "A channel is taken by whom it was offered to.",
        "Outbox.sol",
        "if (_pendingOwners[laneId] != msg.sender) revert NotPendingLaneOwner(laneId, msg.sender);",
        "",
        "Outbox.t.sol::test_a_channel_moves_in_two_steps",
    ),
    Mutation(
        "outbox-offer-once",
        "An offer of a channel is taken once.",
        "Outbox.sol",
        "        delete _pendingOwners[laneId];\n",
        "",
        "Outbox.t.sol::test_a_channel_moves_in_two_steps",
    ),
    Mutation(
        "outbox-duplicate-attribute",
        "An attribute stands once.",
        "Outbox.sol",
        "if (seen & kind != 0) revert DuplicateAttribute(selector);",
        "",
        "Outbox.t.sol::test_unknown_duplicate_and_malformed_attributes",
    ),
    Mutation(
        "outbox-page-border",
        "The chain of heads runs on across pages.",
        "Outbox.sol",
        "if (sequence % Lanes.PAGE == 0 && sequence != 0) previous",
        "if (sequence % Lanes.PAGE == 0 && sequence > Lanes.PAGE) previous",
        "Outbox.t.sol::test_the_chain_runs_on_across_pages",
    ),
    Mutation(
        "address-leading-zero",
        "A chain id has no leading zero.",
        "libraries/CanonicalAddress.sol",
        "and(and(eq(addressLength, 20), lt(chainLength, 38)), gt(byte(5, word), 0))",
        "and(eq(addressLength, 20), lt(chainLength, 38))",
        "Outbox.t.sol::test_recipients_that_are_not_canonical_are_refused",
    ),
    # --- what clients share -------------------------------------------------------------------------------
    Mutation(
        "anchor-above",
        "An anchor is above the last one.",
        "light_clients/shared/LightClient.sol",
        "if (height <= above) revert",
        "if (height < above) revert",
        "light_clients/bft/BftAnchor.t.sol::test_heightMustRise",
    ),
    Mutation(
        "anchored-root",
        "A proof by anchor leads to the anchored root (INV-1).",
        "light_clients/shared/LightClient.sol",
        "if (root != anchoredRoot) revert NotAnchoredRoot(root, anchoredRoot);",
        "",
        "light_clients/bft/BftAnchor.t.sol::test_INV1_otherRoot",
    ),
    Mutation(
        "trusting-period",
        "Trust ends (INV-7).",
        "light_clients/shared/LightClient.sol",
        "return block.timestamp > timestamp + trustingPeriod;",
        "return block.timestamp > timestamp + trustingPeriod + 1;",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_trustingPeriod",
    ),
    Mutation(
        "clock-drift",
        "A header from the future is refused (INV-7).",
        "light_clients/shared/LightClient.sol",
        "uint256 most = block.timestamp + maxClockDrift;",
        "uint256 most = block.timestamp + maxClockDrift + 1;",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_clockDrift",
    ),
    Mutation(
        "proof-other-leaf",
        "A leaf that shows absence has another path.",
        _PROOF,
        "(TrieNodes.LEAF_FLAG | (count & 1)) || path == _rest(key, depth)) {",
        "(TrieNodes.LEAF_FLAG | (count & 1))) {",
        "libraries/CompactProofRejections.t.sol::test_otherLeafPaths",
    ),
    Mutation(
        "proof-other-extension",
        "An extension that shows absence leads elsewhere.",
        _PROOF,
        "if (path == _rest(key, depth) >> ((left - count) << 2)) revert ProofMalformed(position);",
        "",
        "libraries/CompactProofRejections.t.sol::test_otherExtension",
    ),
    Mutation(
        "proof-own-bit",
        "A branch's own place is not among the siblings.",
        _PROOF,
        "if ((hashed | embedded) & own | (hashed & embedded) != 0) revert",
        "if (hashed & embedded != 0) revert",
        "libraries/CompactProofRejections.t.sol::test_mixedBranches",
    ),
    Mutation(
        "proof-empty-place",
        "An empty place is a branch's.",
        _PROOF,
        "if (depth == 0 || _byteAt(next) > MIXED_BRANCH) revert",
        "if (depth == 0) revert",
        "libraries/CompactProofRejections.t.sol::test_emptyPlaces",
    ),
    # --- bft ----------------------------------------------------------------------------------------------
    Mutation(
        "bft-quorum",
        "A quorum is two thirds, rounded up (INV-7).",
        _BFT_HEADER,
        "return (count * 2 + 2) / 3;",
        "return (count * 2 + 1) / 3;",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_quorumOfEverySize",
    ),
    Mutation(
        "bft-height",
        "An update is above the trusted height.",
        _BFT,
        "if (header.number <= height) revert",
        "if (header.number < height) revert",
        "light_clients/bft/BftUpdate.t.sol::test_heightMustRise",
    ),
    Mutation(
        "bft-trusted-quorum",
        "A change of validators needs two thirds of the trusted set, not of the new one (INV-7).",
        _BFT,
        "BftHeader.quorum(link.trustedCount)",
        "BftHeader.quorum(link.count)",
        "light_clients/bft/BftUpdate.t.sol::test_INV7_trustedQuorumOfEverySize",
    ),
    Mutation(
        "bft-member-twice",
        "No validator stands twice in a set.",
        _BFT_TRUST,
        "for (uint256 j = 0; j < i; ++j) {",
        "for (uint256 j = 0; j + 1 < i; ++j) {",
        "light_clients/bft/BftUpdate.t.sol::test_INV7_memberTwice",
    ),
    Mutation(
        "bft-proof-clock",
        "A proof's header is not from the future (INV-7).",
        _BFT,
        "                _requireNotAhead(time);\n",
        "",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_clockDrift",
    ),
    Mutation(
        "bft-update-clock",
        "An update's header is not from the future (INV-7).",
        _BFT,
        "            _requireNotAhead(timestamp);\n            if (link.changes)",
        "            if (link.changes)",
        "light_clients/bft/BftUpdate.t.sol::test_INV7_clockDrift",
    ),
    Mutation(
        "bft-bit-beyond-list",
        "A seal's bit belongs to a validator of the list (INV-7).",
        _BFT_HEADER,
        "if (mask >> count != 0) revert HeaderMalformed(sealers);",
        "",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_bitBeyondTheList",
    ),
    Mutation(
        "bft-raw-tail",
        "A header has at most 21 fields.",
        _BFT_HEADER,
        "fields == 0 || fields > 6",
        "fields == 0 || fields > 7",
        "light_clients/bft/BftHeader.t.sol::test_rawTailMustBeStrings",
    ),
    Mutation(
        "bft-vote-and-round",
        "Vote and round are one item each.",
        _BFT_HEADER,
        "if (size != needed || size > 56) revert",
        "if (size < needed || size > 56) revert",
        "light_clients/bft/BftMisbehaviour.t.sol::test_INV4_splitOfVoteAndRound",
    ),
    Mutation(
        "bft-trusted-set",
        "A header's set is the trusted one (INV-7).",
        _BFT_TRUST,
        "if (found != trusted) revert NotTrustedSet(found, trusted);",
        "",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_selfDeclaredSet",
    ),
    Mutation(
        "bft-protocol-from",
        "The later protocol begins with its first block (INV-7).",
        _BFT_HEADER,
        "iszero(lt(height, shr(16, kinds)))",
        "gt(height, shr(16, kinds))",
        "light_clients/bft/BftProtocols.t.sol::test_INV7_aHeaderIsReadByTheProtocolOfItsHeight",
    ),
    Mutation(
        "bft-istanbul-commit",
        "Validators of legacy Istanbul sign the block's hash with the code of COMMIT, not the hash (INV-7).",
        _BFT_HEADER,
        "hash = BftHeaderRlp.istanbulHash(list, end, flags & ON_CHAIN != 0);",
        "hash = BftHeaderRlp.istanbulHash(list, end, true);",
        "light_clients/bft/BftProtocols.t.sol::test_INV7_theBlocksHashIsNotSealed",
    ),
    Mutation(
        "bft-istanbul-proposer",
        "A header of legacy Istanbul has a proposer's seal.",
        _BFT_HEADER,
        "count == 0 || flags & HAS_ROUND == 0",
        "count == 0",
        "light_clients/bft/BftProtocols.t.sol::test_INV8_aProposersSealIsThere",
    ),
    # --- bft, validators that a contract chooses ------------------------------------------------------------
    Mutation(
        "bft-counted-seals",
        "A quorum sealed (INV-7).",
        _BFT_TRUST,
        "if (found < needed) revert QuorumNotReached(found, needed);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_storageAt",
    ),
    Mutation(
        "contract-mode-parent",
        "The set is the one under the sealed block's own parent (INV-7).",
        _CONTRACT_MODE,
        "if (found != parent) revert NotParent(found, parent);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_theSetUnderAnotherBlock",
    ),
    Mutation(
        "contract-mode-turn",
        "The set under the parent is the trusted one (INV-7).",
        _CONTRACT_MODE,
        "if (setHash != 0) _requireBelieved(setHash, belief);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_storageAt",
    ),
    Mutation(
        "contract-mode-claimed",
        "The seals are counted by the trusted set (INV-7).",
        _CONTRACT_MODE,
        "            _requireBelieved(_setHash(_list(next + 1, count)), belief);\n",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_strangersInTheTurnOfTheTrustedSet",
    ),
    Mutation(
        "contract-mode-listed",
        "A header that lists validators is none of this mode.",
        _CONTRACT_MODE,
        "if (listed != 0) revert ValidatorsListed(listed);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_aHeaderThatListsValidators",
    ),
    Mutation(
        "contract-mode-account",
        "The list is that of the contract which chooses the validators (INV-7).",
        _CONTRACT_MODE,
        "CompactProof.keyOf(validatorContract)",
        "CompactProof.keyOf(address(uint160(uint256(validatorSlot))))",
        _CONTRACT_MODE_TEST + "test_INV7_storageAt",
    ),
    Mutation(
        "contract-mode-slot",
        "The list is in the slot that was chosen (INV-7).",
        _CONTRACT_MODE,
        "CompactProof.keyOf(validatorSlot);",
        "CompactProof.keyOf(bytes32(0));",
        _CONTRACT_MODE_TEST + "test_INV7_storageAt",
    ),
    Mutation(
        "contract-mode-known-storage",
        "A new admin's set has no known storage (INV-7).",
        _CONTRACT_MODE,
        "        storageRoot = 0;\n        _bootstrap",
        "        _bootstrap",
        _CONTRACT_MODE_TEST + "test_bootstrapAgain",
    ),
    Mutation(
        "contract-mode-next-state",
        "The next set is the one in the block's own state (INV-7).",
        _CONTRACT_MODE,
        "if (stateRoot != expected) revert NotStateRoot(stateRoot, expected);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_aRenewalIsNoWayPastAChange",
    ),
    Mutation(
        "contract-mode-empty-list",
        "No set is empty (INV-7).",
        _CONTRACT_MODE,
        "if (count - 1 >= MOST_VALIDATORS) revert",
        "if (count > MOST_VALIDATORS) revert",
        _CONTRACT_MODE_TEST + "test_INV7_aListWithoutMembers",
    ),
    Mutation(
        "contract-mode-one-storage",
        "Length and members are of one storage (INV-7).",
        _CONTRACT_MODE,
        "if (found != root) revert StorageRootsDiffer(i, found, root);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_membersOfAnotherStorage",
    ),
    Mutation(
        "contract-mode-member-word",
        "A member's word is an address.",
        _CONTRACT_MODE,
        "if (uint256(word) >> 160 != 0) revert ValidatorMalformed(i, word);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_aMemberThatIsNoAddress",
    ),
    Mutation(
        "contract-mode-height",
        "An update is above the trusted height.",
        _CONTRACT_MODE,
        "if (header.number <= _trusted.height) revert",
        "if (header.number < _trusted.height) revert",
        _CONTRACT_MODE_TEST + "test_heightMustRise",
    ),
    Mutation(
        "contract-mode-time",
        "Time does not run back (INV-7).",
        _CONTRACT_MODE,
        "if (header.timestamp < least) revert TimestampBelow(header.timestamp, least);",
        "least;",
        _CONTRACT_MODE_TEST + "test_INV7_timeRunsBack",
    ),
    Mutation(
        "contract-mode-proof-clock",
        "A proof's header is not from the future (INV-7).",
        _CONTRACT_MODE,
        "            _requireNotAhead(header.timestamp);\n            _requireEnd(proof",
        "            _requireEnd(proof",
        _CONTRACT_MODE_TEST + "test_INV7_clockDrift",
    ),
    Mutation(
        "contract-mode-update-clock",
        "An update's header is not from the future (INV-7).",
        _CONTRACT_MODE,
        "        _requireNotAhead(header.timestamp);\n\n",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_clockDrift",
    ),
    Mutation(
        "contract-mode-anchor-clock",
        "An anchored header is not from the future (INV-7).",
        _CONTRACT_MODE,
        "        _requireNotAhead(header.timestamp);\n        _requireEnd(data, end);",
        "        _requireEnd(data, end);",
        _CONTRACT_MODE_TEST + "test_INV7_clockDrift",
    ),
    Mutation(
        "contract-mode-one-block",
        "Misbehaviour is two blocks.",
        _CONTRACT_MODE,
        "if (found == hash) revert NoMisbehaviour(hash);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_twoBlocksOfAHeightFreeze",
    ),
    Mutation(
        "contract-mode-two-heights",
        "Misbehaviour is two blocks of one height (INV-7).",
        _CONTRACT_MODE,
        "if (header.number != number) revert HeightsDiffer(number, header.number);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_twoBlocksOfAHeightFreeze",
    ),
    # --- clique -------------------------------------------------------------------------------------------
    Mutation(
        "clique-majority",
        "More than half is floor(n/2) + 1 (INV-7).",
        _CLIQUE_SIGNERS,
        "return count / 2 + 1;",
        "return (count + 1) / 2;",
        _CLIQUE_TEST + "test_INV7_votesOfHalf",
    ),
    Mutation(
        "clique-vote-once",
        "A signer has one vote on a candidate (INV-7).",
        _CLIQUE_SIGNERS,
        ": by == voter && on == candidate;",
        ": false;",
        _CLIQUE_TEST + "test_INV7_votesOfOneTwice",
    ),
    Mutation(
        "clique-seal",
        "A header is sealed by the signer that it names (INV-7).",
        _CLIQUE_RUN,
        "if (recovered != header.signer) revert SealRejected(header.number, recovered, header.signer);",
        "",
        _CLIQUE_TEST + "test_INV7_strangersSeal",
    ),
    Mutation(
        "clique-too-soon",
        "No signer seals twice among floor(n/2) + 1 headers (INV-7).",
        _CLIQUE_RUN,
        "if (run.sealers[i] == recovered) revert SealedTooSoon(header.number, recovered);",
        "",
        _CLIQUE_TEST + "test_INV7_sealedTooSoon",
    ),
    Mutation(
        "clique-gap",
        "Headers of a run are consecutive (INV-7).",
        _CLIQUE_RUN,
        "if (header.number != run.number + 1) revert NotConsecutive(header.number, run.number + 1);",
        "",
        _CLIQUE_TEST + "test_INV7_gapInTheRun",
    ),
    Mutation(
        "clique-time",
        "Time does not run back within a run (INV-7).",
        _CLIQUE_RUN,
        "if (header.timestamp < run.timestamp) revert TimestampBelow(header.timestamp, run.timestamp);",
        "",
        _CLIQUE_TEST + "test_INV7_timeRunsBack",
    ),
    Mutation(
        "clique-epoch-votes",
        "An epoch block does not vote.",
        _CLIQUE_RUN,
        "if (header.number % run.epoch == 0 && _hasVote(header)) revert EpochBlockVotes(header.number);",
        "",
        _CLIQUE_TEST + "test_INV7_epochBlockVotes",
    ),
    Mutation(
        "clique-trusted-set",
        "The set is the trusted one (INV-7).",
        _CLIQUE,
        "if (found != _trusted.setHash) revert NotTrustedSet(found, _trusted.setHash);",
        "",
        _CLIQUE_TEST + "test_INV7_selfDeclaredSet",
    ),
    Mutation(
        "clique-change-too-late",
        "No vote changes the set behind the header that becomes trusted (INV-7).",
        _CLIQUE,
        "if (run.changed > count - depth) revert ChangeTooLate(run.changed, count - depth);",
        "",
        _CLIQUE_TEST + "test_INV7_changeTooLate",
    ),
    Mutation(
        "clique-epoch-majority",
        "More than half of the trusted signers build on an epoch block's list (INV-7).",
        _CLIQUE,
        "                _requireMajority(trusted, run);\n",
        "",
        _CLIQUE_TEST + "test_INV7_epochBlockOfAMinority",
    ),
    Mutation(
        "clique-no-epoch-block",
        "Only an epoch block lists signers (INV-7).",
        _CLIQUE,
        "if (placed[0][0] % epoch != 0) revert NoEpochBlock(placed[0][0], epoch);",
        "",
        _CLIQUE_TEST + "test_INV7_noEpochBlock",
    ),
    Mutation(
        "clique-height",
        "An update is above the trusted height.",
        _CLIQUE,
        "if (height <= above) revert",
        "if (height < above) revert",
        _CLIQUE_TEST + "test_heightMustRise",
    ),
    Mutation(
        "clique-one-block",
        "Misbehaviour is two blocks.",
        _CLIQUE,
        "if (hash == otherHash) revert NoMisbehaviour(hash);",
        "",
        _CLIQUE_TEST + "test_oneBlockTwiceFreezesNothing",
    ),
    Mutation(
        "clique-clock",
        "An anchored header is not from the future (INV-7).",
        _CLIQUE,
        "        _requireNotAhead(timestamp);\n        _moveAnchor",
        "        _moveAnchor",
        _CLIQUE_TEST + "test_INV7_headerFromTheFuture",
    ),
    # --- ethereum -----------------------------------------------------------------------------------------
    Mutation(
        "ethereum-signature-slot",
        "A signature comes after what it signs.",
        _ETHEREUM,
        "if (slot <= attestedSlot || ",
        "if (slot < attestedSlot || ",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_slotsOutOfOrder",
    ),
    Mutation(
        "ethereum-version",
        "The version is that of the slot before the signature's.",
        _ETHEREUM,
        "_versionOf(signed.signatureSlot - 1)",
        "_versionOf(signed.signatureSlot)",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_forkVersionAtTheBoundary",
    ),
    Mutation(
        "ethereum-threshold",
        "Two thirds of the committee sign (INV-7).",
        _COMMITTEE,
        "if (size - count < threshold) revert",
        "if (size - count + 1 < threshold) revert",
        "light_clients/ethereum/EthereumMembers.t.sol::test_INV7_participation",
    ),
    Mutation(
        "ethereum-infinity",
        "A sum of keys that is infinity signs nothing (INV-7).",
        _COMMITTEE,
        "if (isInfinity) revert AggregateInfinity();",
        "",
        "light_clients/ethereum/EthereumMembers.t.sol::test_INV7_infinityAfterSubtraction",
    ),
    Mutation(
        "ethereum-signature-infinity",
        "Infinity is no signature (INV-7).",
        _COMMITTEE,
        "if (bits == 0) revert SignatureInfinity();",
        "",
        "light_clients/ethereum/EthereumMembers.t.sol::test_INV7_signature",
    ),
    Mutation(
        "ethereum-key-zero",
        "A key's y is not zero (INV-7).",
        _COMMITTEE,
        "            valid := and(valid, iszero(iszero(or(high, low))))\n",
        "",
        "light_clients/ethereum/EthereumMembers.t.sol::test_INV7_coordinatesFromThePrimeOn",
    ),
    Mutation(
        "ethereum-periods",
        "A next committee is shown within one period (INV-7).",
        _ETHEREUM,
        "if (_periodOf(finalizedSlot) != period) revert PeriodsDiffer(slot, attestedSlot, finalizedSlot);",
        "",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_nextCommittee_periods",
    ),
    Mutation(
        "ethereum-committee-zero",
        "No committee has the root zero.",
        _ETHEREUM,
        "if (signed.nextCommittee == 0) revert CommitteeZero();",
        "",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_nextCommittee_differs",
    ),
    Mutation(
        "ethereum-trust-back",
        "Trust does not move back.",
        _ETHEREUM,
        "            if (slot < trustedSlot) slot = trustedSlot;\n",
        "",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_INV4_lowerSlotTeachesTheNextCommittee",
    ),
    Mutation(
        "ethereum-stale-ring",
        "A committee that served does not sign in the period after the next (INV-7).",
        _ETHEREUM,
        "period != trustedPeriod + 1 || belief & NEXT_KNOWN == 0",
        "period != trustedPeriod + 1",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_INV7_formerCommittee",
    ),
    Mutation(
        "ethereum-known-next",
        "A known next committee stays (INV-7).",
        _ETHEREUM,
        "                if (shown != known) revert NextCommitteeDiffers(shown, known);\n",
        "                known;\n",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_nextCommittee_differs",
    ),
    Mutation(
        "ethereum-bootstrap-fork",
        "Trust begins no earlier than the first fork.",
        _ETHEREUM,
        "        // Of a fork that is believed.\n        _layoutOf(finalizedSlot);\n        uint256 timestamp",
        "        uint256 timestamp",
        "light_clients/ethereum/EthereumBootstrap.t.sol::test_forks",
    ),
    Mutation(
        "ethereum-first-fork",
        "Nothing finalized before the first fork is believed (INV-7).",
        _ETHEREUM,
        "        // Of a fork that is believed.\n        _layoutOf(signed.finalizedSlot);\n",
        "",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_nothingBeforeTheFirstFork",
    ),
    Mutation(
        "ethereum-precompile-size",
        "A precompile's answer has its length.",
        "light_clients/ethereum/Bls12381.sol",
        "            done := and(done, eq(returndatasize(), expected))\n",
        "",
        "light_clients/ethereum/Bls12381.t.sol::test_precompileFails",
    ),
    Mutation(
        "ethereum-least-threshold",
        "No client is deployed with a threshold below two thirds (INV-7).",
        "light_clients/ethereum/EthereumParameters.sol",
        "uint256(parameters_.threshold) * 3 < size * 2",
        "uint256(parameters_.threshold) * 2 < size",
        "light_clients/ethereum/EthereumBootstrap.t.sol::test_committees",
    ),
    Mutation(
        "ethereum-honest-reorganisation",
        "One header of a slot, attested twice, is no misbehaviour.",
        _ETHEREUM,
        "one.finalizedSlot == other.finalizedSlot && root != otherRoot;",
        "one.finalizedSlot == other.finalizedSlot;",
        "light_clients/ethereum/EthereumMisbehaviour.t.sol::test_honestReorgs",
    ),
)
