# SPDX-License-Identifier: MIT
"""Clique chains among endpoints: where trust begins, what is refused, and how a client is judged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from light_clients.client import Status
from light_clients.clique.signers import set_hash
from relayer import config as configuration
from relayer.chains.evm.node import Node
from relayer.config import Bytes20
from relayer.consensus.clique.config import CliqueBootstrap, CliqueConfig
from relayer.consensus.clique.contract import CliqueClientView
from relayer.consensus.clique.endpoint import CliqueTrust
from relayer.consensus.findings import Severity
from relayer.consensus.kind import ConfiguredChain
from relayer.consensus.registry import configured, find_kind
from relayer.errors import RpcRefused
from tests.support.bft import Draft as BftDraft
from tests.support.bft import validators
from tests.support.clique import Chain, Sealed, signer_keys
from tests.unit.consensus.clique.test_prover import Made

CLIQUE = find_kind("clique")
KEYS = signer_keys(8)
THREE = sorted(KEYS)[:3]
EPOCH = 20
START = 1_700_000_000


def chain(epoch: int = EPOCH) -> ConfiguredChain[CliqueConfig]:
    text = f"""\
[chains.court]
chain = "eip155:41"
rpc = ["http://127.0.0.1:9"]

[chains.court.consensus]
kind = "clique"
epoch = {epoch}
"""
    return configured("court", configuration.parse(text).chain("court"))


def make(length: int, listed: Sequence[bytes] = THREE) -> Made:
    """Blocks 0..length; the genesis block lists the signers as whoever wrote it liked."""
    made = Made(Chain(random.Random(3), KEYS, THREE, 1, EPOCH, START + 1))
    draft = replace(made.chain.draft(THREE[0]), number=0, parent_hash=bytes(32), listed=tuple(listed))
    genesis = Sealed(draft, bytes(20), bytes(65))
    made.blocks[0] = genesis
    made.chain.next = replace(made.chain.next, parent_hash=genesis.hash)
    made.grow(length)
    return made


def node(made: Made, oldest: int = 0) -> Node:
    async def request(method: str, params: Sequence[Any]) -> Any:
        assert method == "eth_getBlockByNumber"
        number = max(made.blocks) if params[0] == "latest" else int(params[0], 16)
        if number < oldest:
            raise RpcRefused(-32000, "pruned history unavailable")
        return made.blocks[number].rpc() if number in made.blocks else None

    return Node("court", request)


async def survey(made: Made, epoch: int = EPOCH) -> tuple[CliqueTrust | None, list[Any]]:
    return await CLIQUE.endpoint.survey(node(made), chain(epoch), made.blocks[max(made.blocks)].rpc())


def view(made: Made, height: int, **terms: Any) -> CliqueClientView:
    values: dict[str, Any] = {
        "status": Status.ACTIVE,
        "timestamp": made.blocks[height].draft.timestamp if height in made.blocks else START,
        "set_hash": set_hash(made.signers),
        "epoch": EPOCH,
        "extra_depth": 0,
    } | terms
    return CliqueClientView(
        contract="CliqueLightClient",
        address=b"\x05" * 20,
        height=height,
        trusting_period_s=1000,
        max_clock_drift_s=15,
        authority=b"\x06" * 20,
        **values,
    )


# --- where trust begins -------------------------------------------------------------------------------------


async def test_trust_begins_with_a_buried_block_and_the_signers_that_votes_made() -> None:
    made = make(23, listed=THREE[::-1])
    made.grow(8, vote=(sorted(KEYS)[5], True))
    made.grow(8)
    trust, (finding,) = await survey(made)
    assert trust is not None
    assert trust.signers == made.signers
    assert len(trust.signers) == 4
    assert trust.height <= max(made.blocks) - 3
    assert finding.severity is Severity.OK
    assert "probable, never final" in finding.found
    record = trust.record()
    assert (record.height, record.timestamp) == (trust.height, made.blocks[trust.height].draft.timestamp)
    config = trust.with_bootstrap(CliqueConfig())
    assert config.bootstrap is not None
    assert config.bootstrap.signers == made.signers
    lines = trust.describe("port", "court")
    assert sum(signer.hex() in line for line in lines for signer in made.signers) == 4
    assert any("never final" in line for line in lines)


async def test_votes_on_top_of_a_block_let_trust_begin_below_them() -> None:
    made = make(20)
    made.grow(2, vote=(sorted(KEYS)[5], True))
    made.grow(1)
    trust, _ = await survey(made)
    assert trust is not None
    assert trust.signers in {tuple(THREE), made.signers}
    assert (trust.signers == tuple(THREE)) == (trust.height < 22)


@pytest.mark.parametrize("length", [1, 2])
async def test_a_young_chain_waits_for_blocks(length: int) -> None:
    trust, (finding,) = await survey(make(length))
    assert trust is None
    assert finding.severity is Severity.REFUSAL
    assert "Wait for more blocks" in finding.advice


@pytest.mark.parametrize(("epoch", "advice"), [(7, "is the epoch 7"), (1000, "is the epoch 20")])
async def test_a_wrong_epoch_is_told(epoch: int, advice: str) -> None:
    trust, (finding,) = await survey(make(25), epoch)
    assert trust is None
    assert finding.severity is Severity.REFUSAL
    assert advice in finding.found


async def test_blocks_of_other_kinds_are_not_recognised() -> None:
    own = make(5).blocks[5].rpc()
    endpoint = CLIQUE.endpoint
    assert endpoint.recognise(own) == {}
    assert endpoint.refuse_head(chain(), own) is None
    from light_clients.bft.preimage import BftKind

    for strange in (BftDraft(BftKind.QBFT, validators(4), number=7).rpc(), own | {"difficulty": "0x0"}):
        assert endpoint.recognise(strange) is None
        assert endpoint.refuse_head(chain(), strange) is not None


async def test_chains_that_share_signers_are_in_conflict() -> None:
    trust, _ = await survey(make(9))
    assert trust is not None
    conflict = trust.conflict(replace(trust, signers=(THREE[0], sorted(KEYS)[7])))
    assert conflict is not None
    assert "1 shared signers" in conflict.found
    assert trust.conflict(replace(trust, signers=tuple(sorted(KEYS)[4:]))) is None


# --- clients ------------------------------------------------------------------------------------------------


async def prove(made: Made, client: CliqueClientView, oldest: int = 0) -> tuple[Severity, str]:
    (finding,) = await CLIQUE.endpoint.prove_trust("court on port", node(made, oldest), chain(), client)
    return finding.severity, finding.found


async def test_a_trusted_set_is_compared_with_what_the_headers_lead_to() -> None:
    """INV-7: a set that never existed is refused, one that lags is not."""
    made = make(23)
    made.grow(8, vote=(sorted(KEYS)[5], True))
    made.grow(8)
    newest = max(made.blocks)
    assert (await prove(made, view(made, newest)))[0] is Severity.OK
    lagging = view(made, 22, set_hash=set_hash(THREE))
    assert (await prove(made, lagging))[0] is Severity.OK
    for wrong in (
        view(made, 22),
        view(made, newest, set_hash=b"\x01" * 32),
        view(made, newest, timestamp=1),
        view(made, newest + 50, set_hash=b"\x01" * 32),
    ):
        severity, found = await prove(made, wrong)
        assert severity is Severity.REFUSAL, found


async def test_what_a_node_cannot_show_is_a_warning_for_the_signers_of_now_alone() -> None:
    made = make(45)
    assert (await prove(made, view(made, max(made.blocks) + 9)))[0] is Severity.WARNING
    # Headers before the newest epoch block are gone.
    assert (await prove(made, view(made, 30), oldest=40))[0] is Severity.WARNING
    hijacked = view(made, 30, set_hash=b"\x01" * 32)
    assert (await prove(made, hijacked, oldest=40))[0] is Severity.REFUSAL


async def test_a_client_of_other_rules_or_signers_is_judged() -> None:
    made = make(25)
    trust, _ = await survey(made)
    judge = CLIQUE.endpoint.judge
    (fine,) = judge("court", "port", view(made, 20), chain(), trust)
    assert fine.severity is Severity.OK
    assert "never final" in fine.found
    for terms in ({"epoch": 7}, {"extra_depth": 3}):
        refusal, *_ = judge("court", "port", view(made, 20, **terms), chain(), trust)
        assert refusal.severity is Severity.REFUSAL
    (old,) = judge("court", "port", view(made, 20, set_hash=bytes(32)), chain(), trust)
    assert old.severity is Severity.WARNING
    assert "client update" in old.advice


# --- a configured bootstrap ---------------------------------------------------------------------------------


async def check_bootstrap(made: Made, oldest: int = 0, **terms: Any) -> tuple[Severity, str]:
    height = terms.get("height", 5)
    values: dict[str, Any] = {
        "height": height,
        "timestamp": made.blocks[5].draft.timestamp,
        "signers": tuple(Bytes20(signer) for signer in made.signers),
    } | terms
    bare = chain()
    consensus = msgspec.structs.replace(bare.consensus, bootstrap=CliqueBootstrap(**values))
    found = await CLIQUE.endpoint.check_bootstrap(node(made, oldest), replace(bare, consensus=consensus))
    (finding,) = found
    return finding.severity, finding.found


async def test_a_bootstrap_is_compared_with_what_the_headers_lead_to() -> None:
    made = make(9)
    assert await CLIQUE.endpoint.check_bootstrap(node(made), chain()) == []
    assert await check_bootstrap(made) == (Severity.OK, "block 5 is as the node shows it")
    severity, found = await check_bootstrap(made, height=99)
    assert (severity, found) == (Severity.REFUSAL, "height 99")
    severity, found = await check_bootstrap(made, timestamp=1)
    assert (severity, found) == (Severity.REFUSAL, "timestamp 1 of block 5")
    others = tuple(Bytes20(signer) for signer in sorted(KEYS)[3:6])
    severity, found = await check_bootstrap(made, signers=others)
    assert (severity, found) == (Severity.REFUSAL, "other signers than may seal behind block 5")
    severity, found = await check_bootstrap(made, oldest=3)
    assert severity is Severity.WARNING
