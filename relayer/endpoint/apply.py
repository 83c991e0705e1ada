# SPDX-License-Identifier: MIT
"""Sends a plan's steps. Each is written into the manifest before and after, so a run can be resumed.

A run is done when every transaction of it is in a block still, after the last one was. Those whose blocks are
gone by then are sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

import msgspec

from light_clients.hashing import keccak256
from relayer.chains.base import Address, Call, Chain, TxReceipt
from relayer.chains.evm.node import Node
from relayer.chains.evm.open_evm import open_evm
from relayer.config import ChainConfig, Config
from relayer.contracts import load, recognise
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
from relayer.endpoint.manifest_store import ManifestStore
from relayer.endpoint.one_by_one import GivenUp, NotIncluded, OneByOne, StepFailed, created_address
from relayer.endpoint.plan import DeploymentPlan
from relayer.endpoint.records import contract_of, with_receipt
from relayer.endpoint.steps import (
    Step,
    StepKind,
    admin_of,
    build,
    guardian_of,
    locate,
    opener_of,
    step_of,
)
from relayer.endpoint.survey import with_rules
from relayer.errors import Drop, NonceConflict
from relayer.keys import Key
from relayer.sending.price import PricePolicy
from relayer.sending.transaction import Transaction

__all__ = [
    "Moment",
    "NotIncluded",
    "PlanRefused",
    "Progress",
    "StepFailed",
    "apply_plan",
    "created_address",
    "mend_earlier",
]

#: How often the code of a contract is looked for: where several providers answer, it may come later than the
#: receipt.
_CODE_LOOKS: Final = 12
_CODE_POLL_S: Final = 0.5

#: Opens a chain with a key: its name, its table, its genesis hash (32 bytes), the key.
OpenChain = Callable[[str, ChainConfig, bytes, Key], Chain]


class PlanRefused(Drop):
    """The plan has a refusal among its findings, so nothing of it is sent."""


class Moment(Enum):
    """How far a step has come.

    Attributes:
        SENDING: it is signed and kept, and about to be offered to the nodes.
        RESUMED: an earlier run has sent it.
        WAITING: it is in no block yet; the progress says why.
        DONE: it is in a block.
    """

    SENDING = "sending"
    RESUMED = "resumed"
    WAITING = "waiting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """What is told of each step.

    Attributes:
        step: the step.
        moment: how far it has come.
        number: its place in the plan, from 1; 0 where it belongs to an earlier one.
        total: how many steps the plan has.
        tx_hash: of its transaction, 32 bytes.
        address: of the contract that it creates, 20 bytes; None for a call.
        gas_used: 0 until it is done.
        fee_wei: 0 until it is done.
        reason: why it waits, for people; empty where it does not.
    """

    step: Step
    moment: Moment
    number: int
    total: int
    tx_hash: bytes = b""
    address: bytes | None = None
    gas_used: int = 0
    fee_wei: int = 0
    reason: str = ""


#: Is told how far steps have come.
Tell = Callable[[Progress], None]


def open_with_key(name: str, chain: ChainConfig, genesis_hash: bytes, key: Key) -> Chain:
    """Open a connection over a chain's providers that sends with one key: an OpenChain."""
    return open_evm(name, chain, genesis_hash, [key])


async def apply_plan(
    plan: DeploymentPlan,
    config: Config,
    manifest: Manifest,
    nodes: Mapping[str, Node],
    keys: Mapping[str, Key],
    on_progress: Tell = lambda _: None,
    *,
    open_chain: OpenChain = open_with_key,
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
        on_progress: is called before and after each step, and while one waits for long.
        open_chain: opens the connection over which transactions are sent.

    Raises:
        PlanRefused: a finding forbids the plan.
        FeeLimitReached: gas costs more than the operator allows; nothing was signed for the step.
        InsufficientFunds: the account can't pay; nothing was signed for the step.
        StepFailed: a transaction reverted, left other code than ours, or no node can ever take it.
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
    async with contextlib.AsyncExitStack() as stack:
        runners = {}
        for name in plan.deployers:
            genesis_hash = plan.surveys[name].genesis_hash
            runners[name] = await stack.enter_async_context(
                running(
                    config, manifest, nodes[name], keys[name], name, genesis_hash, on_progress, open_chain
                )
            )
        await _gather(_run_chain(runner, name, plan, runs) for name, runner in runners.items())
        # Chains wait for one another, so that blocks may have gone since a chain's own last step.
        await _gather(runner.confirm() for runner in runners.values())


async def mend_earlier(
    config: Config,
    manifest: Manifest,
    nodes: Mapping[str, Node],
    keys: Mapping[str, Key],
    on_progress: Tell = lambda _: None,
    *,
    open_chain: OpenChain = open_with_key,
) -> None:
    """Look whether the transactions of a run that was cut short are in blocks still, before a new plan.

    Those that are not are sent again. What the record has from one that can't be is taken out of it.

    Takes and raises what `apply_plan` does.
    """
    async with contextlib.AsyncExitStack() as stack:
        runners = []
        for name, key in keys.items():
            record = manifest.get(name)
            if record is not None and any(kept.is_done for kept in record.pending):
                genesis_hash = bytes(record.genesis_hash)
                runners.append(
                    await stack.enter_async_context(
                        running(
                            config, manifest, nodes[name], key, name, genesis_hash, on_progress, open_chain
                        )
                    )
                )
        await _gather(runner.confirm() for runner in runners)


@contextlib.asynccontextmanager
async def running(
    config: Config,
    manifest: Manifest,
    node: Node,
    key: Key,
    name: str,
    genesis_hash: bytes,
    tell: Tell,
    open_chain: OpenChain = open_with_key,
) -> AsyncIterator[Runner]:
    """Give what sends steps on one chain, and close its connections after. Takes what `apply_plan` does."""
    chain = open_chain(name, config.chain(name), genesis_hash, key)
    try:
        yield Runner(config, manifest, node, chain, tell)
    finally:
        await chain.close()


async def _gather(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    # A failure must not cancel the others within a step: the manifest has to know what they sent.
    for outcome in await asyncio.gather(*work, return_exceptions=True):
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


async def _run_chain(runner: Runner, name: str, plan: DeploymentPlan, runs: _Runs) -> None:
    """Send the plan's steps on one chain, in order, each when it can start; stop when
    another chain failed.
    """
    try:
        await runner.take_up()
        for number, step in enumerate(plan.steps, 1):
            if step.chain != name:
                continue
            async with runs.changed:
                while not runs.has_failed and not runner.can_start(step):
                    await runs.changed.wait()
            if runs.has_failed:
                return
            await runner.run(step, number, len(plan.steps))
            await runs.notify()
    except BaseException:
        runs.has_failed = True
        await runs.notify()
        raise


class Runner:
    """Sends the steps of one chain.

    Args:
        config: with the rules that were found.
        manifest: locked.
        node: reads the chain.
        chain: sends to it, with the deployer's key alone.
        tell: is told how far a step has come.
    """

    def __init__(self, config: Config, manifest: Manifest, node: Node, chain: Chain, tell: Tell) -> None:
        self._config = config
        self._manifest = manifest
        self._node = node
        self._name = chain.name
        (self._deployer,) = chain.senders
        self._tell = tell
        self._store = ManifestStore(manifest, chain.name)
        table = config.chain(chain.name)
        policy = PricePolicy(table.max_fee_wei, table.priority_fee_wei)
        self._sending = OneByOne(chain, self._store, policy, self._store.recover())

    async def take_up(self) -> None:
        """Look at what earlier runs sent, before anything is signed: receipts and nonces come first."""
        if self._sending.transactions:
            await self._sending.look()

    async def finish_administration(self) -> None:
        """Wait for the administrative calls that earlier runs left open. Their effect shows on the chain.

        Raises what `run` raises; what has reverted is forgotten first.
        """
        await self.take_up()
        for transaction in self._sending.transactions:
            kept = self._store.find(transaction)
            if kept is None or kept.is_done or not kept.step:
                continue
            step = step_of(self._name, kept.step)
            if step.kind is not StepKind.ADMINISTER:
                continue
            base = Progress(step, Moment.RESUMED, 0, 0)
            self._tell_of(base, kept)
            settled = await self._sending.settle(transaction, None, functools.partial(self._tell_wait, base))
            receipt = self._check_success(step, settled)
            self._keep(step, settled, receipt, None)
            done = replace(base, moment=Moment.DONE, tx_hash=receipt.tx_hash)
            self._tell(replace(done, gas_used=receipt.gas_used, fee_wei=receipt.fee_wei))

    def can_start(self, step: Step) -> bool:
        """Whether the gateway that a registration names is deployed on the other chain."""
        return (
            not step.remote
            or step.kind in (StepKind.CLIENT, StepKind.ADMINISTER)
            or locate(self._config, self._manifest, step.remote) is not None
        )

    async def run(self, step: Step, number: int, total: int) -> None:
        """Send a step, or go on with what an earlier run signed for it, and write down what it did."""
        base = Progress(step, Moment.SENDING, number, total)
        to, data = build(step, self._config, self._manifest, self._deployer)
        call = Call(Address(to or b""), data)
        self._store.step = step.id
        # The bytes are on disk, and no node has them yet.
        self._store.on_kept = lambda kept: self._tell_of(base, kept)
        transaction = self._find(step.id)
        if transaction is None:
            transaction = await self._sending.send(call)
        else:
            self._tell_of(replace(base, moment=Moment.RESUMED), self._kept(transaction))
        transaction = await self._sending.settle(transaction, call, functools.partial(self._tell_wait, base))
        receipt = self._check_success(step, transaction)
        contract = await self._check_code(step, transaction, receipt)
        self._keep(step, transaction, receipt, contract)
        self._tell(
            replace(
                base,
                moment=Moment.DONE,
                tx_hash=receipt.tx_hash,
                address=None if contract is None else contract.address,
                gas_used=receipt.gas_used,
                fee_wei=receipt.fee_wei,
            )
        )

    async def confirm(self) -> None:
        """Look whether everything is in a block still; mend what is not, or take it out of the record.

        Raises what `run` raises.
        """
        for transaction in self._sending.transactions:
            kept = self._store.find(transaction)
            if kept is None or not kept.is_done:
                continue
            step = step_of(self._name, kept.step)
            base = Progress(step, Moment.WAITING, 0, 0)
            try:
                receipt = await self._sending.confirm(transaction, functools.partial(self._tell_wait, base))
            except (GivenUp, NonceConflict) as error:
                # The store has taken it out of the record.
                raise StepFailed(
                    f"{kept.step} on {self._name} was in a block that is gone, and can't be sent again: {error}",
                    "a block that stays",
                    "Run the same command again: it does this step anew, and those after it.",
                ) from None
            self._check_success(step, transaction)
            moved = with_receipt(self._record, step, receipt)
            if moved != self._record:
                self._manifest.put(self._name, moved)
            await self._check_still(step)
        self._store.close(
            transaction for transaction in self._sending.transactions if transaction.receipt is not None
        )

    def _find(self, step: str) -> Transaction | None:
        """Return the newest transaction that an earlier run signed for a step; None where there is none."""
        found = [
            transaction
            for transaction in self._sending.transactions
            if (kept := self._store.find(transaction)) is not None and kept.step == step and not kept.is_done
        ]
        return found[-1] if found else None

    def _kept(self, transaction: Transaction) -> Pending:
        kept = self._store.find(transaction)
        assert kept is not None
        return kept

    def _tell_of(self, base: Progress, kept: Pending) -> None:
        address = created_address(kept.sender, kept.nonce) if base.step.creates else None
        self._tell(replace(base, tx_hash=bytes(kept.signatures[-1].tx_hash), address=address))

    def _tell_wait(self, base: Progress, transaction: Transaction) -> None:
        self._tell(
            replace(
                base,
                moment=Moment.WAITING,
                tx_hash=transaction.newest.tx_hash,
                reason=str(transaction.waiting),
            )
        )

    def _check_success(self, step: Step, transaction: Transaction) -> TxReceipt:
        receipt = transaction.receipt
        assert receipt is not None
        if not receipt.succeeded:
            self._store.forget([transaction])
            raise StepFailed(
                f"{step.id} on {self._name} reverted (0x{receipt.tx_hash.hex()})",
                "success",
                "Plan again; the reason shows when the step is estimated.",
            )
        return receipt

    async def _check_code(self, step: Step, transaction: Transaction, receipt: TxReceipt) -> Contract | None:
        if step.creates is None:
            return None
        # The nonce of what landed: a replacement has the same one, and what was given up another.
        address = created_address(transaction.sender, transaction.nonce)
        code = await self._read_code(address)
        # An earlier run may have signed another build than this plan has.
        build = recognise(step.creates, code)
        if build is None:
            self._store.forget([transaction])
            raise StepFailed(
                f"the code at 0x{address.hex()} on {step.chain} is not {step.creates}'s ({len(code)} bytes)",
                f"{len(load(step.creates, step.build).runtime_code)} bytes of ours",
                "Don't use this node: it shows other code than was deployed.",
            )
        return Contract(
            address=Hex(address),
            tx_hash=Hex(receipt.tx_hash),
            block_number=receipt.block_number,
            code_hash=Hex(keccak256(code)),
            build=build,
        )

    async def _check_still(self, step: Step) -> None:
        contract = contract_of(self._record, step)
        if contract is not None and keccak256(await self._read_code(contract.address)) != contract.code_hash:
            raise StepFailed(
                f"other code, or none, at 0x{contract.address.hex()} on {step.chain}",
                f"what {step.id} left there",
                "Don't use this node: it shows other code than was deployed.",
            )

    async def _read_code(self, address: bytes) -> bytes:
        """Return the code at an address, which a provider may show later than another one the receipt."""
        for _ in range(_CODE_LOOKS):
            code = await self._node.code(address)
            if code:
                return code
            await asyncio.sleep(_CODE_POLL_S)
        return b""

    def _keep(
        self, step: Step, transaction: Transaction, receipt: TxReceipt, contract: Contract | None
    ) -> None:
        """Write down what the step did. Its transaction stays: its block may go until the run is done."""
        record, tx_hash = self._record, Hex(receipt.tx_hash)
        pending = self._store.finished(transaction)
        if step.kind is StepKind.AUTHORITY:
            self._put(pending=pending, authority=contract)
        elif step.kind is StepKind.GATEWAY:
            self._put(pending=pending, gateway=contract)
        elif step.kind is StepKind.ROLES:
            roles = Roles(
                guardian=Hex(guardian_of(self._config, self._deployer)),
                channel_opener=Hex(opener_of(self._config)),
                tx_hash=tx_hash,
            )
            self._put(pending=pending, roles=roles)
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
            self._put(pending=pending, clients=record.clients | {step.remote: client})
        elif step.kind is StepKind.CLOSE:
            admin = Admin(
                account=Hex(admin_of(self._config, self._deployer)),
                delay_s=self._config.endpoints.admin_delay_s,
                tx_hash=tx_hash,
            )
            self._put(pending=pending, admin=admin)
        elif step.kind in (StepKind.SCHEDULE, StepKind.ADMINISTER):
            self._put(pending=pending)
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
            self._put(pending=pending, remotes=record.remotes | {step.remote: joined})

    @property
    def _record(self) -> Record:
        record = self._manifest.get(self._name)
        assert record is not None
        return record

    def _put(self, **changes: object) -> None:
        self._manifest.put(self._name, msgspec.structs.replace(self._record, **changes))
