# SPDX-License-Identifier: MIT
"""A stage for exact figures: two local chains that make blocks on demand, joined, driven without the daemon.

Keys and seeds are fixed, so a run repeats the last one but for timestamps (a few zero bytes in seals and hashes, some
tens of gas).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eth_account import Account

from light_clients.bft.codec import encode_proof
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.client import Timestamp
from light_clients.proofs import mpt
from relayer.contracts import artifact
from relayer.devnet.chain import LocalChain
from relayer.protocol.batch import Batch, encode_batch
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import Lane, endpoint_id, heads_slot, page_of
from relayer.protocol.message import ZERO_HEAD, EndpointId, Message, Sequence, next_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TRUSTING_PERIOD_S = 86_400
CLOCK_DRIFT_S = 60
DEFAULT_GAS_LIMIT = 100_000
#: For transactions whose gas is measured: far above their need, below EIP-7825's cap.
GAS = 16_000_000
PRIORITY_FEE_WEI = 10**9
MAX_FEE_WEI = 100 * 10**9


@dataclass
class Side:
    """One endpoint: a chain with its gateway, and the key that pays for everything."""

    chain: LocalChain
    kind: BftKind
    gateway: bytes = b""
    authority: bytes = b""

    @property
    def interop(self) -> bytes:
        """The gateway's ERC-7930 bytes."""
        return InteropAddress.evm(self.chain.chain_id, self.gateway).to_bytes()

    @property
    def id(self) -> EndpointId:
        """The endpoint's id."""
        return endpoint_id(self.interop, self.chain.genesis_hash)

    async def transact(
        self, to: bytes | None, data: bytes, *, key: int = 0, gas: int = GAS
    ) -> dict[str, Any]:
        """Send a transaction, make a block, return the receipt. Raises AssertionError when it failed."""
        account = self.chain.funded_keys[key]
        count = await self.chain.rpc("eth_getTransactionCount", account.address_text, "pending")
        fields: dict[str, Any] = {
            "chainId": self.chain.chain_id,
            "nonce": int(count, 16),
            "gas": gas,
            "maxFeePerGas": MAX_FEE_WEI,
            "maxPriorityFeePerGas": PRIORITY_FEE_WEI,
            "value": 0,
            "data": data,
            **({} if to is None else {"to": to}),
        }
        signed = Account.sign_transaction(fields, account.secret)
        tx_hash = await self.chain.rpc("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
        await self.chain.mine()
        receipt: dict[str, Any] = await self.chain.rpc("eth_getTransactionReceipt", tx_hash)
        if receipt["status"] != "0x1":
            raise AssertionError(f"transaction {tx_hash} on {self.chain.name} failed")
        return receipt

    async def create(self, name: str, *arguments: object) -> bytes:
        """Deploy a shipped contract."""
        receipt = await self.transact(None, artifact.load(name).encode_creation(*arguments))
        return bytes.fromhex(receipt["contractAddress"][2:])

    async def call(self, name: str, to: bytes, function: str, *arguments: object) -> Any:
        """Read from a contract."""
        contract = artifact.load(name)
        data = contract.encode_call(function, *arguments)
        answer = await self.chain.rpc(
            "eth_call", {"to": "0x" + to.hex(), "data": "0x" + data.hex()}, "latest"
        )
        return contract.decode_result(function, bytes.fromhex(answer[2:]))

    async def header(self, number: int | None = None) -> BftHeader:
        """A header of the chain, the newest unless one is named."""
        block = await self.chain.rpc(
            "eth_getBlockByNumber",
            hex(self.chain.head.number if number is None else number),
            False,
        )
        return BftHeader.from_rpc(block, self.kind)


@dataclass
class Stage:
    """Two joined endpoints and the lane from the first to the second, with what was sent on it."""

    source: Side
    destination: Side
    recipient: bytes = b""
    sent: list[Message] = field(default_factory=list)

    @property
    def lane(self) -> Lane:
        """The public lane."""
        return Lane(self.source.id, self.destination.id)

    @property
    def recipient_interop(self) -> bytes:
        """The recipient's ERC-7930 bytes."""
        return InteropAddress.evm(self.destination.chain.chain_id, self.recipient).to_bytes()

    async def send(self, payload: bytes) -> int:
        """Send one message from the first funded account; returns the transaction's gas."""
        data = artifact.load("Gateway").encode_call("sendMessage", self.recipient_interop, payload, [])
        receipt = await self.source.transact(self.source.gateway, data)
        self.sent.append(
            Message(
                lane_id=self.lane.id,
                sequence=Sequence(len(self.sent)),
                sender=bytes(12) + self.source.chain.funded_keys[0].address,
                recipient=bytes(12) + self.recipient,
                gas_limit=DEFAULT_GAS_LIMIT,
                deadline=0,
                fee_wei=0,
                payload=payload,
            )
        )
        return int(receipt["gasUsed"], 16)

    async def encode_delivery(self, first: int) -> tuple[bytes, bytes, tuple[int, int]]:
        """Encode batch and proof for all messages from a sequence to the newest, at the source's head.

        Returns:
            batch, proof, and how many nodes the account's and the slot's path have.
        """
        messages = tuple(self.sent[first:])
        previous = ZERO_HEAD
        for message in self.sent[:first]:
            previous = next_head(previous, message.id)
        batch = Batch(self.lane, previous, Sequence(first), messages)
        slot = heads_slot(self.lane.id, page_of(batch.last))
        number = self.source.chain.head.number
        answer = await self.source.chain.rpc(
            "eth_getProof", "0x" + self.source.gateway.hex(), ["0x" + slot.hex()], hex(number)
        )
        account_nodes = [bytes.fromhex(node[2:]) for node in answer["accountProof"]]
        storage_nodes = [bytes.fromhex(node[2:]) for node in answer["storageProof"][0]["proof"]]
        header = await self.source.header(number)
        account = mpt.verify_account(header.state_root, self.source.gateway, account_nodes)
        if (
            account is None
            or mpt.verify_storage(account.storage_root, slot, storage_nodes) != batch.compute_head()
        ):
            raise AssertionError("the source's proof does not show the head of what was sent")
        proof = encode_proof(storage_nodes, account_nodes, header, self.source.gateway, slot)
        return encode_batch(batch), proof, (len(account_nodes), len(storage_nodes))

    async def deliver(self, batch: bytes, proof: bytes, expected: int) -> int:
        """Deliver; returns the transaction's gas. Raises AssertionError unless `expected` messages were executed."""
        data = artifact.load("Gateway").encode_call("deliver", batch, proof)
        receipt = await self.destination.transact(self.destination.gateway, data)
        topic = "0x" + artifact.load("Gateway").event_topic("Delivered").hex()
        masks = [int(log["data"][-64:], 16) for log in receipt["logs"] if log["topics"][0] == topic]
        executed = sum(mask.bit_count() for mask in masks)
        if executed != expected:
            raise AssertionError(f"{executed} messages executed, expected {expected}")
        return int(receipt["gasUsed"], 16)


@asynccontextmanager
async def open_stage(
    *, source_kind: str, validators: int, seed: str, accounts: int = 10, recipient: str = "Doorbell"
) -> AsyncIterator[Stage]:
    """Start both chains, deploy and join them.

    Args:
        source_kind: "qbft" or "ibft2".
        validators: of the source.
        seed: names all keys, and so the shape of the tries.
        accounts: how many accounts the source has at least.
        recipient: the recipient's contract, constructed with its gateway.
    """
    number = int.from_bytes(seed.encode()).to_bytes(32)
    async with (
        LocalChain(
            "source", source_kind, validators=validators, block_time_s=None, seed=number, funded=accounts
        ) as one,
        LocalChain("destination", "qbft", validators=4, block_time_s=None, seed=number) as other,
    ):
        source, destination = Side(one, BftKind[source_kind.upper()]), Side(other, BftKind.QBFT)
        for side in (source, destination):
            admin = side.chain.funded_keys[0].address
            side.authority = await side.create("AccessManager", admin)
            side.gateway = await side.create("Gateway", side.authority, side.chain.genesis_hash)
        stage = Stage(source, destination)
        for here, there in ((source, destination), (destination, source)):
            header = await there.header()
            client = await here.create(
                "BftLightClient",
                here.authority,
                0 if there.kind is BftKind.QBFT else 1,
                list(header.validators),
                header.number,
                Timestamp(header.timestamp),
                TRUSTING_PERIOD_S,
                CLOCK_DRIFT_S,
            )
            data = artifact.load("Gateway").encode_call(
                "registerRemote",
                there.interop,
                there.chain.genesis_hash,
                client,
                (DEFAULT_GAS_LIMIT, 1_000_000, 10_000),
            )
            await here.transact(here.gateway, data)
        stage.recipient = await destination.create(recipient, destination.gateway)
        yield stage
