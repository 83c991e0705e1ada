# SPDX-License-Identifier: MIT
"""An EVM chain and its gateway: how to talk to it. Nothing that comes back is verified here (INV-5).

`checked_block`, `checked_blocks` and `checked_proof` take a `check` from whoever can verify. It runs
while it is still known whose answer it is: a provider whose answer is rejected loses health, and the
next one is asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from light_clients.client import Height
from light_clients.hashing import keccak256
from relayer.chains.base import (
    AccountProof,
    Address,
    Call,
    GasMarket,
    GasPrice,
    Head,
    LaneState,
    NodeAnswer,
    Offered,
    RemoteState,
    SentMessage,
    SignedTransaction,
    SimulatedDelivery,
    TxHash,
    TxReceipt,
)
from relayer.chains.evm import abi
from relayer.chains.evm.events import parse_bytes, parse_quantity
from relayer.chains.evm.heads import HeadFeed
from relayer.chains.evm.market import GasMarketReader
from relayer.chains.evm.probe import make_probe
from relayer.chains.evm.refusals import classify
from relayer.chains.evm.reverts import from_refusal
from relayer.chains.evm.rpc_types import (
    BlockHead,
    ProofAnswer,
    ReceiptAnswer,
    parse_block,
    parse_head,
    parse_proof,
    parse_receipt,
)
from relayer.chains.evm.sent import SentMessages
from relayer.chains.evm.signed import read_call
from relayer.chains.evm.signers import ForeignAccount, Signer
from relayer.chains.evm.tx import TransactionSigner
from relayer.chains.rpc_pool import (
    DEFAULT_LIMITS,
    Answer,
    OnRpcError,
    ProviderHealth,
    RpcPool,
    is_method_missing,
)
from relayer.chains.rpc_provider import OwnProvider, ProviderUrls, RpcLimits
from relayer.errors import (
    ChainUnavailable,
    ConfigError,
    RpcAnswerInvalid,
    RpcRefused,
)
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import endpoint_id
from relayer.protocol.message import LaneId

T = TypeVar("T")

_LATEST: Final = "latest"
#: Room for state that moves between the estimate and the block.
_ESTIMATE_NUMERATOR: Final = 5
_ESTIMATE_DENOMINATOR: Final = 4


@dataclass(frozen=True, slots=True)
class EvmSettings:
    """What has to be known of a chain to talk to it.

    Attributes:
        name: for people.
        chain_id: EIP-155 number.
        gateway: 20 bytes; zero before an endpoint is deployed.
        genesis_hash: 32 bytes; providers with another genesis block are excluded. Zero: not known
            yet, not compared.
        providers: their URLs, or connections to them, the preferred one first.
        poll_interval_s: how often to ask for the newest head where no websocket tells it.
        max_log_range: blocks in one `eth_getLogs`, to begin with.
        max_transaction_gas: the most gas of one transaction (EIP-7825).
        limits: what one provider may cost us.
    """

    name: str
    chain_id: int
    gateway: Address
    genesis_hash: bytes
    providers: tuple[ProviderUrls | OwnProvider, ...]
    poll_interval_s: float = 1.0
    max_log_range: int = 2_000
    max_transaction_gas: int = 1 << 24
    limits: RpcLimits = DEFAULT_LIMITS


class EvmChain:
    """One EVM chain. Implements relayer.chains.base.Chain. One event loop owns it; `close` it.

    Args:
        settings: what has to be known of the chain.
        signers: unlocked keys, ours or eth-account's; without any, the chain can only be read. Raises
            KeyUnavailable for an object that is no key.
        on_rpc_error: is told of every failure of a provider.
    """

    def __init__(
        self,
        settings: EvmSettings,
        signers: Sequence[Signer | ForeignAccount] = (),
        on_rpc_error: OnRpcError | None = None,
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.gateway = settings.gateway
        address = InteropAddress.evm(settings.chain_id, settings.gateway)
        self.endpoint_id = endpoint_id(address.to_bytes(), settings.genesis_hash)
        self._on_rpc_error = on_rpc_error
        self._pool = RpcPool(
            settings.providers,
            limits=settings.limits,
            on_error=on_rpc_error,
            probe=make_probe(settings.name, settings.chain_id, settings.genesis_hash),
        )
        self._signer = TransactionSigner(settings.chain_id, signers)
        self._sent = SentMessages(
            self._pool,
            settings.gateway,
            address.chain_part,
            self._default_gas_limit,
            settings.max_log_range,
        )
        self._market = GasMarketReader(self._pool)

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        """Return what the healthiest provider answers to any method, decoded and not judged.

        Raises RpcRefused for a refusal, and ChainUnavailable.
        """
        return await self._pool.pass_on(method, params)

    # --- reading --------------------------------------------------------------------------------------------

    def heads(self) -> AsyncIterator[Head]:
        """Yield new heads, by websocket where there is one, by polling otherwise. They may repeat or lie."""
        feed = HeadFeed(self._pool.providers, self.head, self.settings.poll_interval_s, self._on_rpc_error)
        return feed.heads()

    async def head(self) -> Head:
        """Return the newest block that the healthiest provider knows."""

        def check(answer: BlockHead | None) -> Head:
            head = parse_head(answer)
            # Heads are read all the time, so that a price mostly costs no request of its own.
            if answer is not None:
                self._market.note(answer)
            return head

        return await self._pool.call(
            "eth_getBlockByNumber", [_LATEST, False], check, answer_type=BlockHead | None
        )

    async def block(self, number: Height) -> Mapping[str, Any]:
        """Return a block as JSON-RPC gives it, unverified and without its transactions."""
        return await self.checked_block(number, lambda block: block)

    async def checked_block(self, number: Height, check: Callable[[Mapping[str, Any]], T]) -> T:
        """Return what `check` makes of a block; where it raises Rejection, the next provider is asked."""
        return await self._pool.call(
            "eth_getBlockByNumber",
            [hex(number), False],
            lambda answer: check(parse_block(answer, number)),
            answer_type=dict[str, Any] | None,
        )

    async def blocks(self, numbers: Sequence[Height]) -> list[Mapping[str, Any]]:
        """Return several blocks of one provider, unverified, in as few requests as the limits allow."""
        return await self.checked_blocks(numbers, list)

    async def checked_blocks(
        self, numbers: Sequence[Height], check: Callable[[Sequence[Mapping[str, Any]]], T]
    ) -> T:
        """Return what `check` makes of several blocks, all of one provider.

        Where it raises Rejection, the next provider is asked for all of them.
        """
        calls = [("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
        return await self._pool.batch(
            calls,
            lambda answers: check(
                [parse_block(answer, number) for answer, number in zip(answers, numbers, strict=True)]
            ),
            answer_type=dict[str, Any] | None,
        )

    async def blocks_of_everyone(self, number: Height) -> list[tuple[str, Mapping[str, Any]]]:
        """Return one block as every provider tells it, with the provider's label.

        Providers that do not have the block, or fail, are left out. Two signed blocks of one height that
        differ are evidence of misbehaviour, so here every answer counts and not the healthiest one's alone.
        """
        answers = await self._pool.everyone("eth_getBlockByNumber", [hex(number), False])
        found: list[tuple[str, Mapping[str, Any]]] = []
        for answer in answers:
            if isinstance(answer, Answer) and isinstance(answer.value, dict):
                try:
                    found.append((answer.provider, parse_block(answer.value, number)))
                except RpcAnswerInvalid:
                    self._pool.blame(answer.provider)
        return found

    async def sent_messages(self, first: Height, last: Height) -> list[SentMessage]:
        """Return the messages that the gateway's logs show in blocks first..last, by block and log index."""
        return await self._sent.read(first, last)

    def doubt_logs(self, first: Height, last: Height) -> None:
        """Charge the providers whose logs of these blocks were not the whole truth."""
        self._sent.doubt(first, last)

    async def proof(self, account: Address, slots: Sequence[bytes], number: Height) -> AccountProof:
        """Return `eth_getProof` at a block, unverified; slots are 32 bytes."""
        return await self.checked_proof(account, slots, number, lambda proof: proof)

    async def checked_proof(
        self,
        account: Address,
        slots: Sequence[bytes],
        number: Height,
        check: Callable[[AccountProof], T],
    ) -> T:
        """Return what `check` makes of a proof; where it raises Rejection, the next provider is asked."""
        return await self._pool.call(
            "eth_getProof",
            ["0x" + account.hex(), ["0x" + slot.hex() for slot in slots], hex(number)],
            lambda answer: check(parse_proof(answer, slots)),
            answer_type=ProofAnswer | None,
        )

    # --- the gateway ----------------------------------------------------------------------------------------

    async def lane(self, lane_id: LaneId, number: Height | None = None) -> LaneState:
        """Return what the outbox says of an outgoing lane, at a block or at the head."""
        return abi.decode_lane(await self._read_lane(lane_id, number))

    async def remote(self, endpoint_id: bytes) -> RemoteState | None:
        """Return what the gateway has registered for a remote endpoint; None when it knows none."""
        return abi.decode_remote(await self._ask_gateway(abi.REMOTE + endpoint_id))

    async def delivered_bitmap(self, lane_id: LaneId, page: int) -> int:
        """Return the delivered bitmap of a page at the head, unproven: bit i is sequence 256 * page + i."""
        data = await self._ask_gateway(abi.DELIVERED_BITMAP + lane_id + abi.encode_word(page))
        return abi.decode_words(data, 1, "delivered's answer")[0]

    async def simulate_deliver(
        self, sender: Address, batch: bytes, proof: bytes, gas: int
    ) -> SimulatedDelivery:
        """Simulate `deliver` with a gas bound, at the head. Raises CallReverted with the decoded reason."""
        data = await self._call(self.deliver_call(batch, proof, gas), None, sender)
        return abi.decode_simulated(data)

    def deliver_call(self, batch: bytes, proof: bytes, gas: int) -> Call:
        """Return the call that `simulate_deliver` simulates."""
        return Call(self.gateway, abi.encode_deliver(batch, proof), gas)

    async def call(self, call: Call, number: Height | None = None) -> bytes:
        """Return what a call answers, at a block or at the head. Raises CallReverted."""
        return await self._call(call, number, None)

    # --- transactions ---------------------------------------------------------------------------------------

    @property
    def senders(self) -> tuple[Address, ...]:
        """The accounts that sign here."""
        return self._signer.senders

    def sign(self, sender: Address, nonce: int, call: Call, gas: int, price: GasPrice) -> SignedTransaction:
        """Sign a call; nothing is asked, and no nonce is taken. Raises KeyUnavailable."""
        return self._signer.sign(sender, nonce, call, gas, price)

    def read_call(self, raw: bytes) -> Call | None:
        """Return the call of a signed transaction; None for bytes that are none of type 0 or 2."""
        return read_call(raw)

    async def estimate(self, call: Call, sender: Address) -> int:
        """Return the gas that a transaction needs, with a margin. Raises CallReverted."""
        found = await self._revertible("eth_estimateGas", [_to_rpc(call, sender)], parse_quantity)
        most = self.settings.max_transaction_gas
        # The margin ends at the most that one transaction may have (EIP-7825). A higher estimate is kept.
        return min(found * _ESTIMATE_NUMERATOR // _ESTIMATE_DENOMINATOR, max(most, found))

    async def market(self) -> GasMarket:
        """Return what gas costs now, as a provider says. Raises ChainUnavailable."""
        return await self._market.read()

    async def offer(self, raw: bytes) -> Offered:
        """Hand signed bytes to all providers, and return when one has them or all have answered."""
        tx_hash = "0x" + keccak256(raw).hex()

        def check(answer: str) -> str:
            if answer.lower() != tx_hash:
                raise RpcAnswerInvalid(f"the transaction {answer[:66]}", f"{tx_hash}, which was offered")
            return answer

        told = await self._pool.race(
            "eth_sendRawTransaction", ["0x" + raw.hex()], check, lambda _: True, answer_type=str
        )
        answers: list[NodeAnswer] = []
        unreachable: list[str] = []
        for provider, answer in told:
            if isinstance(answer, Answer):
                answers.append(NodeAnswer(provider, None))
            elif isinstance(answer, RpcRefused) and not is_method_missing(answer):
                refusal = classify(answer.code, answer.message)
                answers.append(NodeAnswer(provider, refusal, "" if refusal is None else answer.message))
            else:
                # A node without the method says nothing of the transaction.
                text = str(answer)
                unreachable.append(text if text.startswith(provider) else f"{provider}: {text}")
        return Offered(tuple(answers), tuple(unreachable))

    async def receipt(self, tx_hash: TxHash, *, ask_all: bool = False) -> TxReceipt | None:
        """Return the decoded receipt of a transaction; None while it is not included.

        With `ask_all`, all providers are asked, and the first receipt counts.
        """
        if ask_all:
            return await self._receipt_of_anyone(tx_hash)
        return await self._pool.call(
            "eth_getTransactionReceipt",
            ["0x" + tx_hash.hex()],
            lambda answer: parse_receipt(answer, tx_hash, self.gateway),
            answer_type=ReceiptAnswer | None,
        )

    async def count_transactions(self, sender: Address, *, pending: bool = False) -> tuple[int, ...]:
        """Return an account's transaction count as every provider that answers has it."""
        params = ["0x" + sender.hex(), "pending" if pending else _LATEST]
        told = await self._pool.race(
            "eth_getTransactionCount", params, parse_quantity, lambda _: False, answer_type=str
        )
        return tuple(answer.value for _, answer in told if isinstance(answer, Answer))

    async def check_gateway(self) -> None:
        """Raise ConfigError unless the gateway's own endpoint id is the one that the settings give."""
        found = await self._ask_gateway(abi.ENDPOINT_ID)
        if found != self.endpoint_id:
            raise ConfigError(
                f"no gateway of this endpoint at 0x{self.gateway.hex()} (it says {found[:32].hex() or 'nothing'})",
                f"endpoint 0x{self.endpoint_id.hex()}",
                "Correct the chain's gateway, genesis_hash or chain id",
            )

    async def balance(self, account: Address) -> int:
        """Return an account's balance in wei."""
        params = ["0x" + account.hex(), _LATEST]
        return await self._pool.call("eth_getBalance", params, parse_quantity, answer_type=str)

    async def code(self, account: Address) -> bytes:
        """Return the code of an account; empty when there is none."""
        params = ["0x" + account.hex(), _LATEST]
        return await self._pool.call("eth_getCode", params, parse_bytes, answer_type=str)

    # --- upkeep ---------------------------------------------------------------------------------------------

    @property
    def provider_count(self) -> int:
        """How many providers there are, which could contradict one another."""
        return len(self._pool.providers)

    def health(self) -> tuple[ProviderHealth, ...]:
        """Return how well each provider does, in the configured order."""
        return self._pool.health()

    async def close(self) -> None:
        """Close connections; idempotent."""
        await self._pool.close()

    async def _read_lane(self, lane_id: LaneId, number: Height | None) -> bytes:
        return await self._ask_gateway(abi.OUTBOUND_LANE + lane_id, number)

    async def _default_gas_limit(self, lane_id: LaneId, number: Height | None) -> int:
        return abi.decode_default_gas_limit(await self._read_lane(lane_id, number))

    async def _ask_gateway(self, data: bytes, number: Height | None = None) -> bytes:
        return await self._call(Call(self.gateway, data), number, None)

    async def _call(self, call: Call, number: Height | None, sender: Address | None) -> bytes:
        at = _LATEST if number is None else hex(number)
        return await self._revertible("eth_call", [_to_rpc(call, sender), at], parse_bytes)

    async def _receipt_of_anyone(self, tx_hash: TxHash) -> TxReceipt | None:
        told = await self._pool.race(
            "eth_getTransactionReceipt",
            ["0x" + tx_hash.hex()],
            lambda answer: parse_receipt(answer, tx_hash, self.gateway),
            lambda receipt: receipt is not None,
            answer_type=ReceiptAnswer | None,
        )
        values = [answer.value for _, answer in told if isinstance(answer, Answer)]
        if not values:
            texts = "; ".join(str(answer) for _, answer in told)
            raise ChainUnavailable(f"no provider says whether a transaction is included: {texts}")
        return next((receipt for receipt in values if receipt is not None), None)

    async def _revertible(self, method: str, params: list[Any], check: Callable[[str], T]) -> T:
        try:
            return await self._pool.call(method, params, check, answer_type=str)
        except RpcRefused as error:
            reverted = from_refusal(error)
            if reverted is None:
                raise
            raise reverted from None


def _to_rpc(call: Call, sender: Address | None) -> dict[str, str]:
    fields = {"data": "0x" + call.data.hex()}
    if call.to:
        fields["to"] = "0x" + call.to.hex()
    if sender is not None:
        fields["from"] = "0x" + sender.hex()
    if call.gas is not None:
        fields["gas"] = hex(call.gas)
    if call.value_wei:
        fields["value"] = hex(call.value_wei)
    return fields
