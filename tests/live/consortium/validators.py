# SPDX-License-Identifier: MIT
"""A network of validator nodes of one platform, each a process with a folder and ports of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, cast

import aiohttp

from light_clients.codec import rlp
from light_clients.ecdsa import BACKEND, address_of
from light_clients.errors import EncodingRejected
from relayer.consensus.bft.local.validator_contract import PLACE, words_of
from relayer.devnet.state.identities import Account
from relayer.keys import sign_transaction
from tests.live.execution import ask
from tests.live.processes import Program, ProgramError, free_ports, make_folder

_START_S = 240.0
_CHANGE_S = 180.0
_TRANSFER_GAS, _LIST_GAS = 21_000, 600_000
#: What an account gets where gas is not free.
_PAID_WEI = 10**20
#: Keccak-256 of "Istanbul practical byzantine fault tolerance", in the headers of the whole family.
MIX_HASH = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365"


@dataclass(frozen=True)
class Place:
    """Where a node is: its key (32 bytes), its address (20), its public key (64), folder and ports."""

    secret: bytes
    address: bytes
    public_key: bytes
    folder: Path
    peers: int
    http: int
    ws: int

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.ws}"

    @property
    def enode(self) -> str:
        return f"enode://{self.public_key.hex()}@127.0.0.1:{self.peers}?discport=0"


class Platform(Protocol):
    """How nodes of a platform are set up and asked."""

    @property
    def name(self) -> str: ...

    @property
    def dialect(self) -> str:
        """The word for its consensus in `postroad init --chain`."""
        ...

    def genesis(self, chain_id: int, validators: Sequence[bytes]) -> dict[str, Any]:
        """The genesis file of a network that these validators (20 bytes each) begin."""
        ...

    async def prepare(self, place: Place, genesis: Path, nodes: Sequence[Place]) -> None:
        """Write a node's files. Raises ProgramError."""
        ...

    def program(self, place: Place, genesis: Path, nodes: Sequence[Place]) -> Program:
        """The node's process, not started yet."""
        ...

    def propose(self, height: int) -> str:
        """The method that takes an address and whether it shall be a validator, when this is the head."""
        ...

    def list_validators(self, height: int) -> str:
        """The method that takes a block and returns its validators, when this is the head."""
        ...

    @property
    def changes_at(self) -> int | None:
        """The block from which the network has other rules, as its genesis file names it; None = never."""
        ...

    @property
    def restarts_after_change(self) -> bool:
        """Whether nodes count votes after that block only when they were started behind it."""
        ...

    @property
    def owner(self) -> Account | None:
        """Whom the genesis block gives money where gas is paid for, and the contract where one chooses."""
        ...

    @property
    def has_fees(self) -> bool:
        """Whether gas is paid for: the owner gives money then."""
        ...

    @property
    def by_contract(self) -> bool:
        """Whether a contract chooses the validators: the owner writes into it then."""
        ...

    @property
    def settings(self) -> Sequence[str]:
        """What the chain's `consensus` table has besides what `postroad init` finds, line by line."""
        ...


def change_to_qbft(height: int) -> str:
    """The setting of a chain that is sealed by QBFT from a block on."""
    return f'then = {{ protocol = "qbft", from_height = {height} }}'


class Validators:
    """Running nodes, as an async context manager; the last ones are no validators at the beginning.

    Args:
        platform: of all nodes.
        folder: of their files.
        chain_id: EIP-155's.
        count: how many validators there are at the beginning.
        spare: how many nodes there are besides.
    """

    def __init__(
        self, platform: Platform, folder: Path, chain_id: int, *, count: int = 4, spare: int = 1
    ) -> None:
        self.platform = platform
        ports = free_ports(3 * (count + spare))
        self.places = []
        for index in range(count + spare):
            secret = secrets.token_bytes(32)
            own = ports[3 * index : 3 * index + 3]
            self.places.append(
                Place(secret, address_of(secret), BACKEND.public_key(secret), folder / f"node{index}", *own)
            )
        self._genesis = folder / "genesis.json"
        self._initial = sorted(place.address for place in self.places[:count])
        self._chain_id = chain_id
        self._programs: dict[int, Program] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        genesis = self.platform.genesis(self._chain_id, self._initial)
        self._genesis.write_text(json.dumps(genesis, indent=1), encoding="utf-8")
        for place in self.places:
            make_folder(place.folder)
            await self.platform.prepare(place, self._genesis, self.places)
        try:
            # All at once: who waits long for a quorum is in a late round by then, and those are long.
            await self.start(*range(len(self.places)))
            await self.await_height(2)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start(self, *indices: int) -> None:
        """Start nodes, and wait until they answer. Raises ProgramError."""
        for index in indices:
            program = self.platform.program(self.places[index], self._genesis, self.places)
            self._programs[index] = await self._stack.enter_async_context(program)
        for index in indices:
            async with asyncio.timeout(_START_S):
                while await self._try(index, "eth_blockNumber") is None:
                    self._programs[index].check()
                    await asyncio.sleep(0.2)

    async def stop(self, *indices: int, kill: bool = False) -> None:
        """End nodes as a service manager does, or as a power cut."""
        for index in indices:
            await self._programs.pop(index).stop(signal.SIGKILL if kill else signal.SIGTERM)

    async def restart(self, *indices: int) -> None:
        """Restart nodes one after the other, each when the one before follows the chain again.

        Raises ProgramError, and TimeoutError when one does not come back.
        """
        for index in indices:
            await self.stop(index)
            await self.start(index)
            wanted = await self.height() + 2
            async with asyncio.timeout(_CHANGE_S):
                while int(await self._try(index, "eth_blockNumber") or "0x0", 16) < wanted:
                    self.check()
                    await asyncio.sleep(0.3)

    def check(self) -> None:
        """Raise ProgramError when a node has ended by itself."""
        for program in self._programs.values():
            program.check()

    async def ask(self, method: str, *params: object) -> Any:
        """Ask the first node that answers. Raises ProgramError."""
        for index in self._programs:
            answer = await self._try(index, method, *params)
            if answer is not None:
                return answer
        raise ProgramError(f"no node answers {method}")

    async def height(self) -> int:
        """The highest block that any node has."""
        heights = [await self._try(index, "eth_blockNumber") for index in list(self._programs)]
        return max((int(height, 16) for height in heights if height is not None), default=0)

    async def await_height(self, height: int) -> None:
        """Wait until a node has a block. Raises TimeoutError when no more blocks come before it."""
        while (reached := await self.height()) < height:
            async with asyncio.timeout(_CHANGE_S):
                while await self.height() <= reached:
                    self.check()
                    await asyncio.sleep(0.3)

    async def validators(self) -> list[bytes]:
        """Who seals the newest block, ascending."""
        listed = await self.ask(self.platform.list_validators(await self.height()), "latest")
        return sorted(bytes.fromhex(address[2:]) for address in listed)

    async def vote(self, index: int, *, add: bool) -> int:
        """Let all validators vote a node in or out, or the owner change the contract's list.

        Returns the height at which the set has changed.

        Raises ProgramError, and TimeoutError when the set does not change.
        """
        address, members = self.places[index].address, set(await self.validators())
        if self.platform.by_contract:
            listed = sorted(members | {address} if add else members - {address})
            words = words_of(tuple(listed), len(members))
            data = b"".join(slot + word for slot, word in words.items())
            await self._transact(PLACE.address, data=data, gas=_LIST_GAS)
        else:
            propose = self.platform.propose(await self.height())
            for voter, place in enumerate(self.places):
                if place.address in members and voter in self._programs:
                    await ask(place.http_url, propose, "0x" + address.hex(), add)
        async with asyncio.timeout(_CHANGE_S):
            while (address in await self.validators()) != add:  # noqa: ASYNC110  another process decides
                await asyncio.sleep(0.3)
        return await self.height()

    async def pay(self, address: bytes) -> None:
        """Give an account money, and wait until it has it. Raises ProgramError and TimeoutError."""
        await self._transact(address, value=_PAID_WEI, gas=_TRANSFER_GAS)
        async with asyncio.timeout(_CHANGE_S):
            while not await self._has_money(address):  # noqa: ASYNC110  another process decides
                await asyncio.sleep(0.3)

    async def rounds(self, first: int, last: int) -> list[int]:
        """The round in which each block from first to last was agreed on, both inclusive.

        Headers of legacy Istanbul don't tell it, so their blocks are left out.
        """
        found = []
        for number in range(first, last + 1):
            block = await self.ask("eth_getBlockByNumber", hex(number), False)
            try:
                items = cast("list[bytes]", rlp.decode(bytes.fromhex(block["extraData"][2:])))
            except EncodingRejected:
                continue
            found.append(int.from_bytes(items[3], "big"))
        return found

    def log_ends(self) -> str:
        """What every running node said last."""
        return "\n".join(f"--- {program.name}\n{program.log_end(8)}" for program in self._programs.values())

    async def _has_money(self, address: bytes) -> bool:
        return int(await self.ask("eth_getBalance", "0x" + address.hex(), "latest"), 16) > 0

    async def _transact(self, to: bytes, *, gas: int, value: int = 0, data: bytes = b"") -> None:
        owner = self.platform.owner
        if owner is None:
            raise ProgramError(f"nobody on this network of {self.platform.name} has money")
        nonce = await self.ask("eth_getTransactionCount", owner.address_text, "pending")
        transaction = {
            "chainId": self._chain_id,
            "nonce": int(nonce, 16),
            "to": to,
            "value": value,
            "data": data,
            "gas": gas,
            "gasPrice": 2 * int(await self.ask("eth_gasPrice"), 16),
        }
        raw, _ = sign_transaction(transaction, owner.secret)
        await self.ask("eth_sendRawTransaction", "0x" + raw.hex())

    async def _try(self, index: int, method: str, *params: object) -> Any:
        with contextlib.suppress(aiohttp.ClientError, ProgramError, TimeoutError, OSError):
            return await ask(self.places[index].http_url, method, *params)
        return None
