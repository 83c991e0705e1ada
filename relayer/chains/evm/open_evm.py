# SPDX-License-Identifier: MIT
"""Builds the connection to a configured chain, whatever its consensus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from relayer.chains.base import Address
from relayer.chains.evm.chain import EvmChain, EvmSettings
from relayer.chains.evm.signers import ForeignAccount, Signer
from relayer.chains.provider_pool import OnRpcError
from relayer.chains.rpc_provider import OwnProvider, ProviderUrls
from relayer.config import ChainConfig

#: The gateway's address before there is a gateway.
_NOBODY: Final = bytes(20)


def open_evm(
    name: str,
    chain: ChainConfig,
    genesis_hash: bytes,
    signers: Sequence[Signer | ForeignAccount] = (),
    on_rpc_error: OnRpcError | None = None,
    provider: OwnProvider | None = None,
) -> EvmChain:
    """Build the connection to a chain; nothing is asked of it yet.

    Args:
        name: of the chain, for people.
        chain: its table of the configuration; it may lack a gateway.
        genesis_hash: 32 bytes; zero when it is not known and shall not be compared.
        signers: unlocked keys; without any, the chain can only be read.
        on_rpc_error: is told of every failure of a provider.
        provider: is asked in place of those that the table names.
    """
    sockets = [url.reveal() for url in chain.websocket]
    named = tuple(
        ProviderUrls(url.reveal(), sockets[index] if index < len(sockets) else None)
        for index, url in enumerate(chain.rpc)
    )
    settings = EvmSettings(
        name=name,
        chain_id=chain.chain_id,
        gateway=Address(chain.gateway or _NOBODY),
        genesis_hash=genesis_hash,
        providers=named if provider is None else (provider,),
        poll_interval_s=chain.poll_interval_ms / 1_000,
    )
    return EvmChain(settings, signers, on_rpc_error)
