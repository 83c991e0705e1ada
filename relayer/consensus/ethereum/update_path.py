# SPDX-License-Identifier: MIT
"""Ethereum's light client on a destination: reading it, and the way from what it trusts to a newer header."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final, Protocol

from light_clients.client import Height, Status, Timestamp
from light_clients.errors import Rejection
from light_clients.ethereum.client import Anchor, EthereumClient
from light_clients.ethereum.codec import FinalizingUpdate, encode_update
from light_clients.ethereum.config import Period, Slot
from light_clients.ethereum.containers import LightClientUpdate, SyncCommittee
from light_clients.ethereum.params import EthereumParams
from relayer.chains.base import Address, Call, Chain
from relayer.chains.evm import abi
from relayer.consensus.ethereum.contract import decode_parameters, decode_trusted_state
from relayer.consensus.ethereum.headers import SignedHeader
from relayer.errors import ClientExpired, ClientFrozen, NotFoundYet, RpcAnswerInvalid

#: Updates in one go; the rest follows once these are there.
_MOST_STEPS: Final = 32


@dataclass(frozen=True, slots=True)
class DeployedClient:
    """A destination's client, as its contract tells."""

    status: Status
    client: EthereumClient

    @property
    def period(self) -> Period:
        """The period of what it trusts."""
        return Period(self.client.params.period_at(self.client.state.finalized_slot))

    def knows(self, signed: SignedHeader) -> bool:
        """Whether it knows who signed a header."""
        state = self.client.state
        ahead = signed.period - self.period
        return {0: state.committee, 1: state.next_committee}.get(ahead) == signed.committee.hash_tree_root()


async def read_client(
    destination: Chain, client: Address, own: EthereumParams, current_slot: Slot
) -> DeployedClient:
    """Read a client.

    Raises:
        RpcAnswerInvalid: it is the client of another network, or lacks a fork that is in force.
        Retryable: it can't be read.
    """
    asked = (abi.CLIENT_STATUS, abi.CLIENT_TRUSTED_STATE, abi.CLIENT_PARAMETERS, abi.CLIENT_ANCHORED)
    answers = await asyncio.gather(*(destination.call(Call(client, data)) for data in asked))
    state = decode_trusted_state(answers[1])
    params = decode_parameters(answers[2])
    root, height, timestamp = abi.decode_words(answers[3], 3, "anchored's answer")
    anchor = Anchor(Height(height), Timestamp(timestamp), abi.encode_word(root)) if height else None
    _check_network(params, own, current_slot, client)
    return DeployedClient(
        abi.decode_status(answers[0]), EthereumClient(params, replace(state, anchor=anchor))
    )


def _check_network(found: EthereumParams, own: EthereumParams, current_slot: Slot, client: Address) -> None:
    # The two may differ in what a deployment chooses; all else is the network's.
    same = replace(
        found,
        threshold=own.threshold,
        trusting_period_s=own.trusting_period_s,
        max_clock_drift_s=own.max_clock_drift_s,
        forks=own.forks,
    )
    if same != own:
        raise RpcAnswerInvalid(
            f"the light client 0x{client.hex()} is of another network "
            f"(genesis root 0x{found.genesis_validators_root.hex()})",
            f"genesis root 0x{own.genesis_validators_root.hex()}, and its times and sizes",
            "Is the chain's network configured right?",
        )
    fork, known = own.fork_at(current_slot), found.fork_at(current_slot)
    if fork != known:
        raise RpcAnswerInvalid(
            f"the light client 0x{client.hex()} does not know the fork of epoch {fork.epoch}",
            f"version 0x{fork.version.hex()} in its table, found 0x{known.version.hex()}",
            "Deploy a new one and register it: `postroad endpoint deploy`, then `register`",
        )


def check_usable(found: DeployedClient, client: Address) -> None:
    """Raise ClientFrozen or ClientExpired where no update can help."""
    if found.status is Status.FROZEN:
        raise ClientFrozen(
            f"the light client 0x{client.hex()} is frozen", "Active", "Its admin must bootstrap it again"
        )
    if found.status is Status.EXPIRED:
        raise ClientExpired(
            f"the light client 0x{client.hex()} expired at "
            f"{found.client.timestamp + found.client.params.trusting_period_s}",
            "Active",
            "Its admin must bootstrap it again",
        )


class UpdateSource(Protocol):
    """Where the best updates and the committees of periods are had; EthereumProver is one."""

    async def best_update(self, period: Period, least: int) -> LightClientUpdate:
        """The best update of a period, by at least so many signers as it tells. Unverified. Raises NotFoundYet."""
        ...

    async def committee_with(self, root: bytes, period: Period) -> SyncCommittee:
        """The committee of a period, by its root. Raises NotFoundYet."""
        ...


class EthereumWalk:
    """A client on its way to know who signed a header. `updates` are the arguments of `update` that it has accepted.

    Trust moves by updates that show the next committee, one a period: a client that got into a period without learning the
    next committee could be left behind there, for nodes keep one update a period.

    Args:
        source: where updates come from.
        client: trusted state to start from.
        now: time at the client.
    """

    def __init__(self, source: UpdateSource, client: EthereumClient, now: Timestamp) -> None:
        self._source = source
        self._now = now
        self.client = client
        self.updates: list[bytes] = []

    async def advance(self, target: SignedHeader) -> bool:
        """Walk until the client knows the committee that signed a header; False when the walk is so long that it stopped.

        Raises:
            NotFoundYet: nodes have no update that leads on.
        """
        for _ in range(_MOST_STEPS):
            if DeployedClient(Status.ACTIVE, self.client).knows(target):
                return True
            await self.step()
        return False

    async def step(self) -> None:
        """One period: learn the next committee, of this one where it is unknown, else of the one after it.

        Raises:
            NotFoundYet: nodes have no update that does.
        """
        state, params = self.client.state, self.client.params
        own = Period(params.period_at(state.finalized_slot))
        if state.next_committee is None:
            period, root = own, state.committee
        else:
            period, root = Period(own + 1), state.next_committee
        committee = await self._source.committee_with(root, period)
        update = await self._source.best_update(period, params.threshold)
        try:
            data, self.client = await asyncio.to_thread(self._accept, update, committee)
        except Rejection as error:
            raise NotFoundYet(
                f"the best update of period {period} does not lead the client at slot {state.finalized_slot} on: {error}",
                "an update that shows the next sync committee and finalizes a later block of the same period",
                "A better one may come; where a whole period was not finalized, only its admin can bootstrap the client",
            ) from error
        self.updates.append(data)

    async def renew(self, target: SignedHeader) -> None:
        """Move to a header of the client's own period, which renews trust, or by a step where it is of a later one."""
        state, params = self.client.state, self.client.params
        if target.slot <= state.finalized_slot:
            return
        if state.next_committee is None or params.period_at(target.slot) != params.period_at(
            state.finalized_slot
        ):
            await self.step()
            return
        data, self.client = await asyncio.to_thread(self._accept, target.update, target.committee)
        self.updates.append(data)

    def _accept(self, update: FinalizingUpdate, committee: SyncCommittee) -> tuple[bytes, EthereumClient]:
        show_next = True if isinstance(update, LightClientUpdate) else None
        data = encode_update(update, committee, self.client.params, show_next=show_next)
        return data, self.client.update(data, self._now)
