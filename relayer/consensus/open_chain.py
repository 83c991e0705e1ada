# SPDX-License-Identifier: MIT
"""Builds both halves of a configured chain: how to talk to it, and why to believe it.

Only this module does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relayer.chains.evm.chain import EvmChain
from relayer.chains.evm.node import Node
from relayer.chains.evm.open_evm import open_evm
from relayer.chains.evm.signers import ForeignAccount, Signer
from relayer.chains.provider_pool import OnRpcError
from relayer.chains.rpc_provider import OwnProvider
from relayer.config import ChainConfig, Config
from relayer.consensus.base import Prover
from relayer.consensus.kind import OpenProver
from relayer.consensus.registry import configured, kind_of
from relayer.protocol.interop_address import InteropAddress


@dataclass(frozen=True, slots=True)
class OpenChain:
    """A chain in use.

    Attributes:
        name: for people.
        chain: how to talk to it.
        open_prover: why to believe it.
        node: asks what neither half does, such as any contract's state; nothing it says is verified.
        config: the chain's table of the configuration.
    """

    name: str
    chain: EvmChain
    open_prover: OpenProver
    node: Node
    config: ChainConfig

    @property
    def prover(self) -> Prover:
        """The prover of this chain."""
        return self.open_prover.prover

    @property
    def chain_id(self) -> int:
        """The EIP-155 chain id."""
        return self.config.chain_id

    def recipient(self, account: bytes) -> bytes:
        """Return the ERC-7930 bytes of an account (20 bytes) on this chain."""
        return InteropAddress.evm(self.chain_id, account).to_bytes()

    async def check(self) -> None:
        """Ask once whether the configuration is of this chain.

        Raises:
            ConfigError: a provider shows another gateway, or its consensus layer another network.
            Retryable: nobody answers.
        """
        await self.chain.check_gateway()
        await self.open_prover.check()

    async def close(self) -> None:
        """Close connections; idempotent."""
        await self.chain.close()
        await self.open_prover.close()
        await self.node.close()


def open_chain(
    config: Config,
    name: str,
    signers: Sequence[Signer | ForeignAccount] = (),
    on_rpc_error: OnRpcError | None = None,
    provider: OwnProvider | None = None,
) -> OpenChain:
    """Build a configured chain; nothing is asked of it yet.

    `provider` is asked in place of those that the configuration names.

    Raises ConfigError when its endpoint isn't complete.
    """
    chain, endpoint = config.chain(name), config.require_endpoint(name)
    evm = open_evm(name, chain, endpoint.genesis_hash, signers, on_rpc_error, provider)
    open_prover = kind_of(chain).open_prover(configured(name, chain), evm, on_rpc_error)
    urls = [url.reveal() for url in chain.rpc]
    node = Node.over(name, urls) if provider is None else Node(name, evm.request)
    return OpenChain(name, evm, open_prover, node, chain)
