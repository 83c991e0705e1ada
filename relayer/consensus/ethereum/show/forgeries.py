# SPDX-License-Identifier: MIT
"""What a forger would try against an Ethereum light client: trees rebuilt around a lie, and signatures.

The trees are rebuilt from the local chain's own blocks, and written by the codec that the relayer uses. So
everything in a forgery is as it should be, except what the forger can't have.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from light_clients.bls import GROUP_ORDER, backend, decompress_g1
from light_clients.codec.merkle_branch import compute_merkle_branch_root, merkleize
from light_clients.cursor import Cursor
from light_clients.ethereum.codec import encode_anchor
from light_clients.ethereum.committee_multiproof import encode_absent, encode_siblings, hash_key
from light_clients.ethereum.config import Slot
from light_clients.ethereum.containers import (
    LightClientFinalityUpdate,
    LightClientHeader,
    SyncAggregate,
    SyncCommittee,
)
from light_clients.ethereum.params import EthereumParams, least_threshold
from light_clients.ethereum.reader import EXECUTION_PAYLOAD, FINALIZED_CHECKPOINT, FLAG_ABSENT, read_signed
from light_clients.trust import read_claim
from relayer.consensus.ethereum.local.beacon_block import BeaconBlock
from relayer.consensus.ethereum.local.simulation import Simulation
from relayer.consensus.show import Forgery, ForgeryBasis, rewrite
from relayer.errors import NotFoundYet

_STATE_ROOT_BYTES: Final = 32
_FINALIZED_ROOT: Final = 2 * FINALIZED_CHECKPOINT + 1
"""The place of the finalized root in the state's tree, one level below the checkpoint: behind its epoch."""


def forge(basis: ForgeryBasis, params: EthereumParams, chain: Simulation) -> Sequence[Forgery]:
    """Make forgeries that only the signature, or who made it, gives away.

    Args:
        basis: a true proof that brings its header.
        params: of the light client.
        chain: has the blocks that the proof is about, and the keys of its committees.

    Raises:
        NotFoundYet: the chain has forgotten these blocks.
    """
    cursor = Cursor(basis.proof)
    true_root = read_claim(cursor, basis.account, basis.slot).state_root
    claim, rest = basis.proof[: cursor.pos], basis.proof[cursor.pos :]
    signed = read_signed(cursor, params, true_root)
    lie = rewrite(claim, basis.word, basis.forged_word)
    lied_root = read_claim(Cursor(lie), basis.account, basis.slot).state_root
    signature = signed.parts.signature
    bent = signature[:-1] + bytes([signature[-1] ^ 1])
    forger = Forger(params, chain, Slot(signed.signature_slot), signed.attested_slot, signed.finalized_slot)
    few = least_threshold(params.committee_size) - 1
    return (
        Forgery(
            "the same, in a state that a sync committee of the forger's own signed",
            lie + forger.sign_as_strangers(lied_root),
        ),
        Forgery("one bit of the true signature changed", claim + rest.replace(signature, bent, 1)),
        Forgery(
            f"that state, truly signed by {few} of the true committee's {params.committee_size} members: one too few",
            lie + forger.sign_as_few(lied_root, few),
        ),
    )


class Forger:
    """Rebuilds a finalized header around another execution state root, and has it signed.

    Args:
        params: of the light client that is to be deceived.
        chain: the true chain.
        signature_slot, attested_slot, finalized_slot: of the true header with its signature.
    """

    def __init__(
        self,
        params: EthereumParams,
        chain: Simulation,
        signature_slot: Slot,
        attested_slot: Slot,
        finalized_slot: Slot,
    ) -> None:
        self._params = params
        self._chain = chain
        self._signature_slot = signature_slot
        self._attested = _block(chain, attested_slot)
        self._finalized = _block(chain, finalized_slot)

    def sign_as_strangers(self, state_root: bytes) -> bytes:
        """Return `signed` by all members of a committee that the forger has made up."""
        bls = backend()
        keys = [secrets.randbelow(GROUP_ORDER - 1) + 1 for _ in range(self._params.committee_size)]
        pubkeys = [bls.secret_to_public(key) for key in keys]
        committee = SyncCommittee(
            pubkeys=tuple(pubkey.compressed for pubkey in pubkeys),
            aggregate_pubkey=bls.aggregate(pubkeys).compressed,
        )
        attested, finalized = self._rebuild(state_root)
        signature = bls.sign(sum(keys) % GROUP_ORDER, self._signing_root(attested))
        return self._encode(attested, finalized, committee, signature)

    def sign_as_few(self, state_root: bytes, count: int) -> bytes:
        """Return `signed` by the first members of the true committee, whose keys the forger has bought."""
        period = self._chain.config.period_at(self._signature_slot)
        committee = self._chain.committee(period)
        bits = tuple(place < count for place in range(len(committee.pubkeys)))
        attested, finalized = self._rebuild(state_root)
        signature = self._chain.keys.sign(period, bits, self._signing_root(attested))
        everybody = self._encode(attested, finalized, committee, signature)
        # The codec refuses to write what so few signed: they are put into what it writes for everybody.
        leaves = [hash_key(pubkey) for pubkey in committee.pubkeys]
        absent = range(count, len(leaves))
        keys = [decompress_g1(committee.pubkeys[place]) for place in absent]
        members = b"".join((encode_absent(bits), *keys, encode_siblings(leaves, absent)))
        flags, rest = everybody[0] | FLAG_ABSENT, everybody[1:]
        return bytes((flags,)) + rest.replace(merkleize(leaves), members, 1)

    def _rebuild(self, state_root: bytes) -> tuple[LightClientHeader, LightClientHeader]:
        """Return the attested and the finalized header as they would be with another execution state."""
        assert self._finalized.execution is not None
        execution = replace(self._finalized.execution, state_root=state_root)
        branch = self._finalized.execution_branch
        body_root = compute_merkle_branch_root(execution.hash_tree_root(), branch, EXECUTION_PAYLOAD)
        finalized = replace(self._finalized.header, body_root=body_root)
        attested_state_root = compute_merkle_branch_root(
            finalized.hash_tree_root(), self._attested.finality_branch, _FINALIZED_ROOT
        )
        attested = replace(self._attested.header, state_root=attested_state_root)
        return (
            LightClientHeader(beacon=attested),
            LightClientHeader(beacon=finalized, execution=execution, execution_branch=branch),
        )

    def _signing_root(self, attested: LightClientHeader) -> bytes:
        return self._chain.signing_root(attested.beacon.hash_tree_root(), self._signature_slot)

    def _encode(
        self,
        attested: LightClientHeader,
        finalized: LightClientHeader,
        committee: SyncCommittee,
        signature: bytes,
    ) -> bytes:
        """Return `signed` as the codec writes it where every member signed."""
        update = LightClientFinalityUpdate(
            attested_header=attested,
            finalized_header=finalized,
            finality_branch=self._attested.finality_branch,
            sync_aggregate=SyncAggregate((True,) * self._params.committee_size, signature),
            signature_slot=self._signature_slot,
        )
        return encode_anchor(update, committee, self._params)[_STATE_ROOT_BYTES:]


def _block(chain: Simulation, slot: Slot) -> BeaconBlock:
    block = chain.block_at(slot)
    if block is None:
        raise NotFoundYet(f"no beacon block of slot {slot}", "the one that the true proof is about")
    return block
