# SPDX-License-Identifier: MIT
"""The file that a background network leaves in its directory, for those who look for it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from relayer.devnet.chain.chain_details import ChainDetails
from relayer.devnet.errors import DevnetError
from relayer.devnet.network.network import Network
from relayer.devnet.process.process_identity import is_same_process, start_mark

STATE_FILE: Final = "network.json"
LOG_FILE: Final = "network.log"
LOCK_FILE: Final = "lock"
VERSION: Final = 4


@dataclass(frozen=True, slots=True)
class FundedKey:
    """An account with money (none where gas is free), as text: EIP-55 address and 0x-hex private key."""

    address: str
    secret: str


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What was put on a chain, as 0x-hex: addresses of 20 bytes, the endpoint's id of 32."""

    gateway: str
    endpoint_id: str
    postbox: str
    multisender: str


@dataclass(frozen=True, slots=True)
class ProcessState:
    """A process: its id, and what tells it from a later one of the same id."""

    pid: int
    mark: str

    def is_running(self) -> bool:
        """Return whether exactly this process runs."""
        return is_same_process(self.pid, self.mark)


@dataclass(frozen=True, slots=True)
class ChainState:
    """Where a chain is and what it is.

    Attributes:
        name: of the chain.
        kind: the name of its kind of consensus.
        chain_id: EIP-155's.
        http_url, ws_url: of its RPC server.
        admin_url: of its admin RPC; None unless that was asked for.
        genesis_hash: of block 0, as 0x-hex.
        block_time_s: seconds between blocks; None = blocks on demand.
        details: what the kind tells of the chain.
        funded_keys: accounts with money, where gas costs any.
        processes: what runs for it beside the supervisor.
        rules: the words of its rules beside the consensus, as in a spec line.
        endpoint: what was put on it; None where nothing was, or not yet.
    """

    name: str
    kind: str
    chain_id: int
    http_url: str
    ws_url: str
    admin_url: str | None
    genesis_hash: str
    block_time_s: float | None
    details: ChainDetails
    funded_keys: tuple[FundedKey, ...]
    processes: tuple[ProcessState, ...]
    rules: tuple[str, ...] = ()
    endpoint: EndpointState | None = None


@dataclass(frozen=True, slots=True)
class NetworkState:
    """A background network: its supervisor's process and its chains.

    `phase` is what the supervisor wrote last; `is_running` looks for the process itself. `deployment` is what
    the hook returned, None when there was none.
    """

    pid: int
    mark: str
    phase: Literal["starting", "ready", "failed"]
    chains: tuple[ChainState, ...] = ()
    deployment: Any = None
    error: str = ""
    version: int = field(default=VERSION)

    def is_running(self) -> bool:
        """Return whether the supervisor lives: exactly that process, not a later one of the same id."""
        return is_same_process(self.pid, self.mark)

    @property
    def is_joined(self) -> bool:
        """Whether its chains have endpoints, and so a configuration lies beside the file."""
        return any(chain.endpoint is not None for chain in self.chains)

    def chain(self, name: str) -> ChainState:
        """Return the chain of a name. Raises DevnetError."""
        for chain in self.chains:
            if chain.name == name:
                return chain
        raise DevnetError(
            f"no chain {name!r} in the network", "one of " + ", ".join(chain.name for chain in self.chains)
        )


def describe(network: Network) -> tuple[ChainState, ...]:
    """Return the state of a network's chains, all started."""
    return tuple(
        ChainState(
            name=chain.name,
            kind=chain.kind,
            chain_id=chain.chain_id,
            http_url=chain.http_url,
            ws_url=chain.ws_url,
            admin_url=chain.admin_url,
            genesis_hash="0x" + chain.genesis_hash.hex(),
            block_time_s=chain.block_time_s,
            details=chain.describe(),
            funded_keys=tuple(FundedKey(key.address_text, key.secret_text) for key in chain.funded_keys),
            processes=tuple(ProcessState(pid, start_mark(pid)) for pid in chain.pids),
            rules=chain.options.rules.words,
        )
        for chain in network.chains.values()
    )


def write_state(directory: Path, state: NetworkState) -> None:
    """Write the file at once or not at all, readable by its owner only: it holds keys."""
    partial = directory / f"{STATE_FILE}.{os.getpid()}.partial"
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(state)))
        partial.replace(directory / STATE_FILE)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def read_state(directory: Path) -> NetworkState | None:
    """Read the file; None when there is none.

    Raises:
        DevnetError: it is there and can't be read.
    """
    path = directory / STATE_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=NetworkState)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise DevnetError(
            f"{path} can't be read: {error}",
            "what `postroad devnet up` wrote",
            "Look for processes that it names, end them, and remove the file.",
        ) from error
