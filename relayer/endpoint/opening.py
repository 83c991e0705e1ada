# SPDX-License-Identifier: MIT
"""Build the two halves of a configured chain: how to talk to it, and why to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from light_clients.client import Height, Timestamp
from relayer.chains.base import Address
from relayer.chains.evm.chain import EvmChain, EvmSettings
from relayer.chains.evm.fees import FeePolicy
from relayer.chains.evm.tx import Signer
from relayer.chains.rpc_provider import RpcEndpoint
from relayer.config import BootstrapConfig, Config
from relayer.endpoint.node import Node
from relayer.protocol.interop_address import InteropAddress
from relayer.provers.bft import BftBootstrap, BftProver


@dataclass(frozen=True, slots=True)
class OpenChain:
    """A chain in use. `node` asks for what neither half does, and is believed in nothing."""

    name: str
    chain: EvmChain
    prover: BftProver
    node: Node
    chain_id: int

    def recipient(self, account: bytes) -> bytes:
        """The ERC-7930 bytes of an account (20 bytes) on this chain."""
        return InteropAddress.evm(self.chain_id, account).to_bytes()

    async def close(self) -> None:
        """Close connections; idempotent."""
        await self.chain.close()
        await self.node.close()


def open_chain(config: Config, name: str, signers: Sequence[Signer] = ()) -> OpenChain:
    """Build a configured chain; nothing is asked of it yet. Raises ConfigError when its endpoint isn't complete."""
    endpoint = config.require_endpoint(name)
    return _open(config, name, signers, endpoint.gateway, endpoint.genesis_hash, endpoint.bootstrap)


def open_for_trust(config: Config, name: str, genesis_hash: bytes) -> OpenChain | None:
    """Build a chain that may have no gateway yet, to verify its headers; None without a configured bootstrap."""
    chain = config.chain(name)
    if chain.bootstrap is None:
        return None
    return _open(config, name, (), chain.gateway or bytes(20), genesis_hash, chain.bootstrap)


def _open(
    config: Config,
    name: str,
    signers: Sequence[Signer],
    gateway: bytes,
    genesis_hash: bytes,
    trusted: BootstrapConfig,
) -> OpenChain:
    chain = config.chain(name)
    sockets = [url.reveal() for url in chain.websocket]
    urls = [url.reveal() for url in chain.rpc]
    endpoints = tuple(
        RpcEndpoint(url, sockets[index] if index < len(sockets) else None) for index, url in enumerate(urls)
    )
    settings = EvmSettings(
        name=name,
        chain_id=chain.chain_id,
        gateway=Address(gateway),
        genesis_hash=genesis_hash,
        endpoints=endpoints,
        fees=FeePolicy(chain.max_fee_wei, chain.priority_fee_wei),
        poll_interval_s=chain.poll_interval_ms / 1_000,
    )
    evm = EvmChain(settings, signers)
    bootstrap = BftBootstrap(
        consensus=chain.consensus,
        validators=tuple(bytes(each) for each in trusted.validators),
        height=Height(trusted.height),
        timestamp=Timestamp(trusted.timestamp),
        trusting_period_s=chain.trusting_period_s,
        max_clock_drift_s=chain.max_clock_drift_s,
    )
    return OpenChain(name, evm, BftProver(evm, bootstrap), Node.over(name, urls), chain.chain_id)
