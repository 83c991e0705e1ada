# SPDX-License-Identifier: MIT
"""The Ethereum light client and its contract: what the comparison needs to know of them."""

from __future__ import annotations

from light_clients.ethereum.client import EthereumClient
from relayer.consensus.ethereum.contract import encode_parameters
from relayer.contracts import load
from tests.differential.clients import Consensus


def trusted(client: EthereumClient) -> tuple[int, int, bytes, bytes, bool]:
    state = client.state
    return (
        state.finalized_slot,
        client.timestamp,
        state.committee,
        state.next_committee or bytes(32),
        state.frozen,
    )


BEACON = Consensus("EthereumLightClient", ["uint64", "uint64", "bytes32", "bytes32", "bool"], trusted)


def creation_of(client: EthereumClient, authority: bytes) -> bytes:
    """The init code of the contract that is this client's twin."""
    state = client.state
    known = state.next_committee or bytes(32)
    return load(BEACON.contract).encode_creation(
        "0x" + authority.hex(),
        encode_parameters(client.params),
        state.finalized_slot,
        state.committee,
        known,
    )
