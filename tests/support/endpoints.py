# SPDX-License-Identifier: MIT
"""Two local chains with real gateways and light clients, joined both ways, with EvmChain and BftProver."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from light_clients.client import Height, Timestamp
from light_clients.codec import rlp
from light_clients.hashing import keccak256
from relayer.chains.base import Address, Call, GasPrice, TxReceipt
from relayer.chains.evm import abi
from relayer.chains.evm.chain import EvmChain, EvmSettings
from relayer.chains.rpc_provider import ProviderUrls
from relayer.consensus.bft.config import PROTOCOLS
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.bft.prover import BftBootstrap, BftProver
from relayer.contracts import load
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.keys import Key
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane
from tests.support.devnet import ON_DEMAND

GWEI = 10**9
NOBODY = Address(bytes(20))
TRUSTING_PERIOD_S = 86_400
MAX_CLOCK_DRIFT_S = 600
LIMITS = (200_000, 2_000_000, 24_576)

Consensus = Literal["qbft", "ibft2"]


@dataclass
class Site:
    """A local chain with an endpoint on it.

    `client` is its light client of the other chain, `recipient` a Doorbell.
    """

    local: LocalBftChain
    chain: EvmChain
    prover: BftProver
    bootstrap: BftBootstrap
    client: Address = NOBODY
    recipient: Address = NOBODY

    async def transact(self, to: bytes, data: bytes, gas: int | None = None) -> TxReceipt:
        """Send a transaction, mine it, and return its receipt."""
        sender, call = self.chain.senders[0], Call(Address(to), data)
        (nonce,) = await self.chain.count_transactions(sender, pending=True)
        market = await self.chain.market()
        price = GasPrice(2 * (market.base_fee_wei or 0) + GWEI, GWEI)
        limit = await self.chain.estimate(call, sender) if gas is None else gas
        signed = self.chain.sign(sender, nonce, call, limit, price)
        assert (await self.chain.offer(signed.raw)).is_taken
        for _ in range(50):
            await self.local.mine()
            receipt = await self.chain.receipt(signed.tx_hash)
            if receipt is not None:
                return receipt
        raise AssertionError("the transaction is not included after 50 blocks")

    async def create(self, code: bytes) -> Address:
        """Deploy a contract with the first key."""
        sender = self.chain.senders[0]
        (nonce,) = await self.chain.count_transactions(sender)
        address = create_address(sender, nonce)
        receipt = await self.transact(b"", code)
        assert receipt.succeeded
        return address

    async def send(
        self,
        other: Site,
        payload: bytes,
        *,
        to: bytes | None = None,
        gas_limit: int | None = None,
        deadline: int | None = None,
        channel: bytes | None = None,
    ) -> TxReceipt:
        """Send a message to a contract on the other chain."""
        recipient = InteropAddress.evm(other.local.chain_id, to if to is not None else other.recipient)
        attributes = abi.encode_attributes(gas_limit=gas_limit, deadline=deadline, channel=channel)
        data = abi.encode_send_message(recipient.to_bytes(), payload, attributes)
        return await self.transact(self.chain.gateway, data, 500_000)

    def lane_to(self, other: Site, channel: bytes = PUBLIC_CHANNEL) -> Lane:
        """Return the lane from here to the other chain."""
        return Lane(self.chain.endpoint_id, other.chain.endpoint_id, channel)


def create_address(sender: bytes, nonce: int) -> Address:
    """Return the address that CREATE gives a contract."""
    return Address(keccak256(rlp.encode([sender, rlp_int(nonce)]))[12:])


def rlp_int(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


async def open_site(
    name: str,
    consensus: Consensus,
    validators: int = 4,
    *,
    providers: Sequence[ProviderUrls] | None = None,
    keys: int = 1,
    options: ChainOptions = ON_DEMAND,
) -> Site:
    """Start a chain with blocks on demand and deploy AccessManager and Gateway."""
    local = LocalBftChain(name, options, protocol=PROTOCOLS[consensus], validators=validators)
    await local.start()
    try:
        signers = [Key(f"key{index}", local.funded_keys[index].secret) for index in range(keys)]
        settings = EvmSettings(
            name=name,
            chain_id=local.chain_id,
            gateway=create_address(signers[0].address, 1),
            genesis_hash=local.genesis_hash,
            providers=tuple(providers or [ProviderUrls(local.http_url, local.ws_url)]),
        )
        chain = EvmChain(settings, signers)
        block = await chain.block(Height(1))
        bootstrap = BftBootstrap(
            PROTOCOLS[consensus],
            local.validators,
            Height(1),
            Timestamp(int(block["timestamp"], 16)),
            TRUSTING_PERIOD_S,
            MAX_CLOCK_DRIFT_S,
        )
        site = Site(local, chain, BftProver(chain, bootstrap), bootstrap)
        manager = await site.create(load("AccessManager").encode_creation(signers[0].address))
        gateway = await site.create(load("Gateway").encode_creation(manager, settings.genesis_hash))
        assert gateway == settings.gateway
        await chain.check_gateway()
        site.recipient = await site.create(load("Doorbell").encode_creation(gateway))
    except BaseException:
        await local.stop()
        raise
    return site


async def register(here: Site, there: Site, consensus: Consensus) -> None:
    """Deploy a light client of `there` on `here`, and register the remote endpoint with it."""
    block = await there.chain.block(Height(1))
    client = load("BftLightClient").encode_creation(
        create_address(here.chain.senders[0], 0),
        *PROTOCOLS[consensus].arguments(),
        list(there.prover.validators),
        1,
        int(block["timestamp"], 16),
        TRUSTING_PERIOD_S,
        MAX_CLOCK_DRIFT_S,
    )
    here.client = await here.create(client)
    remote = InteropAddress.evm(there.local.chain_id, there.chain.gateway).to_bytes()
    data = load("Gateway").encode_call(
        "registerRemote", remote, there.chain.settings.genesis_hash, here.client, LIMITS
    )
    receipt = await here.transact(here.chain.gateway, data)
    assert receipt.succeeded


@contextlib.asynccontextmanager
async def joined(
    first: Consensus = "qbft",
    second: Consensus = "ibft2",
    *,
    validators: int = 4,
    keys: int = 1,
    options: ChainOptions = ON_DEMAND,
) -> AsyncIterator[tuple[Site, Site]]:
    """Give two chains whose endpoints are registered with each other, and stop them in the end."""
    async with contextlib.AsyncExitStack() as stack:
        sites = []
        for name, consensus in (("alpha", first), ("beta", second)):
            site = await open_site(name, consensus, validators, keys=keys, options=options)
            stack.push_async_callback(site.local.stop)
            stack.push_async_callback(site.chain.close)
            sites.append(site)
        alpha, beta = sites
        await register(alpha, beta, second)
        await register(beta, alpha, first)
        yield alpha, beta
