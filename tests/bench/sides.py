# SPDX-License-Identifier: MIT
"""One endpoint of a stage: a chain that makes blocks on demand, its gateway, and how the other side comes to
believe it.

Keys are fixed by the chain's seed, so a run repeats the last one but for timestamps (a few zero bytes in
seals and hashes, some tens of gas).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from light_clients.bft.codec import encode_proof
from light_clients.bft.header import BftHeader
from light_clients.clique import codec as clique_codec
from light_clients.clique.header import CliqueHeader
from light_clients.clique.signers import majority
from light_clients.ethereum import codec
from light_clients.ethereum.params import EthereumParams, least_threshold
from light_clients.proofs import mpt
from relayer.consensus.ethereum.contract import encode_parameters
from relayer.contracts import Build, artifact
from relayer.keys import sign_transaction
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import endpoint_id

if TYPE_CHECKING:
    from light_clients.ethereum.containers import LightClientUpdate, SyncCommittee
    from relayer.consensus.bft.local.chain import LocalBftChain
    from relayer.consensus.clique.local.chain import LocalCliqueChain
    from relayer.consensus.ethereum.local.chain import LocalEthereumChain
    from relayer.protocol.message import EndpointId

TRUSTING_PERIOD_S = 86_400
#: More than a proof-of-stake chain on demand is behind the other, for its slots begin in the past.
CLOCK_DRIFT_S = 7_200
#: For transactions whose gas is measured: far above their need, below EIP-7825's cap.
GAS = 16_000_000
PRIORITY_FEE_WEI = 10**9
MAX_FEE_WEI = 100 * 10**9


@dataclass(frozen=True, slots=True)
class Proven:
    """A proof as the destination's client reads it, what it proves,
    and how many nodes account's and slot's path have.
    """

    proof: bytes
    value: bytes
    nodes: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Walked:
    """Trie nodes of an account and one of its slots, verified against a state root."""

    account: list[bytes]
    storage: list[bytes]
    value: bytes

    @property
    def nodes(self) -> tuple[int, int]:
        return len(self.account), len(self.storage)


class Side(ABC):
    """One endpoint: a chain with its gateway, and the key that pays for everything."""

    def __init__(self, chain: LocalBftChain | LocalCliqueChain | LocalEthereumChain) -> None:
        self.chain = chain
        self.gateway = b""
        self.authority = b""

    @abstractmethod
    async def deploy_client_on(self, other: Side) -> bytes:
        """Deploy a light client of this chain on the other, trusting what is newest; returns its address."""

    @abstractmethod
    async def prove(self, slot: bytes) -> Proven:
        """Prove a slot of the gateway at the newest block that a light client can believe;
        what was sent is in it.
        """

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
            **self._price,
            "value": 0,
            "data": data,
            **({} if to is None else {"to": to}),
        }
        raw, _ = sign_transaction(fields, account.secret)
        tx_hash = await self.chain.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        await self.chain.mine()
        receipt: dict[str, Any] = await self.chain.rpc("eth_getTransactionReceipt", tx_hash)
        if receipt["status"] != "0x1":
            raise AssertionError(f"transaction {tx_hash} on {self.chain.name} failed")
        return receipt

    @property
    def build(self) -> Build:
        """Which build of the contracts the chain runs."""
        return Build.BASELINE if self.chain.options.rules.hardfork == "berlin" else Build.CANCUN

    @property
    def _price(self) -> dict[str, int]:
        if self.chain.options.rules.legacy:
            return {"gasPrice": MAX_FEE_WEI}
        return {"maxFeePerGas": MAX_FEE_WEI, "maxPriorityFeePerGas": PRIORITY_FEE_WEI}

    async def create(self, name: str, *arguments: object) -> bytes:
        """Deploy a shipped contract, in the build that the chain runs."""
        receipt = await self.transact(None, artifact.load(name, self.build).encode_creation(*arguments))
        return bytes.fromhex(receipt["contractAddress"][2:])

    async def _walk(self, slot: bytes, number: int, state_root: bytes) -> _Walked:
        answer = await self.chain.rpc(
            "eth_getProof", "0x" + self.gateway.hex(), ["0x" + slot.hex()], hex(number)
        )
        account_nodes = [bytes.fromhex(node[2:]) for node in answer["accountProof"]]
        storage_nodes = [bytes.fromhex(node[2:]) for node in answer["storageProof"][0]["proof"]]
        account = mpt.verify_account(state_root, self.gateway, account_nodes)
        if account is None:
            raise AssertionError(f"the gateway has no account in block {number}")
        value = mpt.verify_storage(account.storage_root, slot, storage_nodes)
        return _Walked(account_nodes, storage_nodes, value)


class BftSide(Side):
    """A BFT chain."""

    chain: LocalBftChain

    def __init__(self, chain: LocalBftChain) -> None:
        super().__init__(chain)
        self._kind = chain.kinds

    async def deploy_client_on(self, other: Side) -> bytes:
        """See Side."""
        header = await self._header(self.chain.head.number)
        return await other.create(
            "BftLightClient",
            other.authority,
            *self._kind.arguments(),
            list(header.validators),
            header.number,
            header.timestamp,
            TRUSTING_PERIOD_S,
            CLOCK_DRIFT_S,
        )

    async def prove(self, slot: bytes) -> Proven:
        """See Side."""
        header = await self._header(self.chain.head.number)
        walked = await self._walk(slot, header.number, header.state_root)
        proof = encode_proof(walked.storage, walked.account, header, self.gateway, slot)
        return Proven(proof, walked.value, walked.nodes)

    async def _header(self, number: int) -> BftHeader:
        block = await self.chain.rpc("eth_getBlockByNumber", hex(number), False)
        return BftHeader.from_rpc(block, self._kind)


class CliqueSide(Side):
    """A Clique chain, believed by as many later blocks as a majority of its signers has members."""

    chain: LocalCliqueChain

    async def deploy_client_on(self, other: Side) -> bytes:
        """See Side."""
        header = await self._header(self.chain.head.number)
        return await other.create(
            "CliqueLightClient",
            other.authority,
            self.chain.epoch,
            0,
            list(self.chain.signers),
            header.number,
            header.timestamp,
            TRUSTING_PERIOD_S,
            CLOCK_DRIFT_S,
        )

    async def prove(self, slot: bytes) -> Proven:
        """See Side."""
        first = self.chain.head.number
        later = majority(len(self.chain.signers))
        await self.chain.mine(later)
        run = [await self._header(number) for number in range(first, first + later + 1)]
        walked = await self._walk(slot, first, run[0].state_root)
        believed = (self.chain.signers, run, self.chain.epoch)
        proof = clique_codec.encode_proof(walked.storage, walked.account, believed, self.gateway, slot)
        return Proven(proof, walked.value, walked.nodes)

    async def _header(self, number: int) -> CliqueHeader:
        return CliqueHeader.from_rpc(await self.chain.rpc("eth_getBlockByNumber", hex(number), False))


class PosSide(Side):
    """A proof-of-stake chain, believed by its sync committees once its blocks are final."""

    chain: LocalEthereumChain

    @property
    def params(self) -> EthereumParams:
        """Of the clients that are deployed of it."""
        network = self.chain.network
        threshold = least_threshold(network.preset.sync_committee_size)
        return EthereumParams.of(network, threshold, TRUSTING_PERIOD_S, CLOCK_DRIFT_S)

    async def deploy_client_on(self, other: Side) -> bytes:
        """See Side. The next committee is not known to it."""
        slot = self.chain.checkpoint.slot
        committee = self.chain.beacon.committee(self.chain.network.period_at(slot))
        return await other.create(
            "EthereumLightClient",
            other.authority,
            encode_parameters(self.params),
            slot,
            committee.hash_tree_root(),
            bytes(32),
        )

    async def prove(self, slot: bytes) -> Proven:
        """See Side."""
        await self.chain.advance_to_finality()
        signed = self.newest()
        walked = await self._walk_finalized(slot, signed[0])
        proof = codec.encode_proof(walked.storage, walked.account, signed, self.gateway, slot, self.params)
        return Proven(proof, walked.value, walked.nodes)

    async def prove_anchored(self, slot: bytes) -> Proven:
        """Prove a slot by the state root that `anchor` stored for what is newest now."""
        walked = await self._walk_finalized(slot, self.newest()[0])
        proof = codec.encode_proof(walked.storage, walked.account, None, self.gateway, slot, self.params)
        return Proven(proof, walked.value, walked.nodes)

    def newest(self) -> tuple[LightClientUpdate, SyncCommittee]:
        """The newest update that finalizes something, and the committee that signed it."""
        update = self.chain.beacon.newest_update()
        if update is None or not update.finality_branch:
            raise AssertionError(f"nothing is final on {self.chain.name}")
        return update, self.chain.beacon.committee(self.chain.network.period_at(update.signature_slot))

    async def _walk_finalized(self, slot: bytes, update: LightClientUpdate) -> _Walked:
        execution = update.finalized_header.execution
        assert execution is not None
        return await self._walk(slot, execution.block_number, execution.state_root)
