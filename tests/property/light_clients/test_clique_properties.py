# SPDX-License-Identifier: MIT
"""INV-7 under mutation: what a Clique client believes is what its signers sealed, whatever the bytes; and
votes lead where EIP-225's reference says.
"""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from light_clients.client import Height, Timestamp
from light_clients.clique.client import CliqueClient, CliqueParams
from light_clients.clique.codec import encode_anchor, encode_run, encode_update
from light_clients.clique.header import CliqueHeader
from light_clients.clique.reader import Run
from light_clients.clique.signers import majority
from light_clients.cursor import Cursor
from light_clients.errors import Rejection
from tests.support.clique import Chain, signer_keys
from tests.support.mutation import mutate

NOW = Timestamp(1_700_000_500)
START = 1_700_000_000
KEYS = signer_keys(9)
seeds = st.integers(0, 2**32)


def client_of(signers: list[bytes], epoch: int) -> CliqueClient:
    params = CliqueParams(epoch, 0, 10_000, 15)
    return CliqueClient.bootstrap(params, signers, Height(1), Timestamp(START))


def chain_of(rng: random.Random, count: int, epoch: int, number: int) -> Chain:
    return Chain(rng, KEYS, rng.sample(sorted(KEYS), count), number, epoch, START)


def headers_of(chain: Chain) -> list[CliqueHeader]:
    return [CliqueHeader.from_rpc(block.rpc()) for block in chain.sealed]


@given(seeds, st.integers(1, 7), st.integers(2, 40))
def test_headers_keep_their_hashes_over_the_wire(seed: int, count: int, epoch: int) -> None:
    chain = chain_of(random.Random(seed), count, epoch, 5)
    signers = list(chain.snapshot.signers)
    for _ in range(6):
        chain.mine()
    headers, run = headers_of(chain), Run(signers, epoch)
    cursor = Cursor(encode_run(signers, headers, epoch))
    for _ in headers:
        run.read(cursor)
    cursor.finish()
    assert [header.block_hash for header in run.headers] == [block.hash for block in chain.sealed]
    assert [header.signer for header in run.headers] == [block.signer for block in chain.sealed]


@given(seeds, st.integers(1, 6))
def test_no_byte_of_what_is_believed_is_without_effect(seed: int, count: int) -> None:
    """INV-7: a changed anchor is refused, or it is believed with the very same block."""
    rng = random.Random(seed)
    chain = chain_of(rng, count, 30_000, 5)
    signers = list(chain.snapshot.signers)
    for _ in range(majority(count) + 1):
        chain.mine()
    client, headers = client_of(signers, 30_000), headers_of(chain)
    data = encode_anchor(signers, headers, 30_000)
    assert client.believe(data, NOW).block_hash == chain.sealed[0].hash
    changed = mutate(rng, data, [])
    if changed == data:
        return
    try:
        found = client.believe(changed, NOW)
    except Rejection:
        return
    assert found.block_hash == chain.sealed[0].hash


@given(seeds, st.integers(1, 6), st.integers(5, 60), st.data())
def test_votes_lead_where_the_reference_says(seed: int, count: int, epoch: int, data: st.DataObject) -> None:
    """INV-7: over any votes, the tally has the signers that EIP-225's own way of counting has; and an update
    that holds them moves a client there.
    """
    rng = random.Random(seed)
    chain = chain_of(rng, count, epoch, 5)
    signers = list(chain.snapshot.signers)
    run = Run(signers, epoch, tallied=True)
    # Few candidates, so that votes meet; one signer at least stays.
    candidates = rng.sample(sorted(KEYS), 3)
    changed_at = 0
    for place in range(data.draw(st.integers(4, 24))):
        vote = (rng.choice(candidates), rng.random() < 0.6) if len(chain.snapshot.signers) > 1 else None
        chain.mine(vote if rng.random() < 0.8 else None)
        before = run.signers
        run.append(headers_of(chain)[-1])
        assert run.signers == tuple(chain.snapshot.signers)
        if run.signers != before:
            changed_at = place + 1
        if not set(run.signers) & set(KEYS):
            return
    for _ in range(majority(len(run.signers))):
        chain.mine()
    headers = headers_of(chain)
    moved = client_of(signers, epoch).update(encode_update(signers, headers, epoch), NOW)
    assert moved.state.height == headers[-1 - majority(len(chain.snapshot.signers))].number
    assert changed_at == run.changed
