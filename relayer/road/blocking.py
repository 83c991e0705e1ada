# SPDX-License-Identifier: MIT
"""The same road for scripts without an event loop: each call blocks until it is done.

    with relayer.connect_blocking("postroad.toml") as road:
        message = road.send("court-chain", "port-chain", to=contract, payload=b"...", deadline="10m")
        receipt = message.delivered(timeout="5m")

`relayer.road.road` has it for programs with an event loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from relayer.chains.evm.signers import ForeignAccount, Signer
from relayer.config import Config
from relayer.contracts import load
from relayer.road.loop_thread import LoopThread
from relayer.road.message import RoadMessage
from relayer.road.receipt import Receipt
from relayer.road.road import Road, connect
from relayer.road.times import Span
from relayer.views.story import StoryView

if TYPE_CHECKING:
    from web3 import Web3
    from web3.contract import Contract


def connect_blocking(
    source: str | Path | Config = "postroad.toml",
    *,
    signers: Mapping[str, Sequence[Signer | ForeignAccount]] | None = None,
    web3: Mapping[str, object] | None = None,
) -> BlockingRoad:
    """Return a road to be used with `with`, inside of a running event loop too, as a notebook has one.

    Arguments and errors are those of `connect`.
    """
    return BlockingRoad(connect(source, signers=signers, web3=web3))


class BlockingMessage:
    """A message that was sent. `message` has everything that needs no waiting."""

    def __init__(self, message: RoadMessage, loop: LoopThread) -> None:
        self.message = message
        self._loop = loop

    @property
    def id(self) -> bytes:
        """Its name everywhere."""
        return self.message.id

    def delivered(self, timeout: Span | None = None) -> Receipt:
        """Wait until it is proven as executed; see RoadMessage.delivered."""
        return self._loop.run(self.message.delivered(timeout))

    def story(self) -> StoryView:
        """Tell what is known of it; see RoadMessage.story."""
        return self._loop.run(self.message.story())


class BlockingRoad:
    """A road with an event loop of its own, in a thread of its own."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self._loop = LoopThread()

    def __enter__(self) -> Self:
        self._loop.start()
        try:
            self._loop.run(self._road.__aenter__())
        except BaseException:
            self._loop.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._loop.run(self._road.close())
        finally:
            self._loop.stop()

    def send(
        self,
        source: str,
        destination: str,
        *,
        to: bytes | str,
        payload: bytes,
        deadline: Span | None = None,
        gas_limit: int | None = None,
        channel: bytes | None = None,
    ) -> BlockingMessage:
        """Send a message; see Road.send."""
        sending = self._road.send(
            source,
            destination,
            to=to,
            payload=payload,
            deadline=deadline,
            gas_limit=gas_limit,
            channel=channel,
        )
        return BlockingMessage(self._loop.run(sending), self._loop)

    def message(self, message_id: bytes | str) -> BlockingMessage:
        """Find a message by its id; see Road.message."""
        return BlockingMessage(self._loop.run(self._road.message(message_id)), self._loop)

    def web3(self, name: str) -> Web3:
        """Return web3 over a chain's distrusted providers; see Road.web3."""
        from relayer.chains.evm.web3_pool import open_web3

        return open_web3(self._road.chain(name).chain, self._loop.run)

    def contract(self, name: str, contract: str = "Gateway", address: bytes | str | None = None) -> Contract:
        """Return one of our contracts on a chain, as web3's contract object; see Road.contract."""
        from relayer.chains.evm.web3_pool import blocking_contract

        at = self._road.contract_address(name, address)
        return blocking_contract(self.web3(name), at, load(contract).abi)
