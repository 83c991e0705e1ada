# SPDX-License-Identifier: MIT
"""A local chain for tests and demos, as `devnet` shows it.

Its keys are of no worth, so they are shown whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class FundedAccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account with money on a local chain: its address and its private key, both as text in hex.

    `purpose` is what it is used for: `deployer`, `relayer` or `sender`; None for one that is free.
    """

    address: str
    secret: str
    purpose: str | None = None


class LocalChainView(msgspec.Struct, frozen=True, kw_only=True):
    """A local chain.

    Attributes:
        name: as it was asked for.
        consensus: the name of its kind of consensus.
        chain_id: the EIP-155 number.
        rpc: the URL of its JSON-RPC.
        websocket: the URL of its websocket.
        admin: the URL of its admin RPC; None where it serves none.
        genesis_hash: the hash of block 0, as text in hex.
        details: what its kind has besides.
        rules: the words of its rules beside the consensus, as in `--chains`.
        funded: accounts with money; where gas is free, without.
        height: its newest block; None where it does not answer, or was not asked.
        gateway: its endpoint's address; None where none was deployed, and so with all that follows.
        endpoint_id: 32 bytes.
        postbox: a recipient that keeps what arrives in its log.
        multisender: a contract that sends many messages in one transaction.
    """

    name: str
    consensus: str
    chain_id: int
    rpc: str
    websocket: str
    admin: str | None
    genesis_hash: str
    details: Mapping[str, Any]
    rules: tuple[str, ...]
    funded: tuple[FundedAccountView, ...]
    height: int | None = None
    gateway: str | None = None
    endpoint_id: str | None = None
    postbox: str | None = None
    multisender: str | None = None


class LocalNetworkView(msgspec.Struct, frozen=True, kw_only=True):
    """Local chains that were started.

    `config` is the file that was written for them; None without endpoints.
    """

    directory: str
    config: str | None
    chains: tuple[LocalChainView, ...]


class LocalStatusView(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the local chains of a folder run, and how they do.

    `config` is the file that was written for them; None without endpoints.
    """

    running: bool
    directory: str
    config: str | None
    chains: tuple[LocalChainView, ...]


class LocalStoppedView(msgspec.Struct, frozen=True, kw_only=True):
    """A network that was stopped, and its folder. `stopped` is False where none was running."""

    stopped: bool
    directory: str


class InstalledProgramView(msgspec.Struct, frozen=True, kw_only=True):
    """A program that local chains need, and that Postroad keeps.

    Attributes:
        program: its name.
        version: as it says itself.
        path: where it is.
        fetched: whether it was fetched just now.
    """

    program: str
    version: str
    path: str
    fetched: bool
