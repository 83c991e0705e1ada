# SPDX-License-Identifier: MIT
"""Sends a plan's steps. Each is written into the manifest before and after, so a run can be resumed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

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
from relayer.endpoint.plan import DeploymentPlan
from relayer.endpoint.steps import Step, StepKind, admin_of, build, guardian_of, locate, opener_of
from relayer.endpoint.survey import with_rules
from relayer.errors import Drop, NonceConflict, Retryable
from relayer.keys import Key

_POLL_S: Final = 0.25
#: How long a receipt may come later than the account's transaction count that includes it.
_RECEIPT_TIMEOUT_S: Final = 6.0
#: What takes longer is not lost: the manifest has the transaction, and the next run goes on with it.
_INCLUSION_TIMEOUT_S: Final = 300.0
#: The gas limit of a step, as a share of the estimate: state may move before the transaction is included.
_GAS_MARGIN_PERCENT: Final = 125


class PlanRefused(Drop):
    """The plan has a refusal among its findings, so nothing of it is sent."""


class StepFailed(Drop):
    """A transaction was included and reverted, or left other code than ours."""


class NotIncluded(Retryable):
    """A transaction is in no block yet; the manifest has it, and the next run goes on from there."""


class Moment(Enum):
    """How far a step has come: it is about to be sent, an earlier run has sent it, or it is done."""

    SENDING = "sending"
    RESUMED = "resumed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """What is told before and after each step.

    Attributes:
        step: the step.
        moment: how far it has come.
        number: its place in the plan, from 1.
        total: how many steps the plan has.
        tx_hash: of its transaction, 32 bytes.
        address: of the contract that it creates, 20 bytes; None for a call.
        gas_used: 0 until it is done.
        fee_wei: 0 until it is done.
    """

    step: Step
    moment: Moment
    number: int
    total: int
    tx_hash: bytes = b""
    address: bytes | None = None
    gas_used: int = 0
    fee_wei: int = 0


async def apply_plan(
    plan: DeploymentPlan,
    config: Config,
    manifest: Manifest,
    nodes: Mapping[str, Node],
    keys: Mapping[str, Key],
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Send every step of a plan.

    Chains wait for their own blocks, so their steps go side by side. A failure lets the other chains end the
    step that they are in. What was done by then stays in the manifest, and a new plan goes on from there.

    Args:
        plan: what `make_plan` returned.
        config: the configuration that it was made from.
        manifest: locked by the caller; it is written after each step.
        nodes: of every chain in the plan.
        keys: the deploying key of every chain that is written to.
        on_progress: is called before and after each step.

    Raises:
        PlanRefused: a finding forbids the plan.
        StepFailed: a transaction reverted, or left other code than ours.
        NotIncluded: a transaction is in no block yet.
        CallReverted: a step would revert, by its gas estimate; nothing was sent for it.
        NonceConflict: another transaction of the deploying key came between.
        ChainUnavailable: no provider of a chain answers.
    """
    if plan.is_refused:
        raise PlanRefused("the plan has findings that forbid it", "none", "Mend them, and plan again.")
    config = with_rules(config, plan.surveys)
    for step in plan.steps:
        if manifest.get(step.chain) is None:
            chain, survey = config.chain(step.chain), plan.surveys[step.chain]
            manifest.put(step.chain, Record(chain=chain.chain, genesis_hash=Hex(survey.genesis_hash)))
    runs = _Runs(asyncio.Condition())
    outcomes = await asyncio.gather(
        *(
            _run_chain(_Runner(config, manifest, nodes[name], keys[name]), name, plan, runs, on_progress)
            for name in plan.deployers
        ),
        # A failure must not cancel the others within a step: the manifest has to know what they sent.
        return_exceptions=True,
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


@dataclass(slots=True)
class _Runs:
    """What the runs of several chains tell each other: that a step is done, or that one has failed."""

    changed: asyncio.Condition
    has_failed: bool = False

    async def notify(self) -> None:
        """Let the other runs look again whether their next step can start."""
        async with self.changed:
            self.changed.notify_all()


async def _run_chain(
    runner: _Runner,
    name: str,
    plan: DeploymentPlan,
    runs: _Runs,
    on_progress: Callable[[Progress], None],
) -> None:
    """Send the plan's steps on one chain, in order, each when it can start; stop when
    another chain failed.
    """
    try:
        for number, step in enumerate(plan.steps, 1):
            if step.chain != name:
                continue
            async with runs.changed:
                while not runs.has_failed and not runner.can_start(step):
                    await runs.changed.wait()
            if runs.has_failed:
                return
            await runner.run(step, on_progress, number, len(plan.steps))
            await runs.notify()
    except BaseException:
        runs.has_failed = True
        await runs.notify()
        raise


class _Runner:
    """Sends the steps of one chain."""

    def __init__(self, config: Config, manifest: Manifest, node: Node, key: Key) -> None:
        self._config = config
        self._manifest = manifest
        self._node = node
        self._key = key

    def can_start(self, step: Step) -> bool:
        """Whether the gateway that a registration names is deployed on the other chain."""
        return (
            not step.remote
            or step.kind is StepKind.CLIENT
            or locate(self._config, self._manifest, step.remote) is not None
        )

    async def run(self, step: Step, tell: Callable[[Progress], None], number: int, total: int) -> None:
        """Send a step, or the transaction that an earlier run signed for it, and write down what it did."""
        pending = self._record(step).pending
        if pending is not None and pending.step == step.id:
            tell(Progress(step, Moment.RESUMED, number, total, pending.tx_hash, pending.address))
        else:
            pending = await self._sign(step)
            # The bytes are on disk before they are broadcast (INV-6). A run that is cut short here sends the
            # same ones again, and deploys nothing twice.
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
        tip = min(max(prices.tip_wei, chain.priority_fee_wei or 0), chain.max_fee_wei)
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
        # A transaction that is taken up again may be in a block already.
        mined = await self._node.mined(pending.tx_hash)
        if mined is None:
            await self._node.send(pending.raw)
        polls_since_taken = 0
        for _ in range(int(_INCLUSION_TIMEOUT_S / _POLL_S)):
            mined = await self._node.mined(pending.tx_hash)
            if mined is not None:
                break
            if await self._node.nonce(self._key.address, included=True) > pending.nonce:
                # The nonce is used. Either this transaction used it and its receipt comes late,
                # because some nodes count first and some services answer by several nodes in turn; or
                # another transaction did.
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
    """Return the address of the contract that `sender` (20 bytes) creates by its transaction `nonce`."""
    return keccak256(rlp.encode_list(rlp.encode_bytes(sender) + rlp.encode_int(nonce)))[12:]
