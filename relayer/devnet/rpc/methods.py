# SPDX-License-Identifier: MIT
"""The methods that a local chain answers: what is not in the table can't leak anvil's hashes.

Three sorts: answered here, passed on untouched (neither parameters nor result ever hold a block hash), and
passed on with block parameters made numbers and block hashes in the result replaced. Where a chain has rules
of its own (`relayer.devnet.rules`), what its nodes would not serve is left out, and answers say what theirs
would.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from relayer.devnet.process.read_gate import ReadGate
from relayer.devnet.process.upstream import Upstream, UpstreamError
from relayer.devnet.rpc.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    SERVER_ERROR,
    RpcError,
    RpcRequest,
    result_of,
)
from relayer.devnet.rpc.logs import Filters, LogSource, flip_last_bit
from relayer.devnet.rpc.params import (
    NoSuchTagError,
    block_number,
    parse_bool_param,
    parse_hash_param,
    state_block,
)
from relayer.devnet.rpc.pool import Pool
from relayer.devnet.rpc.served_blocks import ServedBlocks
from relayer.devnet.rules import ChainRules
from relayer.devnet.state.faults import Faults, WrongProofs
from relayer.devnet.state.ledger import Ledger, NotSealedYet

Handler = Callable[[RpcRequest], Awaitable[bytes]]

PASSED_ON: Final = (
    "eth_gasPrice",
    "eth_maxPriorityFeePerGas",
    "eth_blobBaseFee",
    "web3_sha3",
    "txpool_status",
)
#: Where each of them takes its block.
STATE_METHODS: Final = {
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_createAccessList": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_getStorageAt": 2,
    "eth_feeHistory": 1,
}
#: What nodes don't serve that know no EIP-1559. GoQuorum is as old as to have no eth_getBlockReceipts either.
LONDON_METHODS: Final = (
    "eth_maxPriorityFeePerGas",
    "eth_feeHistory",
    "eth_blobBaseFee",
    "eth_getBlockReceipts",
)
#: What receipts have besides since London and Cancun.
_LONDON_RECEIPT_FIELDS: Final = ("effectiveGasPrice", "blobGasPrice", "blobGasUsed")


class Session(Protocol):
    """What a WebSocket adds: subscriptions of its own."""

    def subscribe(self, call: RpcRequest) -> bytes:
        """Return the answer to `eth_subscribe`."""
        ...

    def unsubscribe(self, call: RpcRequest) -> bytes:
        """Return the answer to `eth_unsubscribe`."""
        ...


class Methods:
    """The table of methods of one chain.

    Args:
        client: what `web3_clientVersion` names after `postroad-devnet/`.
        chain_id: EIP-155's.
        ledger: the chain's blocks.
        upstream: anvil.
        blocks: gives blocks to clients.
        logs: answers for logs.
        faults: of this server.
        pool: takes transactions.
        rules: of the chain.
        gate: keeps reads of the newest state and its change apart.
        mine: makes a block now, for `evm_mine`.
        block_methods: by the beginning of two methods' names, what such a chain tells of a block: with
            `"kind_getSigners"`, clients may ask kind_getSignersByBlockNumber and kind_getSignersByBlockHash.
    """

    def __init__(
        self,
        *,
        client: str,
        chain_id: int,
        ledger: Ledger[Any],
        upstream: Upstream,
        blocks: ServedBlocks[Any],
        logs: LogSource,
        faults: Faults,
        pool: Pool,
        rules: ChainRules,
        gate: ReadGate,
        mine: Callable[[], Awaitable[Any]],
        block_methods: Mapping[str, Callable[[Any], object]],
    ) -> None:
        self._ledger = ledger
        self._upstream = upstream
        self._blocks = blocks
        self._logs = logs
        self._faults = faults
        self._pool = pool
        self._rules = rules
        self._gate = gate
        self._mine = mine
        self._filters = Filters(logs, ledger, upstream)
        fixed: dict[str, Any] = {
            "eth_chainId": hex(chain_id),
            "net_version": str(chain_id),
            "net_listening": True,
            "net_peerCount": "0x0",
            "eth_syncing": False,
            "eth_accounts": [],
            "web3_clientVersion": rules.manners.client or f"postroad-devnet/{client}",
        }
        if rules.gas_price_wei is not None:
            fixed["eth_gasPrice"] = hex(rules.gas_price_wei)
        if rules.free:
            fixed["eth_maxPriorityFeePerGas"] = "0x0"
        self._table: dict[str, Handler] = dict.fromkeys(PASSED_ON, self._pass_on)
        self._table |= {name: self._fixed(value) for name, value in fixed.items()}
        self._table |= {name: self._at_state(index) for name, index in STATE_METHODS.items()}
        self._table |= {
            "eth_blockNumber": self._head,
            "eth_getProof": self._proof,
            "eth_getLogs": self._get_logs,
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockTransactionCountByNumber": self._at_block("eth_getBlockTransactionCountByNumber"),
            "eth_getBlockTransactionCountByHash": self._at_hash("eth_getBlockTransactionCountByNumber"),
            "eth_getTransactionByBlockNumberAndIndex": self._at_block(
                "eth_getTransactionByBlockNumberAndIndex"
            ),
            "eth_getTransactionByBlockHashAndIndex": self._at_hash("eth_getTransactionByBlockNumberAndIndex"),
            "eth_getBlockReceipts": self._at_block("eth_getBlockReceipts"),
            "eth_sendRawTransaction": pool.offer,
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionReceipt": self._receipt,
            "eth_newFilter": self._new_filter,
            "eth_newBlockFilter": self._new_block_filter,
            "eth_newPendingTransactionFilter": self._new_pending_filter,
            "eth_getFilterChanges": self._filters.changes,
            "eth_getFilterLogs": self._filters.logs,
            "eth_uninstallFilter": self._uninstall_filter,
            "evm_mine": self._evm_mine,
            "debug_getRawHeader": self._raw_header,
        }
        if rules.legacy:
            for name in LONDON_METHODS:
                del self._table[name]
        for name, tell in block_methods.items():
            self._table[f"{name}ByBlockNumber"] = self._of_own_block(tell, by_hash=False)
            self._table[f"{name}ByBlockHash"] = self._of_own_block(tell, by_hash=True)

    @property
    def names(self) -> frozenset[str]:
        """Every method that is answered over HTTP; WebSockets add eth_subscribe and eth_unsubscribe."""
        return frozenset(self._table)

    async def answer(self, call: RpcRequest, session: Session | None) -> bytes:
        """Return the whole answer to one call, errors included."""
        handler = self._table.get(call.method)
        try:
            if handler is not None:
                return await handler(call)
            if call.method == "eth_subscribe" and session is not None:
                return session.subscribe(call)
            if call.method == "eth_unsubscribe" and session is not None:
                return session.unsubscribe(call)
        except NoSuchTagError as error:
            no_tag = self._rules.manners.no_tag.format(index=STATE_METHODS.get(call.method, 0))
            return call.error(error.code, no_tag or error.message)
        except RpcError as error:
            return call.error(error.code, error.message)
        except NotSealedYet:
            return call.error(INTERNAL_ERROR, "the answer speaks of a block that is not sealed")
        except UpstreamError as error:
            return call.error(INTERNAL_ERROR, str(error))
        if call.method in {"eth_subscribe", "eth_unsubscribe"}:
            return call.error(METHOD_NOT_FOUND, f"{call.method} needs a WebSocket")
        return call.error(METHOD_NOT_FOUND, self._rules.manners.no_method.format(method=call.method[:80]))

    # --- answered here, or passed on as it is ---------------------------------------------------------------

    def _fixed(self, value: Any) -> Handler:
        encoded = msgspec.json.encode(value)

        async def handler(call: RpcRequest) -> bytes:
            return call.result(encoded)

        return handler

    async def _pass_on(self, call: RpcRequest) -> bytes:
        return await self._upstream.send(call.body)

    async def _head(self, call: RpcRequest) -> bytes:
        return call.result(b'"0x%x"' % call.head)

    async def _evm_mine(self, call: RpcRequest) -> bytes:
        if call.params:
            raise RpcError(
                INVALID_PARAMS, "evm_mine with parameters; expected none: time is the wall clock's here"
            )
        await self._mine()
        return call.result(b'"0x0"')

    # --- state ----------------------------------------------------------------------------------------------

    def _at_state(self, index: int) -> Handler:
        async def handler(call: RpcRequest) -> bytes:
            # The pool's view is the only thing of a block in the making that means something here.
            if call.method == "eth_getTransactionCount" and call.param(1) == b'"pending"':
                return await self._pending_count(call)
            return await self._read_state(call, index)

        return handler

    async def _pending_count(self, call: RpcRequest) -> bytes:
        answer = await self._pass_on(call)
        result = result_of(answer)
        if not self._rules.unpaid or result is None:
            return answer
        # anvil has read it: it is an address.
        sender = bytes.fromhex(msgspec.json.decode(call.params[0], type=str)[2:])
        count = self._pool.next_nonce(sender, int(msgspec.json.decode(result, type=str), 16))
        return call.result(b'"0x%x"' % count)

    async def _read_state(self, call: RpcRequest, index: int) -> bytes:
        if len(call.params) < index:
            raise RpcError(INVALID_PARAMS, f"{len(call.params)} parameters; expected at least {index}")
        number = state_block(call.param(index), call.head, self._ledger)
        params = [*call.params[:index], b'"0x%x"' % number, *call.params[index + 1 :]]
        request = call.request(call.method, *map(bytes, params))
        # An older state does not change any more, so that only reads of the newest one pass through the gate.
        if number < self._ledger.head.number:
            return await self._upstream.send(request)
        async with self._gate.reading():
            return await self._upstream.send(request)

    async def _proof(self, call: RpcRequest) -> bytes:
        answer = await self._read_state(call, 2)
        if self._faults and (fault := self._faults.take(WrongProofs)) is not None:
            result = result_of(answer)
            if result is not None:
                return call.result(_wrong_proof(result, fault))
        return answer

    # --- blocks ---------------------------------------------------------------------------------------------

    async def _block_by_number(self, call: RpcRequest) -> bytes:
        number = self._number(call)
        if number > call.head:
            return call.result(b"null")
        return call.result(await self._blocks.by_number(number, full=parse_bool_param(call.param(1))))

    async def _block_by_hash(self, call: RpcRequest) -> bytes:
        block_hash = parse_hash_param(call.param(0))
        if (self._ledger.number_of(block_hash) or 0) > call.head:
            return call.result(b"null")
        return call.result(await self._blocks.by_hash(block_hash, full=parse_bool_param(call.param(1))))

    def _at_block(self, method: str) -> Handler:
        async def handler(call: RpcRequest) -> bytes:
            return await self._of_block(call, method, self._number(call))

        return handler

    def _at_hash(self, method: str) -> Handler:
        async def handler(call: RpcRequest) -> bytes:
            number = self._ledger.number_of(parse_hash_param(call.param(0)))
            return await self._of_block(call, method, call.head + 1 if number is None else number)

        return handler

    async def _of_block(self, call: RpcRequest, method: str, number: int) -> bytes:
        if number > call.head:
            return call.result(b"null")
        request = call.request(method, b'"0x%x"' % number, *map(bytes, call.params[1:]))
        return self._ledger.rewrite(await self._upstream.send(request))

    def _number(self, call: RpcRequest) -> int:
        if call.param(0) is None:
            raise RpcError(INVALID_PARAMS, f"{call.method} without a block; expected it as first parameter")
        return block_number(call.param(0), call.head, self._ledger)

    async def _raw_header(self, call: RpcRequest) -> bytes:
        rlp = self._blocks.header_rlp(self._checked_number(call))
        if rlp is None:
            raise RpcError(SERVER_ERROR, "headers of this chain have no RLP")
        return call.result(b'"0x%b"' % rlp.hex().encode())

    def _of_own_block(self, tell: Callable[[Any], object], *, by_hash: bool) -> Handler:
        async def handler(call: RpcRequest) -> bytes:
            if by_hash:
                parse_hash_param(call.param(0))
            block = self._ledger.at(self._checked_number(call))
            assert block is not None
            return call.result(msgspec.json.encode(tell(block)))

        return handler

    def _checked_number(self, call: RpcRequest) -> int:
        number = self._number(call)
        if number > call.head:
            raise RpcError(SERVER_ERROR, f"unknown block {number}: the head is {call.head}")
        return number

    # --- transactions ---------------------------------------------------------------------------------------

    async def _transaction(self, call: RpcRequest) -> bytes:
        if self._rules.unpaid and (unpaid := self._pool.unpaid(parse_hash_param(call.param(0)))) is not None:
            return call.result(msgspec.json.encode(unpaid.pending()))
        answer = await self._pass_on(call)
        try:
            return self._ledger.rewrite(answer)
        except NotSealedYet:
            # anvil has executed a block that is not sealed yet. Until it is, a node would call the
            # transaction pending (ADR 0003).
            result = result_of(answer)
            assert result is not None
            fields = msgspec.json.decode(result, type=dict[str, msgspec.Raw])
            waiting = dict.fromkeys(("blockHash", "blockNumber", "transactionIndex"), msgspec.Raw(b"null"))
            fields.pop("blockTimestamp", None)
            return call.result(msgspec.json.encode(fields | waiting))

    async def _receipt(self, call: RpcRequest) -> bytes:
        answer = await self._pass_on(call)
        try:
            answer = self._ledger.rewrite(answer)
        except NotSealedYet:
            return call.result(b"null")
        result = result_of(answer)
        if not self._rules.legacy or result in {None, b"null"}:
            return answer
        fields = msgspec.json.decode(result, type=dict[str, Any])
        kept = {name: value for name, value in fields.items() if name not in _LONDON_RECEIPT_FIELDS}
        return call.result(msgspec.json.encode({**kept, **self._rules.manners.receipt}))

    # --- logs and filters -----------------------------------------------------------------------------------

    async def _get_logs(self, call: RpcRequest) -> bytes:
        return await self._logs.answer(call, self._logs.read(call.param(0), call.head))

    async def _new_filter(self, call: RpcRequest) -> bytes:
        return call.result(msgspec.json.encode(self._filters.add_logs(call.param(0), call.head)))

    async def _new_block_filter(self, call: RpcRequest) -> bytes:
        return call.result(msgspec.json.encode(self._filters.add_blocks(call.head)))

    async def _new_pending_filter(self, call: RpcRequest) -> bytes:
        return call.result(msgspec.json.encode(await self._filters.add_pending(call.head)))

    async def _uninstall_filter(self, call: RpcRequest) -> bytes:
        return call.result(msgspec.json.encode(self._filters.remove(call.param(0))))


def _wrong_proof(result: bytes, fault: WrongProofs) -> bytes:
    proof = msgspec.json.decode(result)
    match fault.how:
        case "node":
            if proof["accountProof"]:
                proof["accountProof"][-1] = flip_last_bit(proof["accountProof"][-1])
        case "short":
            proof["accountProof"] = proof["accountProof"][:-1]
        case "storage":
            for slot in proof["storageProof"]:
                if slot["proof"]:
                    slot["proof"][-1] = flip_last_bit(slot["proof"][-1])
        case "value":
            for slot in proof["storageProof"]:
                slot["value"] = hex(int(slot["value"], 16) + 1)
            if not proof["storageProof"]:
                proof["balance"] = hex(int(proof["balance"], 16) + 1)
    return msgspec.json.encode(proof)
