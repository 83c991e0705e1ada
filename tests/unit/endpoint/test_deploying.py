# SPDX-License-Identifier: MIT
"""A deployment goes through the one sender: over an in-memory chain whose nodes refuse, forget and
reorganise, with a manifest on disk and runs that are cut short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from light_clients.client import Timestamp
from light_clients.hashing import keccak256
from relayer import config as configuration
from relayer.chains.base import Address, Call, GasPrice, Head, Offered, Refusal, TxHash
from relayer.chains.evm.node import Node
from relayer.config import ChainConfig
from relayer.contracts import load
from relayer.endpoint import one_by_one
from relayer.endpoint.apply import (
    Moment,
    NotIncluded,
    Progress,
    StepFailed,
    apply_plan,
    created_address,
    mend_earlier,
)
from relayer.endpoint.manifest import Manifest, Pending, Record
from relayer.endpoint.plan import DeploymentPlan
from relayer.endpoint.steps import Step, StepKind
from relayer.errors import FeeLimitReached, InsufficientFunds, NonceConflict
from relayer.keys import Key
from relayer.sending import account
from relayer.testing.chain import MemoryChain, MemoryTransaction
from relayer.testing.gateway import MemoryExecution, MemoryState

GWEI = 10**9
KINDS = (StepKind.AUTHORITY, StepKind.GATEWAY, StepKind.ROLES, StepKind.CLOSE)
GAS = 100_000


class Killed(BaseException):
    """As by SIGKILL: nothing after it runs."""


class Chain(MemoryChain):
    """A chain that makes a block whenever its head is asked for, and runs anything."""

    def __init__(self) -> None:
        super().__init__("court", 77)
        self.mines = True
        self.offered: list[TxHash] = []

    async def head(self) -> Head:
        if self.mines and not self.faults.down:
            await self.mine()
        return await super().head()

    async def offer(self, raw: bytes) -> Offered:
        self.offered.append(TxHash(keccak256(raw)))
        return await super().offer(raw)

    def _execute(self, state: MemoryState, call: Call, now: Timestamp) -> MemoryExecution:
        return MemoryExecution(GAS)

    def code(self, address: bytes) -> bytes:
        for transaction in self.mined.values():
            if not transaction.to and created_address(transaction.sender, transaction.nonce) == address:
                name = next(
                    name
                    for name in ("AccessManager", "Gateway")
                    if transaction.data.startswith(load(name).creation_code)
                )
                return load(name).runtime_code
        return b""

    def nonces_used(self) -> list[int]:
        """The nonces of what is in blocks."""
        return sorted(transaction.nonce for transaction in self.mined.values())


@dataclass
class Site:
    """A chain, a folder, and one plan."""

    folder: Path
    chain: Chain
    tip: str = "1"
    told: list[Progress] = field(default_factory=list)

    @property
    def deployer(self) -> Address:
        return self.chain.senders[0]

    @property
    def manifest(self) -> Manifest:
        return Manifest(self.folder / "endpoints.json")

    @property
    def record(self) -> Record:
        record = self.manifest.get("court")
        assert record is not None
        return record

    @property
    def pending(self) -> tuple[Pending, ...]:
        return self.record.pending

    async def _request(self, method: str, params: Sequence[Any]) -> Any:
        assert method == "eth_getCode"
        return "0x" + self.chain.code(bytes.fromhex(params[0][2:])).hex()

    async def run(self, on_progress: Callable[[Progress], None] = lambda _: None) -> None:
        """What `endpoint deploy` does: earlier transactions, then the steps that are missing."""
        config = configuration.parse(
            '[chains.court]\nchain = "eip155:77"\nrpc = ["http://127.0.0.1:1"]\n'
            f"priority_fee_gwei = {self.tip}\n"
            '[chains.court.consensus]\nkind = "bft"\nprotocol = "qbft"\n',
            directory=self.folder,
        )

        def tell(progress: Progress) -> None:
            self.told.append(progress)
            on_progress(progress)

        def open_chain(name: str, table: ChainConfig, genesis_hash: bytes, key: Key) -> Chain:
            del name, table, genesis_hash, key
            return self.chain

        nodes, keys = {"court": Node("court", self._request)}, {"court": Key("deployer", b"\x07" * 32)}
        manifest = self.manifest
        await mend_earlier(config, manifest, nodes, keys, tell, open_chain=open_chain)
        record = manifest.get("court")
        done = {
            StepKind.AUTHORITY: record and record.authority,
            StepKind.GATEWAY: record and record.gateway,
            StepKind.ROLES: record and record.roles,
            StepKind.CLOSE: record and record.admin,
        }
        steps = tuple(Step(kind, "court", GAS) for kind in KINDS if not done[kind])
        surveys: Any = {"court": SimpleNamespace(genesis_hash=self.chain.genesis_hash, trust=None)}
        plan = DeploymentPlan(steps, (), surveys, {"court": self.deployer}, {}, {})
        await apply_plan(plan, config, manifest, nodes, keys, tell, open_chain=open_chain)

    def check_done(self) -> None:
        """Everything that the manifest has is on the chain, and nothing is under way."""
        record = self.record
        assert record.pending == ()
        assert record.authority is not None
        assert record.gateway is not None
        assert record.roles is not None
        assert record.admin is not None
        for contract, name in ((record.authority, "AccessManager"), (record.gateway, "Gateway")):
            assert load(name).is_runtime(self.chain.code(contract.address))
            assert self.chain.receipts[TxHash(bytes(contract.tx_hash))].block_number == contract.block_number
        for tx_hash in (record.roles.tx_hash, record.admin.tx_hash):
            assert TxHash(bytes(tx_hash)) in self.chain.receipts

    def kill_at(self, kind: StepKind, moment: Moment) -> Callable[[Progress], None]:
        def kill(progress: Progress) -> None:
            if progress.step.kind is kind and progress.moment is moment:
                raise Killed

        return kill


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(one_by_one, "_POLL_S", 0.005)
    monkeypatch.setattr(one_by_one, "_DOUBTFUL_POLL_S", 0.01)
    monkeypatch.setattr(one_by_one, "_FIRST_WORD_S", 0.05)
    monkeypatch.setattr(one_by_one, "_INCLUSION_TIMEOUT_S", 3.0)
    monkeypatch.setattr(account, "GIVE_UP_S", 0.3)
    # Prices are raised every second in the beginning, and every minute in the end.
    monkeypatch.setattr(account, "_RAISE_PAUSE_S", 0.01)
    return Site(tmp_path, Chain())


async def test_steps_are_sent_one_after_another(site: Site) -> None:
    await site.run()
    site.check_done()
    assert site.chain.nonces_used() == [0, 1, 2, 3]
    assert [item.moment for item in site.told] == [Moment.SENDING, Moment.DONE] * 4
    assert all(item.gas_used == GAS and item.fee_wei for item in site.told if item.moment is Moment.DONE)


# --- before anything is signed ------------------------------------------------------------------------------


async def test_a_base_fee_above_the_limit_is_told_and_nothing_is_signed(site: Site) -> None:
    site.chain.base_fee_wei = 900 * GWEI
    with pytest.raises(FeeLimitReached) as caught:
        await site.run()
    assert "base fee of 900000000000 wei" in caught.value.found
    assert "max_fee_gwei = 500" in caught.value.expected
    assert site.chain.offered == []
    assert site.pending == ()


async def test_an_account_that_cannot_pay_is_told_and_nothing_is_signed(site: Site) -> None:
    site.chain.balances[site.deployer] = 5
    with pytest.raises(InsufficientFunds) as caught:
        await site.run()
    # 125,000 gas at twice the base fee and the tip.
    need = 125_000 * 3 * GWEI
    for words in (f"0x{site.deployer.hex()}", "has 5 wei", f"lacks {need - 5} wei", f"cost {need} wei"):
        assert words in caught.value.found
    assert site.chain.offered == []
    assert site.pending == ()


async def test_funds_that_end_in_the_middle_are_told_before_the_next_step_is_signed(site: Site) -> None:
    # Enough for two steps, and for the reserve of the first one alone.
    site.chain.balances[site.deployer] = 125_000 * 3 * GWEI + GAS * 2 * GWEI
    with pytest.raises(InsufficientFunds):
        await site.run()
    assert site.chain.nonces_used() == [0, 1]
    assert len(site.chain.offered) == 2
    site.chain.balances[site.deployer] = 10**18
    await site.run()
    site.check_done()


@pytest.mark.parametrize("is_legacy", [False, True])
async def test_where_gas_is_free_an_empty_account_deploys(site: Site, is_legacy: bool) -> None:
    site.tip = "0"
    site.chain.balances[site.deployer] = 0
    site.chain.base_fee_wei = site.chain.rules.suggested_wei = 0
    site.chain.rules.is_legacy = is_legacy
    await site.run()
    site.check_done()
    assert {item.max_fee_wei for item in site.chain.mined.values()} == {0}


# --- types and prices ---------------------------------------------------------------------------------------


async def test_without_a_base_fee_transactions_are_of_type_0(site: Site) -> None:
    site.chain.rules.is_legacy = True
    await site.run()
    site.check_done()
    assert all(item.is_legacy and item.max_fee_wei == GWEI for item in site.chain.mined.values())
    assert len(site.chain.offered) == 4


async def test_a_type_that_nodes_refuse_is_signed_again_under_the_same_nonce(site: Site) -> None:
    site.chain.faults.refusing = [(Refusal.TYPE_UNSUPPORTED, "transaction type not supported")]
    await site.run()
    site.check_done()
    assert site.chain.nonces_used() == [0, 1, 2, 3]
    assert all(item.is_legacy for item in site.chain.mined.values())
    # The first one alone was signed twice, and nothing was outbid.
    assert len(set(site.chain.offered)) == 5
    assert {item.max_fee_wei for item in site.chain.mined.values()} == {2 * GWEI + GWEI // 8}


async def test_a_price_is_raised_when_the_base_fee_rises_above_it(site: Site) -> None:
    kept: list[int] = []

    def rise(progress: Progress) -> None:
        if progress.moment is Moment.SENDING and progress.step.kind is StepKind.AUTHORITY:
            site.chain.base_fee_wei = 20 * GWEI
        if progress.moment is Moment.DONE:
            kept.append(len(site.pending[0].signatures))

    await site.run(rise)
    site.check_done()
    assert site.chain.nonces_used() == [0, 1, 2, 3]
    assert site.chain.mined[site.chain.offered[-1]].max_fee_wei == 41 * GWEI
    # Both signatures were in the manifest until the run was done: either one might have landed.
    assert kept[0] == 2
    record = site.record
    assert record.authority is not None
    assert bytes(record.authority.tx_hash) != site.chain.offered[0]


async def test_a_price_that_would_pass_the_limit_waits_and_says_so(site: Site) -> None:
    def rise(progress: Progress) -> None:
        if progress.moment is Moment.SENDING:
            site.chain.base_fee_wei = 501 * GWEI

    with pytest.raises(NotIncluded) as caught:
        await site.run(rise)
    assert "max_fee_gwei = 500" in str(caught.value)
    reasons = [item.reason for item in site.told if item.moment is Moment.WAITING]
    assert any("max_fee_gwei = 500" in reason for reason in reasons)
    assert len(site.pending) == 1
    # The next run goes on with it.
    site.chain.base_fee_wei = GWEI
    await site.run()
    site.check_done()
    assert site.chain.nonces_used() == [0, 1, 2, 3]


# --- runs that were cut short -------------------------------------------------------------------------------


async def cut_short(site: Site, kind: StepKind = StepKind.GATEWAY) -> Pending:
    """A run that is killed after a step's signature was kept, and before a node had it."""
    with pytest.raises(Killed):
        await site.run(site.kill_at(kind, Moment.SENDING))
    pending = site.pending[-1]
    assert pending.step == kind.value
    assert TxHash(bytes(pending.signatures[-1].tx_hash)) not in site.chain.offered
    site.told.clear()
    return pending


@pytest.mark.parametrize("moment", [Moment.SENDING, Moment.DONE])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_run_that_is_killed_is_resumed_and_sends_nothing_twice(
    site: Site, kind: StepKind, moment: Moment
) -> None:
    with pytest.raises(Killed):
        await site.run(site.kill_at(kind, moment))
    await site.run()
    site.check_done()
    assert site.chain.nonces_used() == [0, 1, 2, 3]
    assert len(set(site.chain.offered)) == 4


async def test_a_transaction_that_landed_meanwhile_is_not_offered_again(site: Site) -> None:
    pending = await cut_short(site)
    await site.chain.offer(pending.signatures[0].raw)
    await site.chain.mine()
    site.chain.offered.clear()
    await site.run()
    site.check_done()
    assert TxHash(bytes(pending.signatures[0].tx_hash)) not in site.chain.offered
    assert site.told[0].moment is Moment.RESUMED
    assert site.told[0].tx_hash == pending.signatures[0].tx_hash


async def test_a_transaction_that_a_node_has_already_is_waited_for(site: Site) -> None:
    pending = await cut_short(site)
    await site.chain.offer(pending.signatures[0].raw)
    await site.run()
    site.check_done()
    assert site.chain.nonces_used() == [0, 1, 2, 3]


async def test_a_transaction_that_became_too_cheap_is_replaced(site: Site) -> None:
    pending = await cut_short(site)
    site.chain.base_fee_wei = 50 * GWEI
    await site.run()
    site.check_done()
    assert site.chain.nonces_used() == [0, 1, 2, 3]
    record = site.record
    assert record.gateway is not None
    assert record.gateway.tx_hash != pending.signatures[0].tx_hash
    assert record.gateway.address == created_address(site.deployer, 1)


async def test_a_type_that_nodes_refuse_after_a_restart_is_mended(site: Site) -> None:
    """What an earlier version signed stuck for good: the same bytes were offered, and refused, for ever."""
    await cut_short(site)
    site.chain.rules.is_legacy = True
    await site.run()
    site.check_done()
    assert site.chain.nonces_used() == [0, 1, 2, 3]


async def test_a_price_that_cannot_be_paid_falls_where_gas_is_free(site: Site) -> None:
    """A default tip where gas is free: an empty account can't pay it, and a free replacement lands."""
    site.chain.base_fee_wei = 0
    await cut_short(site, StepKind.AUTHORITY)
    site.chain.balances[site.deployer] = site.chain.rules.suggested_wei = 0
    site.tip = "0"
    await site.run()
    site.check_done()
    assert {item.max_fee_wei for item in site.chain.mined.values()} == {0}
    assert site.chain.nonces_used() == [0, 1, 2, 3]


async def test_where_the_operator_sets_a_tip_an_empty_account_waits_for_funds(site: Site) -> None:
    """The price does not fall below the operator's; it is not signed again and again either."""
    site.chain.base_fee_wei = 0
    await cut_short(site, StepKind.AUTHORITY)
    site.chain.balances[site.deployer] = site.chain.rules.suggested_wei = 0
    with pytest.raises(NotIncluded, match=f"funds: account 0x{site.deployer.hex()} has 0 wei"):
        await site.run()
    assert len(site.pending[0].signatures) == 1


async def test_an_old_transaction_that_nodes_refuse_gives_way_to_a_new_one(site: Site) -> None:
    """Its nonce is used up by an empty transfer, for a node may have it; the step lands under the next."""
    pending = await cut_short(site)
    refused = TxHash(bytes(pending.signatures[0].tx_hash))
    site.chain.faults.refused[refused] = (Refusal.UNKNOWN, "computer says no")
    await site.run()
    site.check_done()
    assert site.chain.offered.count(refused) > 1
    record = site.record
    assert record.gateway is not None
    assert record.gateway.address == created_address(site.deployer, 2)
    assert site.chain.nonces_used() == [0, 1, 2, 3, 4]


# --- refusals -----------------------------------------------------------------------------------------------


async def test_unknown_words_are_asked_about_again_and_named_in_the_end(site: Site) -> None:
    site.chain.faults.always_refusing = (Refusal.UNKNOWN, "computer says no")
    with pytest.raises(NotIncluded, match="computer says no"):
        await site.run()
    assert len(site.chain.offered) > 1
    assert any("computer says no" in item.reason for item in site.told if item.moment is Moment.WAITING)
    assert site.pending == ()
    site.chain.faults.always_refusing = None
    await site.run()
    site.check_done()
    assert site.chain.nonces_used() == [0, 1, 2, 3]


async def test_a_refusal_that_passes_costs_nothing(site: Site) -> None:
    site.chain.faults.refusing = [(Refusal.UNKNOWN, "computer says no"), (Refusal.BUSY, "txpool is full")]
    await site.run()
    site.check_done()
    assert len(set(site.chain.offered)) == 4


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        (Refusal.TOO_LARGE, "txnSizeLimit"),
        (Refusal.TOO_MUCH_GAS, "block gas limit"),
        (Refusal.INVALID, "chain id"),
    ],
)
async def test_what_no_node_can_ever_take_ends_the_run_with_its_words(
    site: Site, refusal: Refusal, advice: str
) -> None:
    site.chain.faults.always_refusing = (refusal, "the node's own words")
    with pytest.raises(StepFailed) as caught:
        await site.run()
    assert "the node's own words" in caught.value.found
    assert advice in caught.value.advice
    assert len(site.chain.offered) == 1
    assert site.pending == ()


async def test_a_key_that_is_used_elsewhere_is_told(site: Site) -> None:
    site.chain.faults.lost_broadcasts = 1
    chain = site.chain

    def take(progress: Progress) -> None:
        if progress.moment is Moment.SENDING:
            price = GasPrice(10 * GWEI, GWEI)
            stranger = chain.sign(site.deployer, 0, Call(site.deployer, b""), 21_000, price)
            chain.pool.put(_decoded(stranger.raw))

    with pytest.raises(NonceConflict, match="took the nonce 0"):
        await site.run(take)
    assert site.pending == ()
    await site.run()
    site.check_done()
    record = site.record
    assert record.authority is not None
    assert record.authority.address == created_address(site.deployer, 1)


async def test_providers_that_are_gone_for_a_while_are_waited_for_with_a_reason(site: Site) -> None:
    def fall(progress: Progress) -> None:
        if progress.step.kind is StepKind.GATEWAY:
            site.chain.faults.down = progress.moment is Moment.SENDING

    await site.run(fall)
    site.check_done()
    (waited,) = [item for item in site.told if item.moment is Moment.WAITING]
    assert "could not be offered: court is down" in waited.reason


# --- blocks that go -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_transactions", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_steps_whose_blocks_are_gone_are_sent_again(
    site: Site, kind: StepKind, keep_transactions: bool
) -> None:
    def reorganise(progress: Progress) -> None:
        if progress.step.kind is kind and progress.moment is Moment.DONE:
            depth = len(site.chain.ledger.blocks) - 1
            site.chain.reorganise(depth, keep_transactions=keep_transactions)

    await site.run(reorganise)
    site.check_done()
    assert site.chain.nonces_used() == [0, 1, 2, 3]
    assert len(set(site.chain.offered)) == 4


async def test_blocks_that_go_between_two_runs_are_mended_before_a_new_plan(site: Site) -> None:
    with pytest.raises(Killed):
        await site.run(site.kill_at(StepKind.ROLES, Moment.DONE))
    site.chain.reorganise(len(site.chain.ledger.blocks) - 1, keep_transactions=False)
    await site.run()
    site.check_done()
    assert site.chain.nonces_used() == [0, 1, 2, 3]


async def test_a_step_that_cannot_be_sent_again_is_done_anew(site: Site) -> None:
    """Its block goes, and another transaction of the key takes its nonce."""
    chain = site.chain

    def replace_block(progress: Progress) -> None:
        if progress.step.kind is StepKind.CLOSE and progress.moment is Moment.DONE:
            chain.reorganise(len(chain.ledger.blocks) - 1, keep_transactions=False)
            price = GasPrice(10 * GWEI, GWEI)
            stranger = chain.sign(site.deployer, 0, Call(site.deployer, b""), 21_000, price)
            chain.pool.put(_decoded(stranger.raw))
            chain.faults.refusing = [(Refusal.UNDERPRICED, "replacement transaction underpriced")] * 9

    with pytest.raises(StepFailed, match="authority on court was in a block that is gone"):
        await site.run(replace_block)
    assert site.record.authority is None
    assert site.record.gateway is None
    chain.faults.refusing = []
    await site.run()
    site.check_done()


def _decoded(raw: bytes) -> MemoryTransaction:
    return msgspec.msgpack.decode(raw, type=MemoryTransaction)
