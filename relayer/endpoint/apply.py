# SPDX-License-Identifier: MIT
"""Send a plan's steps, one after the other, each written down before and after:
a run that is cut short can be resumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import msgspec

from light_clients.codec import rlp
from light_clients.hashing import keccak256
from relayer.chains.evm.node import Mined, Node
from relayer.config import Config
from relayer.contracts import load
from relayer.endpoint.manifest import (
    Admin,
    Client,
    Contract,
    Hex,
    Joined,
    Manifest,
    Pending,
    Record,
    Roles,
    to_plain,
)
from relayer.endpoint.plan import Plan
from relayer.endpoint.steps import Step, StepKind, admin_of, build, guardian_of, locate, opener_of
from relayer.endpoint.survey import with_rules
from relayer.errors import Drop, NonceConflict, Retryable
from relayer.keys import Key

_POLL_S = 0.25
# How long a receipt may come after the account's count that holds it.
_RECEIPT_TIMEOUT_S = 6.0
_INCLUSION_TIMEOUT_S = 300.0
_GAS_MARGIN_PERCENT = 125


class PlanRefused(Drop):
    """A plan with a refusal among its findings is never sent."""


class StepFailed(Drop):
    """A transaction was included and reverted, or left other code than ours."""


class NotIncluded(Retryable):
    """A transaction is in no block yet; the manifest has it, and the next run goes on from there."""


class Moment(Enum):
    """Where a step is."""

    SENDING = "sending"
    RESUMED = "resumed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """Told before and after each step. `fee_wei` and `gas_used` are 0 until it is done."""

    step: Step
    moment: Moment
    number: int
    total: int
    tx_hash: bytes = b""
    address: bytes | None = None
    gas_used: int = 0
    fee_wei: int = 0


async def apply_plan(
    plan: Plan,
    config: Config,
    manifest: Manifest,
    nodes: Mapping[str, Node],
    keys: Mapping[str, Key],
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Send every step. `keys` has the deploying key of every chain that is written to.

    Raises PlanRefused, StepFailed, NotIncluded, CallReverted, NonceConflict, ChainUnavailable; whatever was
    done by then stays in the manifest, and a new plan goes on from there.
    """
    if plan.is_refused:
        raise PlanRefused("the plan has findings that forbid it", "none", "Mend them, and plan again.")
    config = with_rules(config, plan.surveys)
    for step in plan.steps:
        if manifest.get(step.chain) is None:
            chain, survey = config.chain(step.chain), plan.surveys[step.chain]
            manifest.put(step.chain, Record(chain=chain.chain, genesis_hash=Hex(survey.genesis_hash)))
    # Chains wait for their own blocks, so they go side by side; a failure lets the others end the step that
    # they are in.
    state = _Shared(asyncio.Condition())
    by_chain = {name: [step for step in plan.steps if step.chain == name] for name in plan.deployers}

    async def run_chain(name: str, steps: list[Step]) -> None:
        runner = _Runner(config, manifest, nodes[name], keys[name])
        try:
            for step in steps:
                async with state.changed:
                    while not state.has_failed and not _can_start(step, config, manifest):
                        await state.changed.wait()
                if state.has_failed:
                    return
                await runner.run(step, on_progress, 1 + plan.steps.index(step), len(plan.steps))
                async with state.changed:
                    state.changed.notify_all()
        except BaseException:
            state.has_failed = True
            async with state.changed:
                state.changed.notify_all()
            raise

    outcomes = await asyncio.gather(
        *(run_chain(name, steps) for name, steps in by_chain.items()), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


@dataclass(slots=True)
class _Shared:
    """What the chains' runs tell each other: that a step is done, or that one has failed."""

    changed: asyncio.Condition
    has_failed: bool = False


def _can_start(step: Step, config: Config, manifest: Manifest) -> bool:
    """A registration names the other chain's gateway, so that has to lie there first."""
    return (
        not step.remote or step.kind is StepKind.CLIENT or locate(config, manifest, step.remote) is not None
    )


class _Runner:
    """One step on its chain."""

    def __init__(self, config: Config, manifest: Manifest, node: Node, key: Key) -> None:
        self._config = config
        self._manifest = manifest
        self._node = node
        self._key = key

    async def run(self, step: Step, tell: Callable[[Progress], None], number: int, total: int) -> None:
        """Send a step, or the transaction that an earlier run signed for it, and keep what it did."""
        pending = self._record(step).pending
        if pending is not None and pending.step == step.id:
            tell(Progress(step, Moment.RESUMED, number, total, pending.tx_hash, pending.address))
        else:
            pending = await self._sign(step)
            self._put(step, pending=pending)
            tell(Progress(step, Moment.SENDING, number, total, pending.tx_hash, pending.address))
        mined = await self._include(step, pending)
        contract = await self._check_code(step, pending, mined)
        self._keep(step, mined, contract)
        tell(
            Progress(
                step,
                Moment.DONE,
                number,
                total,
                mined.tx_hash,
                pending.address,
                mined.gas_used,
                mined.fee_wei,
            )
        )

    async def _sign(self, step: Step) -> Pending:
        sender, chain = self._key.address, self._config.chain(step.chain)
        to, data = build(step, self._config, self._manifest, sender)
        gas = await self._node.estimate_gas(sender, to, data)
        nonce, prices = await self._node.nonce(sender), await self._node.prices()
        tip = min(max(prices.tip_wei, chain.priority_fee_wei), chain.max_fee_wei)
        transaction = {
            "type": 2,
            "chainId": chain.chain_id,
            "nonce": nonce,
            "gas": gas * _GAS_MARGIN_PERCENT // 100,
            # Twice the base fee: room for six full blocks in a row.
            "maxFeePerGas": min(2 * prices.base_fee_wei + tip, chain.max_fee_wei),
            "maxPriorityFeePerGas": tip,
            "value": 0,
            "data": data,
        }
        if to is not None:
            transaction["to"] = to
        raw, tx_hash = self._key.sign_transaction(transaction)
        address = None if to is not None else Hex(created_address(sender, nonce))
        return Pending(step=step.id, raw=Hex(raw), tx_hash=Hex(tx_hash), address=address, nonce=nonce)

    async def _include(self, step: Step, pending: Pending) -> Mined:
        mined = await self._node.mined(pending.tx_hash)
        if mined is None:
            await self._node.send(pending.raw)
        polls_since_taken = 0
        for _ in range(int(_INCLUSION_TIMEOUT_S / _POLL_S)):
            mined = await self._node.mined(pending.tx_hash)
            if mined is not None:
                break
            if await self._node.nonce(self._key.address, included=True) > pending.nonce:
                # By itself, and its receipt comes late: some nodes count first, and others answer by turns.
                # Or by another one.
                polls_since_taken += 1
                if polls_since_taken * _POLL_S > _RECEIPT_TIMEOUT_S:
                    self._put(step, pending=None)
                    raise NonceConflict(
                        f"another transaction of 0x{self._key.address.hex()} took the nonce {pending.nonce}",
                        "a key that nobody else uses meanwhile",
                        "Run the same command again.",
                    )
            await asyncio.sleep(_POLL_S)
        if mined is None:
            raise NotIncluded(
                f"0x{pending.tx_hash.hex()} is in no block of {step.chain} after {_INCLUSION_TIMEOUT_S:g} s",
                "to be included",
                "Run the same command again: it goes on with this transaction.",
            )
        if not mined.succeeded:
            self._put(step, pending=None)
            raise StepFailed(
                f"{step.id} on {step.chain} reverted (0x{pending.tx_hash.hex()})",
                "success",
                "Plan again; the reason shows when the step is estimated.",
            )
        return mined

    async def _check_code(self, step: Step, pending: Pending, mined: Mined) -> Contract | None:
        if step.creates is None or pending.address is None:
            return None
        code = await self._node.code(pending.address)
        if not load(step.creates).is_runtime(code):
            self._put(step, pending=None)
            raise StepFailed(
                f"the code at 0x{pending.address.hex()} on {step.chain} is not {step.creates}'s ({len(code)} bytes)",
                f"{len(load(step.creates).runtime_code)} bytes of ours",
                "Don't use this node: it shows other code than was deployed.",
            )
        return Contract(
            address=pending.address,
            tx_hash=pending.tx_hash,
            block_number=mined.block_number,
            code_hash=Hex(keccak256(code)),
        )

    def _keep(self, step: Step, mined: Mined, contract: Contract | None) -> None:
        """Write down what the step did, and that nothing is pending."""
        record, tx_hash = self._record(step), Hex(mined.tx_hash)
        if step.kind is StepKind.AUTHORITY:
            self._put(step, pending=None, authority=contract)
        elif step.kind is StepKind.GATEWAY:
            self._put(step, pending=None, gateway=contract)
        elif step.kind is StepKind.ROLES:
            roles = Roles(
                guardian=Hex(guardian_of(self._config, self._key.address)),
                channel_opener=Hex(opener_of(self._config)),
                tx_hash=tx_hash,
            )
            self._put(step, pending=None, roles=roles)
        elif step.kind is StepKind.CLIENT:
            assert contract is not None
            remote = self._config.chain(step.remote)
            client = Client(
                contract=contract,
                kind=remote.consensus.kind,
                initial_trust=to_plain(step.initial_trust),
                trusting_period_s=remote.trusting_period_s,
                max_clock_drift_s=remote.max_clock_drift_s,
            )
            self._put(step, pending=None, clients=record.clients | {step.remote: client})
        elif step.kind is StepKind.CLOSE:
            admin = Admin(
                account=Hex(admin_of(self._config, self._key.address)),
                delay_s=self._config.endpoints.admin_delay_s,
                tx_hash=tx_hash,
            )
            self._put(step, pending=None, admin=admin)
        elif step.kind is StepKind.SCHEDULE:
            self._put(step, pending=None)
        else:
            located = locate(self._config, self._manifest, step.remote)
            assert located is not None
            joined = Joined(
                endpoint_id=Hex(located.endpoint_id),
                gateway=Hex(located.gateway),
                genesis_hash=Hex(located.genesis_hash),
                client=record.clients[step.remote].contract.address,
                tx_hash=tx_hash,
            )
            self._put(step, pending=None, remotes=record.remotes | {step.remote: joined})

    def _record(self, step: Step) -> Record:
        record = self._manifest.get(step.chain)
        assert record is not None
        return record

    def _put(self, step: Step, **changes: object) -> None:
        self._manifest.put(step.chain, msgspec.structs.replace(self._record(step), **changes))


def created_address(sender: bytes, nonce: int) -> bytes:
    """Where a contract comes to lie that `sender` (20 bytes) creates with its `nonce`-th transaction."""
    return keccak256(rlp.encode_list(rlp.encode_bytes(sender) + rlp.encode_int(nonce)))[12:]
