# SPDX-License-Identifier: MIT
"""Seals: how validators sign a block, and a second one of the same height where they misbehave."""

from __future__ import annotations

from dataclasses import replace

from light_clients import ecdsa
from light_clients.bft.preimage import BftKind
from light_clients.hashing import keccak256
from relayer.consensus.bft.local.sealed_block import SealedBlock, quorum
from relayer.devnet.state.identities import Account
from relayer.devnet.state.ledger import Ledger


def seal(
    block: SealedBlock, accounts: dict[bytes, Account], count: int | None = None, *, node: int = 0
) -> SealedBlock:
    """Set the seals of `count` validators (by default a quorum), from the proposer on in the set's order.

    A real node keeps the seals that reached it first, so that every node may have others for one block:
    those of node i begin i validators further on.
    """
    block = _propose(block, accounts)
    listed = block.extra.validators
    # Real chains import a block as soon as a quorum sealed it, so a light client may find no spare seals.
    wanted = quorum(len(listed)) if count is None else count
    first = (listed.index(block.proposer) if block.proposer in listed else 0) + node
    # Beginning with the proposer, the signers rotate from block to block as on real chains (ADR 0003).
    signers = [listed[(first + i) % len(listed)] for i in range(min(wanted, len(listed)))]
    digest = block.seal_hash()
    return replace(block, seals=tuple(sign(digest, accounts[address]) for address in signers))


def _propose(block: SealedBlock, accounts: dict[bytes, Account]) -> SealedBlock:
    """Add the proposer's seal where the protocol has one. It is part of what names the block."""
    if block.extra.kind is not BftKind.ISTANBUL or block.proposer not in accounts:
        return block
    digest = keccak256(keccak256(block.rlp_with(block.extra.proposed())))
    extra = replace(block.extra, proposer_seal=sign(digest, accounts[block.proposer]))
    return replace(block, extra=extra, hash=keccak256(block.rlp_with(extra.hashed())))


def sign(digest: bytes, account: Account) -> bytes:
    """Return a commit seal: r ‖ s ‖ parity of y, 65 bytes."""
    return ecdsa.sign(digest, account.secret)


def make_twin(ledger: Ledger[SealedBlock], number: int, accounts: dict[bytes, Account]) -> SealedBlock:
    """Seal a second block of a height, with another state root, by a quorum: misbehaviour of the validators.

    The ledger has it from now on, and clients find it by its hash. The same height gives the same twin every
    time.

    Raises:
        IndexError: there is no such block.
    """
    block = ledger.at(number)
    if block is None:
        raise IndexError(f"block {number} is above the head, {ledger.head.number}")
    other = seal(block.with_state_root(keccak256(b"a second state of " + block.hash)), accounts)
    twin = ledger.twin(other.hash) or other
    ledger.add_twin(twin)
    return twin
