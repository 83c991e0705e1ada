# SPDX-License-Identifier: MIT
"""Whether our creation code made a contract, so that its storage holds nothing that ours did not write.

The code at an address says what a contract does, not how it began: creation code of somebody's own can return
our runtime code and leave an admin, a trusted set or an anchor behind that no event tells. A contract that a
transaction created outright is at an address made of that transaction's sender and nonce, so there is one
such transaction at most, and its data is the creation code that ran.

The transaction is looked for where the manifest names it, then where the contract's first event was, and last
in the block in which code appears at the address, by a binary search that needs old state. A node that has
forgotten a transaction's hash may still have its block.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from relayer.chains.evm.node import Node
from relayer.consensus.findings import Finding, Severity
from relayer.contracts import load, load_builds
from relayer.endpoint.manifest import Contract
from relayer.endpoint.one_by_one import created_address
from relayer.errors import RpcAnswerInvalid, RpcRefused

#: The event that each contract's constructor emits.
_FIRST_EVENTS: Final = {"AccessManager": "RoleGranted"}
_FIRST_EVENT: Final = "AuthorityUpdated"
#: A number below 2^64 is found by halving in so many steps.
_MOST_STEPS: Final = 64


@dataclass(frozen=True, slots=True)
class Creation:
    """How a contract was made, as far as the node shows it.

    Attributes:
        contract: the artifact's name of what is at the address.
        address: 20 bytes.
        tx_hash: of the transaction that created it outright; empty where none was found.
        block_number: of the block in which it was created, by the node or else by the manifest; None where
            that is not known.
        data: what that transaction ran; empty where none was found.
        reason: where none was found: why.
        is_known: whether the node showed enough to tell. Without a transaction, a creation that is known is
            one by another contract.
        is_recorded: whether the manifest says that it was deployed from here.
    """

    contract: str
    address: bytes
    tx_hash: bytes = b""
    block_number: int | None = None
    data: bytes = b""
    reason: str = ""
    is_known: bool = False
    is_recorded: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether our own creation code made it, that of any build."""
        builds = load_builds(self.contract).values()
        return any(self.data.startswith(build.creation_code) for build in builds)


async def find_creation(
    node: Node, contract: str, address: bytes, deployed: Contract | None = None
) -> Creation:
    """Find out how a contract was made.

    Args:
        node: of its chain.
        contract: the artifact's name of what is at the address.
        address: 20 bytes.
        deployed: what the manifest has in its place, be it of another address.

    Raises:
        ChainUnavailable: nobody answers.
    """
    reasons: list[str] = []
    if deployed is not None and (not deployed.tx_hash or bytes(deployed.address) != address):
        deployed = None
    async for transaction in _candidates(node, contract, address, deployed, reasons):
        if creates(transaction, address):
            number = int(str(transaction.get("blockNumber") or "0x0"), 16)
            tx_hash, data = _bytes(transaction.get("hash")), _bytes(transaction.get("input"))
            return Creation(contract, address, tx_hash, number, data, is_known=True)
    try:
        first = await _first_block_of(node, address)
        transactions = await _transactions_of(node, first)
    except (RpcRefused, RpcAnswerInvalid) as error:
        reasons.append(f"the node has no old state to search ({error})")
        recorded = None if deployed is None else deployed.block_number
        reason = "; ".join(reasons)
        return Creation(contract, address, b"", recorded, reason=reason, is_recorded=deployed is not None)
    for transaction in transactions:
        if creates(transaction, address):
            tx_hash, data = _bytes(transaction.get("hash")), _bytes(transaction.get("input"))
            return Creation(contract, address, tx_hash, first, data, is_known=True)
    reason = f"no transaction of block {first} created it outright, so another contract did"
    return Creation(contract, address, block_number=first, reason=reason, is_known=True)


def judge_creation(subject: str, name: str, creation: Creation) -> Finding:
    """Judge how a contract was made; `name` is what people call it."""
    where = f"the {name} 0x{creation.address.hex()}"
    ours = f"the creation code of the {creation.contract} of this version"
    if creation.is_ours:
        return Finding(Severity.OK, subject, f"{where} was made by our creation code")
    if not creation.is_known:
        advice = (
            "Its storage may hold what no event tells: another admin, another anchor. Name a provider that keeps old "
            "transactions, logs or state, and check again."
        )
        found = f"{where}, whose creation can't be shown: {creation.reason}"
        # Of what was deployed from here the manifest says what was sent. Of all else nobody does.
        severity = Severity.WARNING if creation.is_recorded else Severity.REFUSAL
        return Finding(severity, subject, found, ours, advice)
    advice = "It may have left an admin, a trusted set or an anchor in its storage that nothing tells: deploy it anew."
    found = f"{where}, made by other creation code (transaction 0x{creation.tx_hash.hex()})"
    if not creation.tx_hash:
        found = f"{where}: {creation.reason}"
    return Finding(Severity.REFUSAL, subject, found, ours, advice)


def creates(transaction: Mapping[str, Any], address: bytes) -> bool:
    """Tell whether a transaction, as JSON-RPC gives it, creates the contract at an address outright."""
    sender, nonce = transaction.get("from"), transaction.get("nonce")
    if transaction.get("to") is not None or not isinstance(sender, str) or not isinstance(nonce, str):
        return False
    return created_address(_bytes(sender), int(nonce, 16)) == address


async def _candidates(
    node: Node, contract: str, address: bytes, deployed: Contract | None, reasons: list[str]
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield transactions that may have created a contract; what speaks against one goes to `reasons`."""
    if deployed is not None:
        for found in await _transaction(node, bytes(deployed.tx_hash), deployed.block_number):
            yield found
        tx_hash = f"0x{deployed.tx_hash.hex()}"
        reasons.append(f"the manifest's transaction {tx_hash} did not, or is not told any more")
    artifact = load(contract)
    topic = artifact.event_topic(_FIRST_EVENTS.get(contract, _FIRST_EVENT))
    last = await node.height()
    try:
        # One question: a provider that answers narrow ranges alone would be asked without an end.
        logs = await node.logs(address, [topic], 0, last, split=False)
    except (RpcRefused, RpcAnswerInvalid) as error:
        reasons.append(f"its events are not told ({error})")
        return
    if logs:
        first = min(logs, key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))
        for found in await _transaction(
            node, _bytes(first["transactionHash"]), int(first["blockNumber"], 16)
        ):
            yield found
    reasons.append("its first event is not of its creation, or that transaction is not told any more")


async def _transaction(node: Node, tx_hash: bytes, number: int) -> Sequence[Mapping[str, Any]]:
    """Return a transaction; all those of its block where its hash is not known any more; else nothing."""
    with contextlib.suppress(RpcRefused, RpcAnswerInvalid):
        found = await node.request("eth_getTransactionByHash", ["0x" + tx_hash.hex()])
        if isinstance(found, dict):
            return [found]
    with contextlib.suppress(RpcRefused, RpcAnswerInvalid):
        return await _transactions_of(node, number)
    return []


async def _transactions_of(node: Node, number: int) -> Sequence[Mapping[str, Any]]:
    """Return the transactions of a block. Raises RpcRefused, RpcAnswerInvalid."""
    block = await node.request("eth_getBlockByNumber", [hex(number), True])
    transactions = block.get("transactions") if isinstance(block, dict) else None
    if not isinstance(transactions, list):
        raise RpcAnswerInvalid(f"no transactions of block {number}", "a block with its transactions")
    return [transaction for transaction in transactions if isinstance(transaction, dict)]


async def _first_block_of(node: Node, address: bytes) -> int:
    """Return the number of the block in which code appears at an address.

    Raises RpcRefused, RpcAnswerInvalid where the node doesn't keep state that old.
    """

    async def has_code(number: int) -> bool:
        code = await node.request("eth_getCode", ["0x" + address.hex(), hex(number)])
        if not isinstance(code, str) or not code.startswith("0x"):
            raise RpcAnswerInvalid(f"no code of block {number}", "code as hex")
        return len(code) > len("0x")

    low, high = 0, await node.height()
    for _ in range(_MOST_STEPS):
        if low >= high:
            break
        middle = (low + high) // 2
        low, high = (low, middle) if await has_code(middle) else (middle + 1, high)
    return high


def _bytes(value: object) -> bytes:
    try:
        return bytes.fromhex(value[2:]) if isinstance(value, str) and value.startswith("0x") else b""
    except ValueError:
        return b""
