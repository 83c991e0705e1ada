# SPDX-License-Identifier: MIT
"""The file that a background network leaves in its directory, for those who look for it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.devnet.errors import DevnetError
from relayer.devnet.network.network import Network
from relayer.devnet.process.process_identity import is_same_process, start_mark

STATE_FILE = "network.json"
LOG_FILE = "network.log"
LOCK_FILE = "lock"
VERSION = 1


@dataclass(frozen=True, slots=True)
class FundedKey:
    """An account with money, as text: EIP-55 address and 0x-hex private key."""

    address: str
    secret: str


@dataclass(frozen=True, slots=True)
class ChainState:
    """Where a chain is and what it is. `anvil_mark` tells anvil's process from a later one of the same id.

    `validators` are addresses, with proof of stake none. Only there are `beacon_url` and a finalized beacon block to begin with: its root
    as 0x-hex, its slot, and the number of the execution block in it.
    """

    name: str
    kind: str
    chain_id: int
    http_url: str
    ws_url: str
    admin_url: str | None
    genesis_hash: str
    block_time_s: float | None
    validators: tuple[str, ...]
    funded_keys: tuple[FundedKey, ...]
    anvil_pid: int
    anvil_mark: str
    beacon_url: str | None = None
    checkpoint_root: str | None = None
    checkpoint_slot: int | None = None
    checkpoint_height: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkState:
    """A background network: its supervisor's process and its chains.

    `phase` is what the supervisor wrote last; `is_running` looks for the process itself. `deployment` is what the hook
    returned, None when there was none.
    """

    pid: int
    mark: str
    phase: Literal["starting", "ready", "failed"]
    chains: tuple[ChainState, ...] = ()
    deployment: Any = None
    error: str = ""
    version: int = field(default=VERSION)

    def is_running(self) -> bool:
        """Whether the supervisor lives: exactly that process, not a later one of the same id."""
        return is_same_process(self.pid, self.mark)

    def chain(self, name: str) -> ChainState:
        """The chain of a name. Raises DevnetError."""
        for chain in self.chains:
            if chain.name == name:
                return chain
        raise DevnetError(
            f"no chain {name!r} in the network", "one of " + ", ".join(chain.name for chain in self.chains)
        )


def describe(network: Network) -> tuple[ChainState, ...]:
    """The state of a network's chains, all started."""
    return tuple(
        ChainState(
            name=chain.name,
            kind=str(chain.kind),
            chain_id=chain.chain_id,
            http_url=chain.http_url,
            ws_url=chain.ws_url,
            admin_url=chain.admin_url,
            genesis_hash="0x" + chain.genesis_hash.hex(),
            block_time_s=chain.block_time_s,
            validators=()
            if isinstance(chain, LocalEthereumChain)
            else tuple("0x" + address.hex() for address in chain.validators),
            funded_keys=tuple(FundedKey(key.address_text, key.secret_text) for key in chain.funded_keys),
            anvil_pid=chain.anvil_pid,
            anvil_mark=start_mark(chain.anvil_pid),
            **(_describe_beacon(chain) if isinstance(chain, LocalEthereumChain) else {}),
        )
        for chain in network.chains.values()
    )


def _describe_beacon(chain: LocalEthereumChain) -> dict[str, Any]:
    checkpoint = chain.checkpoint
    return {
        "beacon_url": chain.beacon_url,
        "checkpoint_root": "0x" + checkpoint.root.hex(),
        "checkpoint_slot": int(checkpoint.slot),
        "checkpoint_height": chain.finalized.number,
    }


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
