# SPDX-License-Identifier: MIT
"""Why a finalized execution block of a proof-of-stake chain was believed, from its state root up to the sync committee's signature.

Each root is computed from the delivered bytes, and held against the block that the local beacon chain itself has.
"""

from __future__ import annotations

from dataclasses import dataclass

from light_clients.bls import backend, committee, compress_g1, compress_g2
from light_clients.cursor import Cursor
from light_clients.errors import Rejection
from light_clients.ethereum.client import EthereumState
from light_clients.ethereum.config import NetworkConfig, Slot
from light_clients.ethereum.containers import SyncCommittee
from light_clients.ethereum.params import EthereumParams
from light_clients.ethereum.reader import hash_body_side, read_signed
from light_clients.ethereum.signing import DOMAIN_SYNC_COMMITTEE, compute_domain, compute_signing_root
from relayer.cli.demo.console import Stage
from relayer.cli.output import hex_of, short
from relayer.consensus.ethereum.local.beacon_block import BeaconBlock
from relayer.consensus.ethereum.show.wire import Rebuilt, SignedParts
from relayer.consensus.show import judge

_PER_LINE = 8
_KEY_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Finalized:
    """A finalized header with its signature. Implements relayer.consensus.show.TrustExplanation.

    Attributes:
        state_root: of the execution block, as the storage proof leads to it.
        signed: the bytes, docs/reference/wire-formats.md §7.3.
        parts: the same, taken apart.
        anchored_by: the transaction that brought them, where the proof itself is short.
        params, trusted: of the light client on the destination, the latter as it was at the delivery.
        committee: of the signature's period.
        finalized, attested: the blocks of these slots, as the chain has them.
    """

    state_root: bytes
    signed: bytes
    parts: SignedParts
    anchored_by: bytes | None
    params: EthereumParams
    trusted: EthereumState
    network: NetworkConfig
    committee: SyncCommittee
    finalized: BeaconBlock
    attested: BeaconBlock
    source: str
    destination: str

    def explain(self, stage: Stage) -> bool:
        """See TrustExplanation."""
        rebuilt = self.parts.rebuild(self.state_root)
        if self.anchored_by is not None:
            stage.say(
                f"  The header's part came before, for several deliveries at once: transaction {hex_of(self.anchored_by)}"
            )
        fork_version = self._fork_version()
        domain = compute_domain(DOMAIN_SYNC_COMMITTEE, fork_version, self.network.genesis_validators_root)
        signing_root = compute_signing_root(rebuilt.attested_root, domain)
        return all(
            [
                self._explain_execution(stage, rebuilt),
                self._explain_finality(stage, rebuilt),
                self._explain_signed(stage, rebuilt, fork_version, domain, signing_root),
                self._explain_committee(stage),
                self._explain_signature(stage, signing_root),
            ]
        )

    def _explain_execution(self, stage: Stage, rebuilt: Rebuilt) -> bool:
        execution = self.parts.execution
        stage.say(
            "The execution block inside a beacon block: SSZ trees, from the state root upwards, each node the SHA-256 of two.",
            style="bold",
        )
        stage.fact("state root", f"{hex_of(self.state_root)} (field 2 of the payload's header)")
        stage.fact("+ receipts root", hex_of(execution.receipts_root))
        stage.fact("+ fields 0 and 1", hex_of(execution.fields0to1))
        stage.fact(
            "+ number, gas limit",
            f"{execution.block_number}, {execution.gas_limit} (the contract takes the height from here)",
        )
        stage.fact("+ fields 4 and 5", hex_of(execution.fields4to5))
        stage.fact("+ fields 8 to 15", hex_of(execution.fields8to15))
        if execution.fields16to31 is not None:
            stage.fact("+ fields 16 to 31", hex_of(execution.fields16to31))
        stage.fact("→ payload header's root", hex_of(rebuilt.payload_root), style="green")
        for node in execution.body_branch:
            stage.fact("+ sibling in the body", hex_of(node))
        stage.fact("→ body root", hex_of(rebuilt.body_root), style="green")
        stage.fact("+ slot, proposer", f"{self.parts.finalized_slot}, {self.parts.finalized_proposer}")
        stage.fact("+ parent and state", hex_of(self.parts.parent_and_state))
        stage.fact("→ beacon block's root", hex_of(rebuilt.finalized_root), style="green")
        own = self.finalized.execution
        return all(
            [
                judge(
                    stage,
                    own is not None and own.hash_tree_root() == rebuilt.payload_root,
                    f"that is the payload header of block {execution.block_number} of {self.source}",
                ),
                judge(
                    stage,
                    self.finalized.header.body_root == rebuilt.body_root
                    and self.finalized.root == rebuilt.finalized_root,
                    f"and those the body and the root of the beacon block of slot {self.parts.finalized_slot}",
                ),
            ]
        )

    def _explain_finality(self, stage: Stage, rebuilt: Rebuilt) -> bool:
        finality, attested = self.parts.finality, self.parts.attested
        stage.say(
            "Finality: the state of a later block, the attested one, says that this block is final.",
            style="bold",
        )
        stage.fact("→ finalized checkpoint", f"epoch {finality.epoch}, root {hex_of(rebuilt.finalized_root)}")
        scores, committees, *upper = finality.branch
        stage.fact("+ inactivity scores", hex_of(scores))
        stage.fact("+ the two committees", hex_of(committees))
        for node in upper:
            stage.fact("+ sibling in the state", hex_of(node))
        stage.fact("→ attested state root", hex_of(rebuilt.attested_state_root), style="green")
        return judge(
            stage,
            self.attested.header.state_root == rebuilt.attested_state_root,
            f"that is the state of slot {attested.slot}, {attested.slot - self.parts.finalized_slot} slots later",
        )

    def _explain_signed(
        self, stage: Stage, rebuilt: Rebuilt, fork_version: bytes, domain: bytes, signing_root: bytes
    ) -> bool:
        attested, slot = self.parts.attested, self.parts.signature_slot
        fork = self.network.fork_at_slot(_before(slot)).name.label.capitalize()
        stage.say(
            "What was signed: the attested header, under the fork and the chain it is of.", style="bold"
        )
        stage.fact("slot, proposer", f"{attested.slot}, {attested.proposer}")
        stage.fact("parent root", hex_of(attested.parent_root))
        stage.fact("body's side", hex_of(attested.body_side))
        stage.fact("→ attested root", hex_of(rebuilt.attested_root), style="green")
        stage.fact("signature slot", f"{slot}: the block that carries the signature")
        stage.fact("fork version", f"{hex_of(fork_version)} ({fork}), of slot {_before(slot)}")
        stage.fact("domain", f"{hex_of(domain)} (sync committee, fork, genesis validators' root)")
        stage.fact("→ signing root", hex_of(signing_root), style="green")
        is_block = self.attested.root == rebuilt.attested_root and attested.body_side == hash_body_side(
            self.attested.header.body_root
        )
        return all(
            [
                judge(
                    stage, is_block, f"the attested root is that of the beacon block of slot {attested.slot}"
                ),
                judge(
                    stage,
                    slot > attested.slot >= self.parts.finalized_slot,
                    f"the slots are in order: finalized {self.parts.finalized_slot}, attested {attested.slot}, signed {slot}",
                ),
                judge(
                    stage,
                    self._read_again() == signing_root,
                    "the light client's own reader finds the same signing root in the same bytes",
                ),
            ]
        )

    def _explain_committee(self, stage: Stage) -> bool:
        parts, members = self.parts, self.parts.members
        period = self.network.period_at(parts.signature_slot)
        stage.say(f"The sync committee of period {period}: who signed.", style="bold")
        pubkeys = self.committee.pubkeys
        for first in range(0, len(pubkeys), _PER_LINE):
            places = range(first, min(first + _PER_LINE, len(pubkeys)))
            shown = "  ".join(
                f"{pubkeys[place][: _KEY_DIGITS // 2].hex()}… {'✓' if members.bits[place] else 'absent'}"
                for place in places
            )
            stage.fact(f"members {places[0]} to {places[-1]}", shown)
        for place, key in zip(
            (at for at, bit in enumerate(members.bits) if not bit), members.absent_keys, strict=True
        ):
            stage.fact(
                f"absent {place}", f"{hex_of(compress_g1(key))}, proven by {len(members.siblings)} siblings"
            )
        stage.fact("root of the keys", hex_of(members.pubkeys_root))
        stage.fact("all keys added", hex_of(compress_g1(parts.aggregate_key)))
        stage.fact("→ committee's root", hex_of(parts.committee_root), style="green")
        trusted_period = self.params.period_at(self.trusted.finalized_slot)
        trusted = {0: self.trusted.committee, 1: self.trusted.next_committee}.get(period - trusted_period)
        size, needed = self.params.committee_size, self.params.threshold
        which = "current" if period == trusted_period else "next"
        return all(
            [
                judge(
                    stage,
                    members.signed >= needed,
                    f"{members.signed} of {size} signed, {needed} are needed (two thirds)",
                ),
                judge(
                    stage,
                    parts.committee_root == trusted,
                    f"the committee's root is the one that the light client on {self.destination} trusts for period {period} "
                    f"(its {which} one): {short(trusted or b'')}",
                ),
                judge(
                    stage,
                    parts.committee_root == self.committee.hash_tree_root(),
                    f"and that of the committee that {self.source} drew",
                ),
            ]
        )

    def _explain_signature(self, stage: Stage, signing_root: bytes) -> bool:
        parts, bits = self.parts, self.parts.members.bits
        stage.say("The signature: one point for all who signed (BLS12-381).", style="bold")
        signature, keys = compress_g2(parts.signature), committee(self.committee.pubkeys)
        signers = keys.sum_of(bits)
        bls = backend()
        present = [key for key, bit in zip(keys.keys, bits, strict=True) if bit]
        stage.fact("keys of the signers", f"{hex_of(signers.compressed)} (all, the absent ones taken away)")
        stage.fact("signature", hex_of(signature))
        return all(
            [
                judge(
                    stage,
                    bls.aggregate(present) == signers,
                    f"the {len(present)} signers' keys add up to the same",
                ),
                judge(
                    stage,
                    bls.verify(signers, signing_root, signature),
                    "e(keys, hash of the signing root) = e(generator, signature): they signed exactly that",
                ),
            ]
        )

    def _fork_version(self) -> bytes:
        return self.network.fork_at_slot(_before(self.parts.signature_slot)).version

    def _read_again(self) -> bytes | None:
        try:
            return read_signed(Cursor(self.signed), self.params, self.state_root).signing_root
        except Rejection:
            return None


def _before(slot: Slot) -> Slot:
    """The slot in which members sign for a block of this one; its fork counts."""
    return Slot(max(slot, 1) - 1)
