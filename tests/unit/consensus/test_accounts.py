# SPDX-License-Identifier: MIT
"""An account's nonce and balance are believed under a verified header alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest

from light_clients.client import Height, Timestamp
from light_clients.errors import ProofRejected
from light_clients.hashing import EMPTY_TRIE_ROOT
from relayer.chains.base import AccountProof, Address
from relayer.consensus.accounts import prove_account
from relayer.consensus.base import ProvenAccount, VerifiedHeader
from tests.support.trie import AccountEntry, State

T = TypeVar("T")

OWN = Address(b"\x05" * 20)
POOR = Address(b"\x06" * 20)
ABSENT = Address(b"\x07" * 20)
OTHERS = {bytes([n]) * 20: AccountEntry(nonce=n) for n in range(100, 140)}
STATE = State({OWN: AccountEntry(nonce=41, balance=10**18), POOR: AccountEntry(nonce=1), **OTHERS})
LATER = State({OWN: AccountEntry(nonce=42, balance=10**18), POOR: AccountEntry(nonce=1), **OTHERS})


def header(state: State) -> VerifiedHeader:
    return VerifiedHeader(Height(7), b"h" * 32, Timestamp(1_000), state.root)


@dataclass
class Source:
    """One provider's proof, which is of `state` whatever is asked for, after `spoil`."""

    state: State = STATE
    spoil: Callable[[tuple[bytes, ...]], tuple[bytes, ...]] = lambda nodes: nodes
    of: Address | None = None

    async def checked_proof(
        self, account: Address, slots: Sequence[bytes], number: Height, check: Callable[[AccountProof], T]
    ) -> T:
        assert (list(slots), number) == ([], 7)
        nodes = tuple(self.state.prove(self.of or account, bytes(32)).account)
        return check(AccountProof(self.spoil(nodes), {}))


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (OWN, ProvenAccount(41, 10**18, Height(7))),
        (POOR, ProvenAccount(1, 0, Height(7))),
        (ABSENT, ProvenAccount(0, 0, Height(7))),
    ],
)
async def test_nonce_and_balance_are_those_of_the_state(account: Address, expected: ProvenAccount) -> None:
    assert await prove_account(Source(), header(STATE), account) == expected


async def test_in_an_empty_state_every_account_is_absent() -> None:
    empty = VerifiedHeader(Height(7), b"h" * 32, Timestamp(1_000), EMPTY_TRIE_ROOT)
    found = await prove_account(Source(spoil=lambda _: ()), empty, OWN)
    assert found == ProvenAccount(0, 0, Height(7))


@pytest.mark.parametrize(
    "source",
    [
        Source(LATER),
        Source(of=POOR),
        Source(spoil=lambda _: ()),
        Source(spoil=lambda nodes: nodes[:-1]),
        Source(spoil=lambda nodes: nodes[1:]),
        Source(spoil=lambda nodes: (*nodes, nodes[-1])),
        Source(spoil=lambda nodes: (*nodes[:-1], nodes[-1][:-1] + b"\0")),
        Source(spoil=lambda nodes: (*nodes[:-1], nodes[-1].replace(b"\x29", b"\x2a"))),
    ],
)
async def test_what_does_not_lead_to_the_state_is_refused(source: Source) -> None:
    with pytest.raises(ProofRejected):
        await prove_account(source, header(STATE), OWN)


async def test_a_present_account_cannot_be_shown_as_absent() -> None:
    """Absence is nonce 0, which would have a nonce signed twice."""
    for account in OTHERS:
        with pytest.raises(ProofRejected):
            await prove_account(Source(of=Address(account)), header(STATE), OWN)
