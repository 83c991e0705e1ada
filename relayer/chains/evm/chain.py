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
from relayer.chains.evm.fees import FeePolicy
from relayer.chains.evm.heads import HeadFeed
from relayer.chains.evm.market import GasMarketReader
from relayer.chains.evm.nonces import poor_error
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
from relayer.chains.evm.tx import Transactions, is_known, is_nonce_taken, is_underpriced, is_unfunded
from relayer.chains.rpc_pool import (
    DEFAULT_LIMITS,
    Answer,
    OnRpcError,
    ProviderHealth,
    RpcPool,
    is_method_missing,
)
from relayer.chains.rpc_provider import ProviderUrls, RpcLimits
from relayer.errors import (
    ChainUnavailable,
    ConfigError,
    NonceConflict,
    RpcAnswerInvalid,
    RpcRefused,
    Underpriced,
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
        providers: their URLs, the preferred one first.
        fees: the operator's limits.
        poll_interval_s: how often to ask for the newest head where no websocket tells it.
        max_log_range: blocks in one `eth_getLogs`, to begin with.
        max_transaction_gas: the most gas of one transaction (EIP-7825).
        limits: what one provider may cost us.
    """

    name: str
    chain_id: int
    gateway: Address
    genesis_hash: bytes
    providers: tuple[ProviderUrls, ...]
    fees: FeePolicy
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
            probe=make_probe(settings.chain_id, settings.genesis_hash),
        )
        self._transactions = Transactions(
            settings.chain_id, signers, settings.fees, lambda sender: self.nonce(sender, pending=True)
        )
        self._sent = SentMessages(
            self._pool,
            settings.gateway,
            address.chain_part,
            self._default_gas_limit,
            settings.max_log_range,
        )
        self._market = GasMarketReader(self._pool)

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
        return self._transactions.senders

    async def prepare(self, call: Call) -> SignedTransaction:
        """Take the next nonce of the least busy key and sign. Nothing is broadcast.

        Raises:
            FeeLimitReached: gas costs more than the operator allows; no nonce is taken.
            KeyUnavailable: no key is configured.
            CallReverted: the gas estimate fails; no nonce is taken.
        """
        base_fee_wei = await self._read_base_fee()
        gas = call.gas if call.gas is not None else await self._estimate(call, next(iter(self.senders), None))
        return await self._transactions.prepare(call, gas, base_fee_wei)

    async def replace(self, transaction: SignedTransaction, call: Call) -> SignedTransaction:
        """Sign another transaction of the same nonce at a higher price. Raises FeeLimitReached."""
        gas = call.gas if call.gas is not None else transaction.gas
        return self._transactions.replace(transaction, call, gas, await self._read_base_fee())

    def abandon(self, transaction: SignedTransaction) -> None:
        """Give back the nonce of a transaction that was never broadcast, so that no gap stays."""
        self._transactions.nonces.give_back(transaction.sender, transaction.nonce)

    async def broadcast(self, raw: bytes) -> None:
        """Hand signed bytes to all providers; one that takes them, or has them already, is enough.

        Raises:
            NonceConflict: another transaction took the nonce.
            Underpriced: the price is too low; `replace` the transaction.
            InsufficientFunds: the account cannot pay; others are preferred for a while.
            ChainUnavailable: no provider took the bytes.
        """
        # After a restart the journal's transactions come this way. Their nonces count as taken before
        # anything else is signed (INV-6).
        sender, nonce, tx_hash = self._transactions.adopt(raw)
        answers = await self._pool.everyone("eth_sendRawTransaction", ["0x" + raw.hex()])
        refusals = [answer for answer in answers if isinstance(answer, RpcRefused)]
        if any(isinstance(answer, Answer) for answer in answers) or any(map(is_known, refusals)):
            return
        if any(map(is_nonce_taken, refusals)):
            # A node that has included these very bytes says so of their nonce, too.
            if await self.receipt(tx_hash) is not None:
                return
            self._transactions.nonces.settle_below(sender, nonce + 1)
            raise NonceConflict(
                f"nonce {nonce} of 0x{sender.hex()} was used by another transaction",
                "a key that only this relayer uses",
                "Give each relayer its own key",
            )
        if any(map(is_underpriced, refusals)):
            raise Underpriced(str(refusals[0]), "a higher price")
        if any(map(is_unfunded, refusals)):
            self._transactions.nonces.mark_poor(sender)
            raise poor_error(sender, str(refusals[0]))
        texts = "; ".join(str(answer) for answer in answers)
        raise ChainUnavailable(f"no provider took the transaction: {texts}", "one that does")

    def sign(self, sender: Address, nonce: int, call: Call, gas: int, price: GasPrice) -> SignedTransaction:
        """Sign a call; nothing is asked, and no nonce is taken. Raises KeyUnavailable."""
        return self._transactions.sign(sender, nonce, call, gas, price)

    def read_call(self, raw: bytes) -> Call | None:
        """Return the call of a signed transaction; None for bytes that are none of type 0 or 2."""
        return read_call(raw)

    async def estimate(self, call: Call, sender: Address) -> int:
        """Return the gas that a transaction needs, with a margin. Raises CallReverted."""
        return await self._estimate(call, sender)

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
            found = await self._receipt_of_anyone(tx_hash)
        else:
            found = await self._pool.call(
                "eth_getTransactionReceipt",
                ["0x" + tx_hash.hex()],
                lambda answer: parse_receipt(answer, tx_hash, self.gateway),
                answer_type=ReceiptAnswer | None,
            )
        if found is not None:
            self._transactions.nonces.settle(tx_hash)
        return found

    async def nonce(self, sender: Address, *, pending: bool = False) -> int:
        """Return an account's transaction count: of included ones, or with those that are pending."""
        params = ["0x" + sender.hex(), "pending" if pending else _LATEST]
        count = await self._pool.call("eth_getTransactionCount", params, parse_quantity, answer_type=str)
        # A pending transaction may still be dropped, so only included ones settle a nonce.
        if not pending:
            self._transactions.nonces.settle_below(sender, count)
        return count

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

    def in_flight(self, sender: Address) -> int:
        """Return how many transactions of an account are not known to be included."""
        return self._transactions.nonces.in_flight(sender)

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

    async def _estimate(self, call: Call, sender: Address | None) -> int:
        found = await self._revertible("eth_estimateGas", [_to_rpc(call, sender)], parse_quantity)
        most = self.settings.max_transaction_gas
        # The margin ends at the most that one transaction may have (EIP-7825). A higher estimate is kept.
        return min(found * _ESTIMATE_NUMERATOR // _ESTIMATE_DENOMINATOR, max(most, found))

    async def _revertible(self, method: str, params: list[Any], check: Callable[[str], T]) -> T:
        try:
            return await self._pool.call(method, params, check, answer_type=str)
        except RpcRefused as error:
            reverted = from_refusal(error)
            if reverted is None:
                raise
            raise reverted from None

    async def _read_base_fee(self) -> int:
        found = await self._market.base_fee()
        if found is None:
            raise ChainUnavailable(
                "a block without baseFeePerGas", "a chain with Cancun's rules", "Older chains are not served"
            )
        return found


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
