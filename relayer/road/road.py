# SPDX-License-Identifier: MIT
"""Connect, send, and find messages.

    async with relayer.connect("postroad.toml") as road:
        message = await road.send("court-chain", "port-chain", to=contract, payload=b"...", deadline="10m")
        receipt = await message.delivered()

`relayer.road.blocking` has it for scripts without an event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from light_clients.client import Height
from relayer import config as configuration
from relayer.chains.base import Call, Chain, SentMessage, TxReceipt
from relayer.chains.evm import abi
from relayer.chains.evm.open_evm import open_evm
from relayer.chains.evm.signers import ForeignAccount, Signer, as_signer
from relayer.chains.evm.web3_provider import Web3Provider
from relayer.config import Config
from relayer.consensus.open_chain import OpenChain, open_chain
from relayer.contracts import load
from relayer.errors import (
    ChainUnavailable,
    ConfigError,
    NotFoundYet,
    PostroadError,
)
from relayer.keys import KeyStore, read_password
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane
from relayer.road.arguments import check_sending, read_address, read_message_id
from relayer.road.errors import MessageUnknown
from relayer.road.message import RoadMessage
from relayer.road.search import find_sent
from relayer.road.times import Span, parse_span
from relayer.road.transact import SendingChain
from relayer.sending.price import PricePolicy

if TYPE_CHECKING:
    from web3 import AsyncWeb3
    from web3.contract import AsyncContract

    from relayer.journal.store import Journal

#: How often a chain is looked at while a transaction of ours waits there, whatever its poll interval is.
_LEAST_POLL_S: Final = 0.1
_MOST_POLL_S: Final = 1.0


def connect(
    source: str | Path | Config = "postroad.toml",
    *,
    signers: Mapping[str, Sequence[Signer | ForeignAccount]] | None = None,
    web3: Mapping[str, object] | None = None,
) -> Road:
    """Return a road over the configured chains, to be used with `async with`.

    Args:
        source: the configuration file, or a configuration.
        signers: unlocked keys by chain, for `send`: of `relayer.keys.Key`, of eth-account
            (`Account.from_key(...)`), or what has the same methods. Without them the keystore that the
            chain's `sender` names (else its first of `keys`) is unlocked when the first message is sent.
        web3: an `AsyncWeb3` or a `Web3` by chain, which is asked in place of the chain's configured
            providers. What it answers is believed no more than theirs. Its owner closes it.

    Raises:
        ConfigError: the configuration can't be used, or an object in `web3` is none. Nothing is asked of a
            chain yet.
        KeyUnavailable: an object in `signers` is no key.
    """
    config = source if isinstance(source, Config) else configuration.load(source)
    return Road(config, signers, web3)


class Road:
    """The configured chains, to send over and to look at. Belongs to one event loop."""

    def __init__(
        self,
        config: Config,
        signers: Mapping[str, Sequence[Signer | ForeignAccount]] | None = None,
        web3: Mapping[str, object] | None = None,
    ) -> None:
        # At once, and not with the first message: what is no key is a mistake in the caller's code.
        for signer in (signer for several in (signers or {}).values() for signer in several):
            as_signer(signer)
        self.config = config
        self._signers = signers
        # Its chains have to be configured: how they are verified stands nowhere else.
        for name in web3 or ():
            config.chain(name)
        self._own = {name: Web3Provider(own, f"the web3 of {name}") for name, own in (web3 or {}).items()}
        self._chains: dict[str, OpenChain] = {}
        self._sending: dict[str, SendingChain] = {}
        self._journal: Journal | None = None
        self._is_open = False
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._journal = await asyncio.to_thread(self._open_journal)
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections; idempotent. Messages of this road can't be waited for afterwards."""
        self._is_open = False
        # Those that send first: what they look at is verified by the others.
        for sending in self._sending.values():
            await sending.close()
        for opened in self._chains.values():
            await opened.close()
        self._chains.clear()
        self._sending.clear()
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close)
            self._journal = None

    async def send(
        self,
        source: str,
        destination: str,
        *,
        to: bytes | str,
        payload: bytes,
        deadline: Span | None = None,
        gas_limit: int | None = None,
        channel: bytes | None = None,
    ) -> RoadMessage:
        """Send a message, and return it once its transaction is in a block.

        Args:
            source: configured name of the chain that sends it.
            destination: configured name of the chain that it goes to.
            to: the receiving contract, 20 bytes or 0x-hex.
            payload: what it is given.
            deadline: how long from now, by the destination's clock, it may be executed (`"10m"`); None = for
                ever.
            gas_limit: what the recipient gets at least; None = the lane's default.
            channel: 32 bytes; None = the public lane.

        Raises:
            ConfigError, KeyUnavailable, Malformed: nothing was sent.
            CallReverted: the gateway refuses it (no route, paused, too large, ...); nothing was sent.
            InsufficientFunds, FeeLimitReached: nothing was sent; try again later.
            ChainUnavailable: it is not in a block in time. The text says why it waits, and whether it may
                still be included.
        """
        recipient = read_address(to)
        check_sending(source, destination, payload, channel)
        sender, receiver = await self._open_sending(source), self._open(destination)
        absolute = None if deadline is None else await self._deadline(receiver, parse_span(deadline))
        attributes = abi.encode_attributes(gas_limit=gas_limit, deadline=absolute, channel=channel)
        data = abi.encode_send_message(receiver.recipient(recipient), payload, attributes)
        receipt = await sender.transact(Call(sender.chain.gateway, data))
        sent = await _find_in(sender.chain, receipt)
        lane = Lane(sender.chain.endpoint_id, receiver.chain.endpoint_id, channel or PUBLIC_CHANNEL)
        if sent.message.lane_id != lane.id:
            raise ConfigError(
                f"the gateway of {source} put the message into lane 0x{sent.message.lane_id.hex()}",
                f"0x{lane.id.hex()}, the one that leads to the configured gateway of {destination}",
                f"The route of chain {self.config.chain(destination).chain} leads elsewhere: run `postroad endpoint check`.",
            )
        return RoadMessage(sent, lane, self._open(source), receiver, self._journal)

    async def message(self, message_id: bytes | str) -> RoadMessage:
        """Find a message by its id: in the relayer's journal, else in the chains' logs.

        Raises:
            MessageUnknown: no configured chain has sent it.
            ChainUnavailable: a chain that may have sent it can't be asked.
        """
        wanted = read_message_id(message_id)
        if self._journal is not None:
            stored = await asyncio.to_thread(self._journal.message, wanted)
            if stored is not None:
                sent = SentMessage(
                    stored.message,
                    stored.leaf,
                    Height(stored.block_number),
                    stored.block_hash,
                    stored.tx_hash,  # type: ignore[arg-type]
                    stored.log_index,
                )
                found = self._to_message(sent, await asyncio.to_thread(self._lane_of, stored.message.lane_id))
                if found is not None:
                    return found
        failures: list[PostroadError] = []
        for name in self._ready_names():
            try:
                told = await find_sent(self._open(name), wanted)
            except PostroadError as error:
                failures.append(error)
                continue
            if told is not None:
                lane = self._guess_lane(name, told)
                found = None if lane is None else self._to_message(told, lane)
                if found is not None:
                    return found
        # Only now: where one chain has the message, it does not matter that another could not be asked.
        if failures:
            raise ChainUnavailable(
                f"not every chain could be asked for 0x{wanted.hex()}: {failures[0]}", "an answer"
            )
        raise MessageUnknown(
            f"no message 0x{wanted.hex()} on {', '.join(self._ready_names()) or 'any chain'}",
            "the id of a message between configured chains",
            "Copy the id again; it is the leaf that MessageAppended names.",
        )

    def web3(self, name: str) -> AsyncWeb3[Any]:
        """Return web3 over a chain's distrusted providers, with their failover and limits; it is the road's.

        It retries nothing by itself, for the providers' retries are bounded, and reads blocks with seals in
        them. Nothing that it says is verified. Raises ConfigError.
        """
        # Whoever does not use it does not wait for its import.
        from relayer.chains.evm.web3_pool import open_async_web3

        return open_async_web3(self._open(name).chain)

    def contract(
        self, name: str, contract: str = "Gateway", address: bytes | str | None = None
    ) -> AsyncContract:
        """Return one of our contracts on a chain, as web3's contract object.

        Args:
            name: of the chain.
            contract: whose ABI it has, such as `Gateway` or `BftLightClient`.
            address: 20 bytes or 0x-hex; None = the chain's gateway.

        Raises:
            ConfigError, UnknownContract, Malformed: the chain, the contract or the address is none.
        """
        from relayer.chains.evm.web3_pool import async_contract

        return async_contract(self.web3(name), self.contract_address(name, address), load(contract).abi)

    def contract_address(self, name: str, address: bytes | str | None = None) -> bytes:
        """Return an address as 20 bytes; None stands for the chain's gateway. Raises as `contract`."""
        return self._open(name).chain.gateway if address is None else read_address(address)

    def chain(self, name: str) -> OpenChain:
        """A configured chain, opened: to talk to it and to verify it. Raises ConfigError."""
        return self._open(name)

    async def chain_to_write(self, name: str) -> SendingChain:
        """A configured chain with the sending key. Raises ConfigError, KeyUnavailable."""
        return await self._open_sending(name)

    @property
    def journal(self) -> Journal | None:
        """The relayer's journal, to be read; None where there is none."""
        return self._journal

    def _open(self, name: str) -> OpenChain:
        if not self._is_open:
            raise ConfigError("a road that is not open", "`async with relayer.connect(...) as road:`")
        if name not in self._chains:
            self._chains[name] = open_chain(self.config, name, provider=self._own.get(name))
            self._import_trust(self._chains[name])
        return self._chains[name]

    async def _open_sending(self, name: str) -> SendingChain:
        opened = self._open(name)
        # One sender a chain: two over one key would both count its nonces.
        async with self._opening:
            if name not in self._sending:
                signers = await asyncio.to_thread(self._unlock, name)
                table, endpoint = self.config.chain(name), self.config.require_endpoint(name)
                self._sending[name] = SendingChain(
                    open_evm(name, table, endpoint.genesis_hash, signers, provider=self._own.get(name)),
                    opened.prover,
                    PricePolicy(table.max_fee_wei, table.priority_fee_wei),
                    poll_s=min(max(table.poll_interval_ms / 2_000, _LEAST_POLL_S), _MOST_POLL_S),
                )
        return self._sending[name]

    def _unlock(self, name: str) -> Sequence[Signer | ForeignAccount]:
        if self._signers is not None:
            return self._signers.get(name, ())
        keys, chain = self.config.keys, self.config.chain(name)
        key = chain.sender or (chain.keys[0] if chain.keys else None)
        if key is None:
            raise ConfigError(
                f"no key to send with on {name}",
                f"chains.{name}.sender or chains.{name}.keys",
                "Make one with `postroad keys new sender`, and name it.",
            )
        file = None if keys.password_file is None else self.config.resolve(keys.password_file)
        password = read_password(variable=keys.password_env, file=file)
        return (KeyStore(self.config.keys_directory).unlock(key, password),)

    def _open_journal(self) -> Journal | None:
        """The journal of a relayer that uses the same configuration, if there is one; to be read only."""
        from relayer.journal.errors import JournalUnreadable
        from relayer.journal.store import Journal

        try:
            return Journal.open(self.config.journal_url.reveal(), read_only=True)
        except (JournalUnreadable, ConfigError):
            return None

    def _import_trust(self, opened: OpenChain) -> None:
        """Begin from what our relayer has verified since the bootstrap,
        so that an old bootstrap still serves.
        """
        if self._journal is None:
            return
        with self._journal.reading() as reading:
            for stored in reading.chains():
                if stored.endpoint_id == opened.chain.endpoint_id and stored.trusted_state is not None:
                    opened.prover.import_state(stored.trusted_state)

    def _ready_names(self) -> list[str]:
        return [name for name, item in self.config.chains.items() if not item.missing]

    def _lane_of(self, lane_id: bytes) -> Lane | None:
        assert self._journal is not None
        with self._journal.reading() as reading:
            return next((lane.lane for lane in reading.lanes() if lane.lane.id == lane_id), None)

    def _guess_lane(self, source: str, sent: SentMessage) -> Lane | None:
        """The lane whose id the message names: its parts aren't in the log, but there are few candidates."""
        channels = {PUBLIC_CHANNEL, *(lane.channel_bytes for lane in self.config.served_lanes())}
        for name in self._ready_names():
            for channel in channels:
                lane = Lane(self._open(source).chain.endpoint_id, self._open(name).chain.endpoint_id, channel)
                if lane.id == sent.message.lane_id:
                    return lane
        return None

    def _to_message(self, sent: SentMessage, lane: Lane | None) -> RoadMessage | None:
        if lane is None:
            return None
        by_id = {self._open(name).chain.endpoint_id: name for name in self._ready_names()}
        source, destination = by_id.get(lane.source), by_id.get(lane.destination)
        if source is None or destination is None:
            return None
        return RoadMessage(sent, lane, self._open(source), self._open(destination), self._journal)

    async def _deadline(self, destination: OpenChain, seconds: float) -> int:
        """A deadline counts by the destination's clock, which may differ from ours."""
        return (await destination.chain.head()).timestamp + max(1, round(seconds))


async def _find_in(chain: Chain, receipt: TxReceipt) -> SentMessage:
    for sent in await chain.sent_messages(receipt.block_number, receipt.block_number):
        if sent.tx_hash == receipt.tx_hash:
            # The provider altered the fields, so this id belongs to no message that was sent.
            if sent.message.id != sent.claimed_id:
                break
            return sent
    raise NotFoundYet(
        f"the logs of block {receipt.block_number} of {chain.name} don't show the message of 0x{receipt.tx_hash.hex()}",
        "MessageAppended of the configured gateway",
        "It was sent; another provider may show it.",
    )
