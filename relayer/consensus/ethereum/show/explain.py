# SPDX-License-Identifier: MIT
"""Why a finalized execution block was believed, from its state root up to the sync committee's signature.

The parts and the roots are those that the light client's own reader found in the delivered bytes. Every
root is held against the block that the local beacon chain itself has, every key against the committee that
it drew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from light_clients.bls import backend, committee, compress_g1
from light_clients.ethereum.client import EthereumState
from light_clients.ethereum.config import NetworkConfig, Slot
from light_clients.ethereum.containers import SyncCommittee
from light_clients.ethereum.params import EthereumParams
from light_clients.ethereum.reader import ExecutionParts, Signed, hash_body_side
from light_clients.ethereum.signing import DOMAIN_SYNC_COMMITTEE, compute_domain, sync_committee_signing_root
from relayer.consensus.ethereum.local.beacon_block import BeaconBlock
from relayer.consensus.show import Carried, Printer, judge
from relayer.text import hex_of, short

_MEMBERS_PER_LINE: Final = 4
_KEY_BYTES_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class FinalizedHeader:
    """A finalized header with its signature. Implements relayer.consensus.show.TrustExplanation.

    Attributes:
        carried: what the delivery brought.
        signed: what the light client's reader found in it, the execution included.
        params: of the light client on the destination.
        trusted: its state at the delivery.
        network: the chain's forks and sizes.
        committee: of the signature's period, as the chain drew it.
        finalized, attested: the blocks of these slots, as the chain has them.
        source, destination: the chains' names.
    """

    carried: Carried
    signed: Signed
    params: EthereumParams
    trusted: EthereumState
    network: NetworkConfig
    committee: SyncCommittee
    finalized: BeaconBlock
    attested: BeaconBlock
    source: str
    destination: str

    def explain(self, printer: Printer) -> bool:
        """Print the five steps: execution block, finality, signed header, committee, signature."""
        execution = self.signed.parts.execution
        assert execution is not None
        self.carried.tell_origin(printer)
        return all(
            [
                self._explain_execution(printer, execution),
                self._explain_finality(printer),
                self._explain_signed(printer),
                self._explain_committee(printer),
                self._explain_signature(printer),
            ]
        )

    def _explain_execution(self, printer: Printer, execution: ExecutionParts) -> bool:
        signed, parts = self.signed, self.signed.parts
        printer.heading(
            "The execution block inside a beacon block: SSZ trees, from the state root upwards, each node the "
            "SHA-256 of two."
        )
        printer.fact("state root", f"{hex_of(self.carried.state_root)} (field 2 of the payload's header)")
        printer.fact("+ receipts root", hex_of(execution.receipts_root))
        printer.fact("+ fields 0 and 1", hex_of(execution.fields0to1))
        printer.fact(
            "+ number, gas limit",
            f"{execution.block_number}, {execution.gas_limit} (the contract takes the height from here)",
        )
        printer.fact("+ fields 4 and 5", hex_of(execution.fields4to5))
        printer.fact("+ fields 8 to 15", hex_of(execution.fields8to15))
        if execution.fields16to31 is not None:
            printer.fact("+ fields 16 to 31", hex_of(execution.fields16to31))
        printer.result("→ payload header's root", hex_of(execution.payload_root))
        for node in execution.body_branch:
            printer.fact("+ sibling in the body", hex_of(node))
        printer.result("→ body root", hex_of(execution.body_root))
        printer.fact("+ slot, proposer", f"{signed.finalized_slot}, {parts.finalized_proposer}")
        printer.fact("+ parent and state", hex_of(parts.finalized_parent_and_state))
        printer.result("→ beacon block's root", hex_of(signed.finalized_root))
        own = self.finalized
        return all(
            [
                judge(
                    printer,
                    f"that is the payload header of block {execution.block_number} of {self.source}",
                    holds=own.execution is not None
                    and own.execution.hash_tree_root() == execution.payload_root,
                ),
                judge(
                    printer,
                    f"and those the body and the root of the beacon block of slot {signed.finalized_slot}",
                    holds=own.header.body_root == execution.body_root and own.root == signed.finalized_root,
                ),
            ]
        )

    def _explain_finality(self, printer: Printer) -> bool:
        signed, parts = self.signed, self.signed.parts
        printer.heading(
            "Finality: the state of a later block, the attested one, says that this block is final."
        )
        printer.fact("→ finalized checkpoint", f"epoch {parts.epoch}, root {hex_of(signed.finalized_root)}")
        scores, committees, *upper = parts.finality_branch
        printer.fact("+ inactivity scores", hex_of(scores))
        printer.fact("+ the two committees", hex_of(committees))
        for node in upper:
            printer.fact("+ sibling in the state", hex_of(node))
        printer.result("→ attested state root", hex_of(parts.attested_state_root))
        return judge(
            printer,
            f"that is the state of slot {signed.attested_slot}, "
            f"{signed.attested_slot - signed.finalized_slot} slots later",
            holds=self.attested.header.state_root == parts.attested_state_root,
        )

    def _explain_signed(self, printer: Printer) -> bool:
        signed, parts = self.signed, self.signed.parts
        # Members sign one slot before the block that carries their signature; that slot's fork counts.
        signing_slot = Slot(max(signed.signature_slot, 1) - 1)
        fork = self.network.fork_at_slot(signing_slot)
        domain = compute_domain(DOMAIN_SYNC_COMMITTEE, fork.version, self.network.genesis_validators_root)
        own = self.attested
        printer.heading("What was signed: the attested header, under the fork and the chain it is of.")
        printer.fact("slot, proposer", f"{signed.attested_slot}, {parts.attested_proposer}")
        printer.fact("parent root", hex_of(parts.attested_parent_root))
        printer.fact("body's side", hex_of(parts.attested_body_side))
        printer.result("→ attested root", hex_of(parts.attested_root))
        printer.fact("signature slot", f"{signed.signature_slot}: the block that carries the signature")
        printer.fact(
            "fork version", f"{hex_of(fork.version)} ({fork.name.label.capitalize()}), of slot {signing_slot}"
        )
        printer.fact("domain", f"{hex_of(domain)} (sync committee, fork, genesis validators' root)")
        printer.result("→ signing root", hex_of(signed.signing_root))
        return all(
            [
                judge(
                    printer,
                    f"the attested root is that of the beacon block of slot {signed.attested_slot}",
                    holds=own.root == parts.attested_root
                    and parts.attested_body_side == hash_body_side(own.header.body_root),
                ),
                judge(
                    printer,
                    f"the slots are in order: finalized {signed.finalized_slot}, attested "
                    f"{signed.attested_slot}, signed {signed.signature_slot}",
                    holds=signed.signature_slot > signed.attested_slot >= signed.finalized_slot,
                ),
                judge(
                    printer,
                    "the light client's own reader found in the delivered bytes what the chain's block gives to sign",
                    holds=signed.signing_root
                    == sync_committee_signing_root(own.root, signed.signature_slot, self.network),
                ),
            ]
        )

    def _explain_committee(self, printer: Printer) -> bool:
        signed, parts, members = self.signed, self.signed.parts, self.signed.parts.participation
        period = self.network.period_at(signed.signature_slot)
        printer.heading(f"The sync committee of period {period}: who signed.")
        self._print_members(printer)
        for place, key in zip(members.absent, members.absent_keys, strict=True):
            printer.fact(
                f"absent {place}", f"{hex_of(compress_g1(key))}, proven by {len(members.siblings)} siblings"
            )
        printer.fact("root of the keys", hex_of(members.pubkeys_root))
        printer.fact("all keys added", hex_of(compress_g1(parts.aggregate_key)))
        printer.result("→ committee's root", hex_of(signed.committee))
        trusted_period = self.params.period_at(self.trusted.finalized_slot)
        trusted = {0: self.trusted.committee, 1: self.trusted.next_committee}.get(period - trusted_period)
        size, needed = self.params.committee_size, self.params.threshold
        which = "current" if period == trusted_period else "next"
        return all(
            [
                judge(
                    printer,
                    f"{members.signed} of {size} signed, {needed} are needed (two thirds)",
                    holds=members.signed >= needed,
                ),
                judge(
                    printer,
                    f"the committee's root is the one that the light client on {self.destination} trusts for "
                    f"period {period} (its {which} one): {short(trusted or b'')}",
                    holds=signed.committee == trusted,
                ),
                judge(
                    printer,
                    f"and that of the committee that {self.source} drew",
                    holds=signed.committee == self.committee.hash_tree_root(),
                ),
            ]
        )

    def _print_members(self, printer: Printer) -> None:
        pubkeys, absent = self.committee.pubkeys, set(self.signed.parts.participation.absent)
        for first in range(0, len(pubkeys), _MEMBERS_PER_LINE):
            places = range(first, min(first + _MEMBERS_PER_LINE, len(pubkeys)))
            shown = "  ".join(
                f"{pubkeys[place][:_KEY_BYTES_SHOWN].hex()}… {'absent' if place in absent else '✓'}"
                for place in places
            )
            printer.fact(f"members {places[0]} to {places[-1]}", shown)

    def _explain_signature(self, printer: Printer) -> bool:
        signed, absent = self.signed, set(self.signed.parts.participation.absent)
        keys = committee(self.committee.pubkeys).keys
        present = [key for place, key in enumerate(keys) if place not in absent]
        bls = backend()
        signers = bls.aggregate(present)
        printer.heading("The signature: one point for all who signed (BLS12-381).")
        printer.fact("keys of the signers", f"{hex_of(signed.signers_key)} (all, the absent ones taken away)")
        printer.fact("signature", hex_of(signed.signature))
        return all(
            [
                judge(
                    printer,
                    f"the {len(present)} signers' keys add up to the same",
                    holds=signers.compressed == signed.signers_key,
                ),
                judge(
                    printer,
                    "e(keys, hash of the signing root) = e(generator, signature): they signed exactly that",
                    holds=bls.verify(signers, signed.signing_root, signed.signature),
                ),
            ]
        )
