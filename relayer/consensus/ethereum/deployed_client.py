# SPDX-License-Identifier: MIT
"""A light client of this chain on a destination: what its contract tells."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from light_clients.client import Height, Status, Timestamp
from light_clients.ethereum.client import Anchor, EthereumClient
from light_clients.ethereum.config import Period, Slot
from light_clients.ethereum.params import EthereumParams
from relayer.chains.base import Address, Call, Chain
from relayer.chains.evm import abi
from relayer.consensus.base import OnChainClient
from relayer.consensus.ethereum.cache import EthereumCache
from relayer.consensus.ethereum.contract import decode_parameters, decode_trusted_state
from relayer.consensus.ethereum.headers import SignedHeader
from relayer.errors import RpcAnswerInvalid


@dataclass(frozen=True, slots=True)
class DeployedClient:
    """A client as its contract tells.

    Attributes:
        status: by the destination's clock.
        client: its parameters and its trusted state.
    """

    status: Status
    client: EthereumClient

    @property
    def period(self) -> Period:
        """The period of the newest header that it trusts."""
        return Period(self.client.params.period_at(self.client.state.finalized_slot))

    def describe(self, address: Address, newest: SignedHeader | None, cache: EthereumCache) -> OnChainClient:
        """What the pipeline has to know of the client.

        Args:
            address: of its contract.
            newest: the newest header that was verified here; without one the client counts as current.
            cache: the headers that proofs can be made of.
        """
        state = self.client.state
        is_current = newest is None or knows_signers(self.client, newest)
        # The contract forgets committees of periods before its own.
        first = cache.first_signed_since(self.period) if is_current else None
        return OnChainClient(
            address,
            self.status,
            Height(state.finalized_slot),
            self.client.timestamp,
            self.client.params.trusting_period_s,
            is_current,
            first or Height(0),
            Height(0) if state.anchor is None else state.anchor.height,
        )


def knows_signers(client: EthereumClient, signed: SignedHeader) -> bool:
    """Whether a client knows the committee that signed a header, which is its own one or the next."""
    state, params = client.state, client.params
    ahead = signed.period - params.period_at(state.finalized_slot)
    return {0: state.committee, 1: state.next_committee}.get(ahead) == signed.committee.hash_tree_root()


async def read_client(
    destination: Chain, client: Address, own: EthereumParams, current_slot: Slot
) -> DeployedClient:
    """Read a client from its contract.

    Args:
        destination: the chain that it is on.
        client: its contract.
        own: the parameters of our own client. What is the network's has to be the same.
        current_slot: of the network, by our clock.

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
    # The tables may differ in forks that are still to come. What counts now is the one in force.
    fork, known = own.fork_at(current_slot), found.fork_at(current_slot)
    if fork != known:
        raise RpcAnswerInvalid(
            f"the light client 0x{client.hex()} does not know the fork of epoch {fork.epoch}",
            f"version 0x{fork.version.hex()} in its table, found 0x{known.version.hex()}",
            "Deploy a new one and register it: `postroad endpoint deploy`, then `register`",
        )
