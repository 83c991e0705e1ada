# SPDX-License-Identifier: MIT
"""What a forger would try against a proof-of-stake light client: whole trees rebuilt around a lie, and signed by whoever can be had."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from light_clients.bls import GROUP_ORDER, backend, decompress_g1
from light_clients.codec.merkle_branch import merkleize
from light_clients.cursor import Cursor
from light_clients.ethereum.committee_multiproof import encode_siblings, hash_key
from light_clients.ethereum.config import Period
from light_clients.ethereum.params import EthereumParams, least_threshold
from light_clients.ethereum.signing import sync_committee_signing_root
from light_clients.trust import read_claim
from relayer.consensus.ethereum.local.simulation import Simulation
from relayer.consensus.ethereum.show.wire import SIGNATURE_AT, SIGNATURE_BYTES, Members, SignedParts
from relayer.consensus.show import Forgery, ForgeryBasis, rewrite


def forge(truth: ForgeryBasis, params: EthereumParams, chain: Simulation) -> Sequence[Forgery]:
    """Forgeries that only the signature, or who made it, gives away: every tree in them is rebuilt around the lie."""
    cursor = Cursor(truth.proof)
    read_claim(cursor, truth.account, truth.slot)
    parts = SignedParts.read(truth.proof[cursor.pos :], params)
    lie = rewrite(truth.proof[: cursor.pos], truth.word, truth.forged_word)
    state_root = read_claim(Cursor(lie), truth.account, truth.slot).state_root
    bent = bytearray(truth.proof)
    bent[cursor.pos + SIGNATURE_AT + SIGNATURE_BYTES - 1] ^= 1
    few = least_threshold(params.committee_size) - 1
    return (
        Forgery(
            "the same, in a state that a sync committee of the forger's own signed",
            lie + sign_as_strangers(parts, state_root, chain).encode(),
        ),
        Forgery("one bit of the true signature changed", bytes(bent)),
        Forgery(
            f"that state, truly signed by {few} of the true committee's {params.committee_size} members: one too few",
            lie + sign_as_few(parts, state_root, chain, few).encode(),
        ),
    )


def sign_as_strangers(parts: SignedParts, state_root: bytes, chain: Simulation) -> SignedParts:
    """All members of a committee that the forger has made up sign."""
    bls, size = backend(), len(parts.members.bits)
    keys = [secrets.randbelow(GROUP_ORDER - 1) + 1 for _ in range(size)]
    pubkeys = [bls.secret_to_public(key) for key in keys]
    members = Members((True,) * size, (), (), merkleize([hash_key(pubkey.compressed) for pubkey in pubkeys]))
    signature = bls.sign(sum(keys) % GROUP_ORDER, _signing_root(parts, state_root, chain))
    return replace(
        parts,
        signature=bls.signature_affine(signature),
        aggregate_key=bls.aggregate(pubkeys).xy,
        members=members,
    )


def sign_as_few(parts: SignedParts, state_root: bytes, chain: Simulation, count: int) -> SignedParts:
    """The first members of the true committee sign, as if the forger had bought their keys."""
    period: Period = chain.config.period_at(parts.signature_slot)
    pubkeys = chain.committee(period).pubkeys
    bits = tuple(place < count for place in range(len(pubkeys)))
    absent = range(count, len(pubkeys))
    leaves = [hash_key(pubkey) for pubkey in pubkeys]
    siblings = encode_siblings(leaves, absent)
    members = Members(
        bits,
        tuple(decompress_g1(pubkeys[place]) for place in absent),
        tuple(siblings[at : at + 32] for at in range(0, len(siblings), 32)),
        merkleize(leaves),
    )
    signature = chain.keys.sign(period, bits, _signing_root(parts, state_root, chain))
    return replace(parts, signature=backend().signature_affine(signature), members=members)


def _signing_root(parts: SignedParts, state_root: bytes, chain: Simulation) -> bytes:
    attested_root = parts.rebuild(state_root).attested_root
    return sync_committee_signing_root(attested_root, parts.signature_slot, chain.config)
