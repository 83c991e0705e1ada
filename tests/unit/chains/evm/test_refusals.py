# SPDX-License-Identifier: MIT
"""The very words of nodes that refuse a transaction, and what each of them means."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from relayer.chains.base import Refusal
from relayer.chains.evm.refusals import classify

#: The node, its code, its words, what they mean; None where the node has the transaction.
CASES: Final[list[tuple[str, int, str, Refusal | None]]] = [
    # geth 1.17.5, as it answered. Its code is always -32000.
    ("geth", -32000, "already known", None),
    ("geth", -32000, "nonce too low: next nonce 1, tx nonce 0", Refusal.NONCE_USED),
    ("geth", -32000, "replacement transaction underpriced", Refusal.UNDERPRICED),
    (
        "geth",
        -32000,
        "transaction gas price below minimum: gas tip cap 0, minimum needed 1",
        Refusal.UNDERPRICED,
    ),
    ("geth", -32000, "max priority fee per gas higher than max fee per gas", Refusal.INVALID),
    (
        "geth",
        -32000,
        "insufficient funds for gas * price + value: balance 0, tx cost 210000000000000, overshot 210000000000000",
        Refusal.UNFUNDED,
    ),
    ("geth", -32000, "oversized data: transaction size 131190, limit 131072", Refusal.TOO_LARGE),
    ("geth", -32000, "max initcode size exceeded: code size 49153 limit 49152", Refusal.INVALID),
    ("geth", -32000, "intrinsic gas too low: gas 20999, minimum needed 21000", Refusal.INVALID),
    (
        "geth",
        -32000,
        "insufficient gas for floor data gas cost: gas 21000, minimum needed 22600",
        Refusal.INVALID,
    ),
    ("geth", -32000, "transaction gas limit too high (cap: 16777216, tx: 21646835)", Refusal.TOO_MUCH_GAS),
    ("geth", -32000, "exceeds block gas limit", Refusal.TOO_MUCH_GAS),
    ("geth", -32000, "invalid sender: invalid chain id for signer: have 1338 want 1337", Refusal.INVALID),
    ("geth", -32000, "invalid sender: recovery failed", Refusal.INVALID),
    ("geth", -32000, "transaction type not supported", Refusal.TYPE_UNSUPPORTED),
    ("geth", -32000, "typed transaction too short", Refusal.INVALID),
    # Its own rule, not the chain's: another node may take it, and it can't happen to what we sign.
    ("geth", -32000, "only replay-protected (EIP-155) transactions allowed over RPC", Refusal.NOT_ALLOWED),
    # The price is too high for this node. A higher one makes it worse, and a block may hold it all the same.
    ("geth", -32000, "tx fee (2000.00 ether) exceeds the configured cap (1.00 ether)", Refusal.NOT_ALLOWED),
    ("geth", -32000, "transaction underpriced", Refusal.UNDERPRICED),
    (
        "geth",
        -32000,
        "max fee per gas less than block base fee: address 0x, maxFeePerGas: 1, baseFee: 2",
        Refusal.UNDERPRICED,
    ),
    ("geth", -32000, "txpool is full", Refusal.BUSY),
    ("geth", -32000, "future transaction tries to replace pending", Refusal.BUSY),
    ("geth", -32000, "account limit exceeded", Refusal.BUSY),
    ("geth", -32000, "known transaction: 0b2c6bd7", None),
    ("geth", -32000, "nonce too high: address 0x, tx: 9 state: 3", Refusal.NONCE_TOO_FAR),
    # It means one of two things, that the account has no funds or that the call needs more: so neither.
    ("geth", -32000, "gas required exceeds allowance", Refusal.UNKNOWN),
    # Besu 26.8.0, as it answered.
    ("besu", -32000, "Known transaction", None),
    ("besu", -32001, "Nonce too low", Refusal.NONCE_USED),
    ("besu", -32000, "Replacement transaction underpriced", Refusal.UNDERPRICED),
    ("besu", -32000, "Transaction nonce is too distant from current sender nonce", Refusal.NONCE_TOO_FAR),
    ("besu", -32009, "Gas price below configured minimum gas price", Refusal.UNDERPRICED),
    ("besu", -32000, "Max priority fee per gas exceeds max fee per gas", Refusal.INVALID),
    ("besu", -32003, "Intrinsic gas exceeds gas limit", Refusal.INVALID),
    ("besu", -32005, "Transaction gas limit exceeds block gas limit", Refusal.TOO_MUCH_GAS),
    ("besu", -32000, "Wrong chainId", Refusal.INVALID),
    ("besu", -32007, "Sender account not authorized to send transactions", Refusal.NOT_ALLOWED),
    # It says so of too much init code, and of a broken signature; and would, of a fault of its own.
    ("besu", -32603, "Internal error", Refusal.UNKNOWN),
    ("besu", -32602, "Invalid params", Refusal.UNKNOWN),
    # Besu, from its list of errors.
    ("besu", -32004, "Upfront cost exceeds account balance", Refusal.UNFUNDED),
    ("besu", -32002, "Invalid signature", Refusal.INVALID),
    ("besu", -32006, "Nonce too high", Refusal.NONCE_TOO_FAR),
    ("besu", -32008, "Initial sync is still in progress", Refusal.BUSY),
    ("besu", -32009, "Gas price below current base fee", Refusal.UNDERPRICED),
    ("besu", -32602, "Invalid transaction type", Refusal.TYPE_UNSUPPORTED),
    ("besu", -32000, "Transaction fee cap exceeded", Refusal.NOT_ALLOWED),
    ("besu", -32000, "An invalid transaction with a lower nonce exists", Refusal.NONCE_TOO_FAR),
    # Nethermind.
    ("nethermind", -32010, "OldNonce, Current nonce: 55, nonce of rejected tx: 54", Refusal.NONCE_USED),
    ("nethermind", -32000, "AlreadyKnown", None),
    (
        "nethermind",
        -32000,
        "InsufficientFunds, Account balance: 0, cumulative cost: 21000000000000",
        Refusal.UNFUNDED,
    ),
    (
        "nethermind",
        -32000,
        "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 7",
        Refusal.UNDERPRICED,
    ),
    ("nethermind", -32000, "FeeTooLowToCompete", Refusal.UNDERPRICED),
    ("nethermind", -32000, "ReplacementNotAllowed", Refusal.UNDERPRICED),
    ("nethermind", -32010, "GasLimitExceeded, Gas limit: 30000000", Refusal.TOO_MUCH_GAS),
    ("nethermind", -32010, "NonceGap, Future nonce. Expected nonce: 3", Refusal.NONCE_TOO_FAR),
    ("nethermind", -32010, "NonceTooFarInFuture", Refusal.NONCE_TOO_FAR),
    ("nethermind", -32010, "MaxTxSizeExceeded", Refusal.TOO_LARGE),
    ("nethermind", -32010, "NotSupportedTxType", Refusal.TYPE_UNSUPPORTED),
    ("nethermind", -32010, "FailedToResolveSender", Refusal.INVALID),
    ("nethermind", -32010, "Transaction with the same hash was already imported.", None),
    # Erigon.
    ("erigon", -32000, "INTERNAL_ERROR: existing tx with same hash", None),
    ("erigon", -32000, "ALREADY_EXISTS: already known", None),
    ("erigon", -32000, "INTERNAL_ERROR: could not replace existing tx", Refusal.UNDERPRICED),
    ("erigon", -32000, "fee too low", Refusal.UNDERPRICED),
    ("erigon", -32000, "rlp too long", Refusal.TOO_LARGE),
    ("erigon", -32000, "initcode too large", Refusal.INVALID),
    ("erigon", -32000, "pending sub-pool is full", Refusal.BUSY),
    ("erigon", -32000, "mined", Refusal.NONCE_USED),
    (
        "erigon",
        -32000,
        "fork supporting this transaction type is not activated yet",
        Refusal.TYPE_UNSUPPORTED,
    ),
    # reth.
    ("reth", -32003, "insufficient funds for gas * price + value: have 0 want 21000", Refusal.UNFUNDED),
    ("reth", -32003, "intrinsic gas too low", Refusal.INVALID),
    ("reth", -32000, "exceeds max transaction gas limit", Refusal.TOO_MUCH_GAS),
    (
        "reth",
        -32000,
        "tx fee (2000000000000000000 wei) exceeds the configured cap (1000000000000000000 wei)",
        Refusal.NOT_ALLOWED,
    ),
    ("reth", -32000, "failed to decode signed transaction", Refusal.INVALID),
    # anvil.
    ("anvil", -32003, "max fee per gas less than block base fee", Refusal.UNDERPRICED),
    ("anvil", -32003, "Insufficient funds for gas * price + value", Refusal.UNFUNDED),
    ("anvil", -32003, "nonce too low", Refusal.NONCE_USED),
    ("anvil", -32003, "intrinsic gas too high -- CallGasCostMoreThanGasLimit", Refusal.TOO_MUCH_GAS),
    ("anvil", -32003, "transaction already imported", None),
    (
        "anvil",
        -32602,
        "EIP-1559 style fee params (maxFeePerGas ...) received but they are not supported by the current hardfork.",
        Refusal.TYPE_UNSUPPORTED,
    ),
    # GoQuorum, whose nodes take 64 KB by default.
    ("goquorum", -32000, "oversized data", Refusal.TOO_LARGE),
    ("goquorum", -32000, "transaction type not supported", Refusal.TYPE_UNSUPPORTED),
    ("goquorum", -32000, "rlp: expected input list for types.Transaction", Refusal.TYPE_UNSUPPORTED),
    ("goquorum", -32000, "account does not have permission for the transaction", Refusal.NOT_ALLOWED),
    ("goquorum", -32000, "Gas price not 0", Refusal.INVALID),
    # Others, and what stands before nodes.
    ("a front", -32000, "transaction type not supported: only legacy transactions", Refusal.TYPE_UNSUPPORTED),
    ("a front", -32000, "unknown transaction type", Refusal.TYPE_UNSUPPORTED),
    ("a relay", -32603, "Transaction nonce too low", Refusal.NONCE_USED),
    ("harmony", -32010, "transaction nonce 5 is lower than the account's 6", Refusal.NONCE_USED),
    (
        "hedera",
        32001,
        "[Request ID: 1] Nonce too low. Provided nonce: 15, current nonce: 15",
        Refusal.NONCE_USED,
    ),
    ("zksync", 3, "nonce too low. allowed nonce range: 427 - 447, actual: 426", Refusal.NONCE_USED),
    ("zksync", 3, "nonce too high. allowed nonce range: 427 - 447, actual: 448", Refusal.NONCE_TOO_FAR),
    (
        "ganache",
        -32000,
        "the tx doesn't have the correct nonce. account has nonce of: 2 tx has nonce of: 1",
        Refusal.NONCE_USED,
    ),
    (
        "ganache",
        -32000,
        "the tx doesn't have the correct nonce. account has nonce of: 2 tx has nonce of: 3",
        Refusal.NONCE_TOO_FAR,
    ),
    ("cosmos", -32000, "invalid nonce; got 5, expected 4: invalid sequence", Refusal.NONCE_TOO_FAR),
    ("cosmos", -32000, "invalid nonce; got 3, expected 4: invalid sequence", Refusal.NONCE_USED),
    ("cosmos", -32000, "tx already in cache", None),
    ("cosmos", -32000, "transaction already in mempool", None),
    ("starknet", -32000, "invalid transaction nonce", Refusal.NONCE_USED),
    ("ethers", -32000, "NONCE_TOO_LOW", Refusal.NONCE_USED),
    ("ethers", -32000, "TRANSACTION_REPLACEMENT_UNDERPRICED", Refusal.UNDERPRICED),
    (
        "hardhat",
        -32000,
        "sender doesn't have enough funds to send tx. The upfront cost is: 5",
        Refusal.UNFUNDED,
    ),
    # Besu's codes mean something else in a gateway.
    ("quicknode", -32007, "50/second request limit reached - reduce calls per second", Refusal.BUSY),
    ("infura", -32005, "daily request count exceeded, request rate limited", Refusal.BUSY),
    ("EIP-1474", -32001, "Resource not found", Refusal.UNKNOWN),
    ("EIP-1474", -32003, "Transaction rejected", Refusal.UNKNOWN),
    ("EIP-1474", -32004, "Method not supported", Refusal.UNKNOWN),
    ("nobody", -32000, "", Refusal.UNKNOWN),
    ("nobody", -32000, "flux capacitor misaligned", Refusal.UNKNOWN),
]


@pytest.mark.parametrize(("node", "code", "message", "expected"), CASES)
def test_a_nodes_words_are_understood(node: str, code: int, message: str, expected: Refusal | None) -> None:
    assert classify(code, message) is expected, node


# In capitals, words that are written without gaps are one word.
@pytest.mark.parametrize(
    ("node", "code", "message", "expected"),
    [case for case in CASES if not re.search("[a-z][A-Z]", case[2])],
)
def test_case_and_underscores_tell_nothing(
    node: str, code: int, message: str, expected: Refusal | None
) -> None:
    assert classify(code, message.upper().replace(" ", "_")) is expected, node


def test_a_nodes_answer_can_be_of_any_length() -> None:
    assert classify(-32000, "nonce " * 10_000) is Refusal.UNKNOWN


@pytest.mark.shared
def test_every_recorded_refusal_of_a_transaction_is_among_the_cases(shared_vectors: Path) -> None:
    """The recordings are of all that a node was asked; a transaction's refusals are those before the logs."""
    folder = shared_vectors.parent / "cases" / "providers" / "recorded"
    known = {(code, message) for _, code, message, _ in CASES}
    # These tell the numbers of one recording.
    numbered = (
        "insufficient funds",
        "oversized data",
        "intrinsic gas too low",
        "transaction gas limit too high",
    )
    found = 0
    for path in sorted(folder.glob("*refusals*.json")):
        for name, told in json.loads(path.read_text()).items():
            error = told.get("error") if isinstance(told, dict) else None
            if error is None or name.startswith(("eth_", "txpool_", "unknown method")):
                continue
            found += 1
            case = error["code"], error["message"]
            assert case in known or error["message"].startswith(numbered), (path.name, name, case)
    assert found > 50
