# SPDX-License-Identifier: MIT
"""Tries and RLP: the official suites, a mainnet block with proofs and receipts, and headers with wrong
hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from light_clients.codec import execution_header, rlp
from light_clients.errors import EncodingRejected, ProofRejected, Rejection
from light_clients.hashing import EMPTY_TRIE_ROOT, keccak256
from light_clients.proofs import mpt
from light_clients.proofs.compact import encode_account, encode_storage, read_account, read_storage
from tests.conformance.case import Case, cases_in, expect, guarded, read_json, refuse, unhex
from tests.support.trie import SecureTrie, Trie

FOLDER = "mpt_rlp"


def cases(folder: Path) -> Iterator[Case]:
    for path in sorted((folder / "ethereum_tests_RLPTests").glob("*.json")):
        yield from cases_in(path, rlp_cases)
    for path in sorted((folder / "ethereum_tests_TrieTests").glob("*.json")):
        yield from cases_in(path, trie_cases)
    yield from cases_in(folder / "avm_mpt_nodes" / "nodes.json", node_cases)
    yield from cases_in(folder / "optimism_MerkleTrie_cases_valid.json", optimism_cases)
    yield from cases_in(folder / "mainnet_21925176", mainnet_cases)
    yield from cases_in(folder / "optimism_headers_receipts", optimism_header_cases)
    yield from cases_in(folder / "sepolia_union" / "valid_storage_proof_sepolia.json", sepolia_cases)
    for path in sorted((folder / "mainnet_getproof_colibri").glob("*.json")):
        yield from cases_in(path, answer_cases)


# --- RLP ----------------------------------------------------------------------------------------------------


def rlp_cases(path: Path) -> Iterator[Case]:
    for name, case in read_json(path).items():
        yield Case(f"{path.stem}/{name}", partial(check_rlp, case))


def check_rlp(case: Any) -> None:
    value, encoded = case["in"], unhex(case["out"])
    if value == "INVALID":
        refuse("invalid RLP", partial(rlp.decode, encoded), EncodingRejected)
    elif value == "VALID":
        expect("encoding of what was decoded", rlp.encode(rlp.decode(encoded)), encoded)
    else:
        item = to_item(value)
        expect("encoding", rlp.encode(item), encoded)
        expect("decoding", rlp.decode(encoded), item)


def to_item(value: Any) -> rlp.Item:
    if isinstance(value, list):
        return [to_item(part) for part in value]
    if isinstance(value, str) and value.startswith("#"):
        value = int(value[1:])
    if isinstance(value, int):
        return value.to_bytes((value.bit_length() + 7) // 8, "big")
    return str(value).encode()


# --- tries --------------------------------------------------------------------------------------------------


def trie_cases(path: Path) -> Iterator[Case]:
    hashed = "secure" in path.stem.lower()
    for name, case in read_json(path).items():
        if "root" not in case:
            yield Case(f"{path.stem}/{name}", skipped="asks for neighbours of a key, which no proof tells")
            continue
        yield Case(f"{path.stem}/{name}", partial(check_trie, case, hashed=hashed))


def check_trie(case: Any, *, hashed: bool) -> None:
    steps = case["in"].items() if isinstance(case["in"], dict) else case["in"]
    root = unhex(case["root"])
    entries: dict[bytes, bytes] = {}
    for key, value in steps:
        entries[to_bytes(key)] = b"" if value is None else to_bytes(value)
    trie = (SecureTrie if hashed else Trie)(entries)
    expect("root", trie.root, root)
    for plain in [*entries, b"", b"absent", b"\xff" * 32]:
        found = mpt.verify(root, keccak256(plain) if hashed else plain, trie.prove(plain))
        expect(f"value of {plain!r}", found, entries.get(plain) or None)


def to_bytes(text: str) -> bytes:
    return unhex(text) if text.startswith("0x") else text.encode()


def node_cases(path: Path) -> Iterator[Case]:
    """Scenarios over single nodes; status 1 is a value, every other one an absence."""
    data = read_json(path)
    nodes = {node["label"]: unhex(node["hex"]) for node in data["nodes"]}
    for scenario in data["scenarios"]:
        listed = [nodes[label] for label in scenario["nodes"]]
        root = unhex(scenario["root"])
        asked = [scenario[name] for name in ("short_key", "long_key") if name in scenario] + scenario[
            "wrong_keys"
        ]
        if "honest_key" in scenario:
            asked.append(
                {
                    "key": scenario["honest_key"],
                    "key_nibs": scenario["honest_key_nibs"],
                    "expected_status": scenario["expected_status"],
                    "expected_value": scenario.get("expected_value"),
                }
            )
        for ask in asked:
            value = unhex(ask["expected_value"]) if ask["expected_status"] == 1 else None
            # The keys of this suite may end within a byte.
            nibbles = ask["key"][: ask["key_nibs"]]
            yield Case(
                f"avm_mpt_nodes/{scenario['name']}/{nibbles}",
                partial(check_nibbles, root, nibbles, listed, value),
            )


def check_nibbles(root: bytes, nibbles: str, nodes: list[bytes], value: bytes | None) -> None:
    expect("value", mpt.follow_key(root, nibbles, nodes, uniform=False), value)


def optimism_cases(path: Path) -> Iterator[Case]:
    for number, case in enumerate(read_json(path)):
        yield from guarded(f"optimism[{number}]", partial(optimism_case, case))


def optimism_case(case: Any) -> Iterator[Case]:
    yield Case(f"optimism/{case['name']}", partial(check_optimism, case))


def check_optimism(case: Any) -> None:
    nodes = [unhex(node) for node in case["proof"]]
    found = mpt.verify(unhex(case["root"]), unhex(case["key"]), nodes)
    expect("value", found, unhex(case["value"]))
    refuse(
        "a truncated proof",
        partial(mpt.verify, keccak256(b"elsewhere"), unhex(case["key"]), nodes),
        ProofRejected,
    )


def sepolia_cases(path: Path) -> Iterator[Case]:
    yield from proof_cases("sepolia_union", read_json(path))


def answer_cases(path: Path) -> Iterator[Case]:
    yield from proof_cases(f"mainnet_getproof/{path.stem}", read_json(path)["result"])


def proof_cases(name: str, proof: Any) -> Iterator[Case]:
    """An answer of `eth_getProof` without its block, so that the state root is that of the proof's own first
    node.
    """
    root = keccak256(unhex(proof["accountProof"][0]))
    yield Case(f"{name}/account", partial(check_account, root, proof))
    for entry in proof["storageProof"]:
        yield Case(f"{name}/slot {entry['key']}", partial(check_slot, unhex(proof["storageHash"]), entry))


# --- headers ------------------------------------------------------------------------------------------------


def optimism_header_cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.rglob("*_data.json")):
        name = f"optimism_headers/{path.parent.name}/{path.name.removesuffix('_data.json')}"
        yield from guarded(name, partial(header_cases, name, path))


def header_cases(name: str, path: Path) -> Iterator[Case]:
    """A header or a block, which is right unless the file beside it says that it is not."""
    fails = read_json(path.with_name(path.name.replace("_data", "_metadata"))).get("fail", False)
    check = check_block if path.parent.name == "blocks" else check_header
    block = read_json(path)
    yield Case(name, partial(check_wrong, block, check) if fails else partial(check, block))


# --- a mainnet block ----------------------------------------------------------------------------------------


def mainnet_cases(folder: Path) -> Iterator[Case]:
    block = read_json(folder / "block.json")
    yield Case("mainnet/header hash", partial(check_header, block))
    for path in ("proof", "block_miner_proof"):
        proof = read_json(folder / f"{path}.json")
        yield Case(f"mainnet/{path}", partial(check_account, unhex(block["stateRoot"]), proof))
        for entry in proof["storageProof"]:
            check = partial(check_slot, unhex(proof["storageHash"]), entry)
            yield Case(f"mainnet/{path}/slot {entry['key']}", check)
    receipts = read_json(folder / "receipts.json")
    yield Case("mainnet/receipts root", partial(check_receipts, block, receipts))
    one = read_json(folder / "receipt.json")
    yield Case(
        "mainnet/receipt", partial(check_receipt, block, receipts, one, read_json(folder / "logs.json"))
    )


def check_header(block: Any) -> None:
    expect("block hash", execution_header.hash_of(execution_header.from_rpc(block)), unhex(block["hash"]))


def check_block(block: Any) -> None:
    check_header(block)
    check_transactions(block)


def check_wrong(block: Any, check: Callable[[Any], None]) -> None:
    refuse("what is wrong on purpose", partial(check, block), Rejection, AssertionError)


def check_account(state_root: bytes, proof: Any) -> None:
    address = unhex(proof["address"])
    nodes = [unhex(node) for node in proof["accountProof"]]
    if not any(unhex(proof["codeHash"])):
        expect("an absent account", mpt.verify_account(state_root, address, nodes), None)
        return
    expected = mpt.AccountState(
        nonce=int(proof["nonce"], 16),
        balance=int(proof["balance"], 16),
        storage_root=unhex(proof["storageHash"]),
        code_hash=unhex(proof["codeHash"]),
    )
    expect("account", mpt.verify_account(state_root, address, nodes), expected)
    encoded = encode_account(address, nodes)
    expect(
        "compact proof",
        read_account(encoded, 0, address, expected.storage_root),
        (state_root, len(encoded)),
    )
    for kept in range(len(nodes)):
        refuse(
            "a truncated proof", partial(mpt.verify_account, state_root, address, nodes[:kept]), ProofRejected
        )
    stranger = bytes(20)
    refuse("another account's proof", partial(mpt.verify_account, state_root, stranger, nodes), ProofRejected)


def check_slot(storage_root: bytes, entry: Any) -> None:
    slot, word = unhex(entry["key"]), int(entry["value"], 16).to_bytes(32, "big")
    nodes = [unhex(node) for node in entry["proof"]]
    expect("word", mpt.verify_storage(storage_root, slot, nodes), word)
    encoded = encode_storage(slot, nodes)
    expect("compact proof", read_storage(encoded, 0, slot), (word, storage_root, len(encoded)))
    for kept in range(len(nodes)):
        refuse(
            "a truncated proof", partial(mpt.verify_storage, storage_root, slot, nodes[:kept]), ProofRejected
        )


def check_receipts(block: Any, receipts: Any) -> None:
    trie = Trie({rlp.encode(i): encode_receipt(receipt) for i, receipt in enumerate(receipts)})
    root = unhex(block["receiptsRoot"])
    expect("receipts root", trie.root, root)
    for i, receipt in enumerate(receipts):
        key = rlp.encode(i)
        expect(f"receipt {i}", mpt.verify(root, key, trie.prove(key)), encode_receipt(receipt))
    after = rlp.encode(len(receipts))
    expect("the receipt after the last", mpt.verify(root, after, trie.prove(after)), None)


def check_receipt(block: Any, receipts: Any, receipt: Any, logs: Any) -> None:
    index = int(receipt["transactionIndex"], 16)
    expect("receipt", encode_receipt(receipts[index]), encode_receipt(receipt))
    expect("logs", receipt["logs"], logs)
    expect("transaction", block["transactions"][index], receipt["transactionHash"])


def encode_receipt(receipt: Any) -> bytes:
    """A receipt as its trie holds it (EIP-2718)."""
    logs: list[rlp.Encodable] = [
        [unhex(log["address"]), [unhex(topic) for topic in log["topics"]], unhex(log["data"])]
        for log in receipt["logs"]
    ]
    fields: list[rlp.Encodable] = [
        int(receipt["status"], 16),
        int(receipt["cumulativeGasUsed"], 16),
        unhex(receipt["logsBloom"]),
        logs,
    ]
    return typed(receipt, fields)


def check_transactions(block: Any) -> None:
    encoded = [encode_transaction(transaction) for transaction in block["transactions"]]
    for raw, transaction in zip(encoded, block["transactions"], strict=True):
        expect("transaction hash", keccak256(raw), unhex(transaction["hash"]))
    trie = Trie({rlp.encode(i): raw for i, raw in enumerate(encoded)})
    expect("transactions root", trie.root, unhex(block["transactionsRoot"]))
    expect("emptiness", trie.root == EMPTY_TRIE_ROOT, not encoded)
    for i, raw in enumerate(encoded):
        expect(f"transaction {i}", mpt.verify(trie.root, rlp.encode(i), trie.prove(rlp.encode(i))), raw)


def encode_transaction(transaction: Any) -> bytes:
    """A transaction as its trie holds it: legacy, EIP-2930 or EIP-1559."""
    number = {
        name: int(transaction.get(name) or "0x0", 16)
        for name in (
            "chainId",
            "nonce",
            "gasPrice",
            "maxPriorityFeePerGas",
            "maxFeePerGas",
            "gas",
            "value",
            "v",
            "r",
            "s",
        )
    }
    call: list[rlp.Encodable] = [unhex(transaction["to"] or ""), number["value"], unhex(transaction["input"])]
    signature: list[rlp.Encodable] = [number["v"], number["r"], number["s"]]
    kind = int(transaction["type"], 16)
    if kind == 0:
        return rlp.encode([number["nonce"], number["gasPrice"], number["gas"], *call, *signature])
    access: list[rlp.Encodable] = [
        [unhex(entry["address"]), [unhex(key) for key in entry["storageKeys"]]]
        for entry in transaction.get("accessList") or []
    ]
    prices = [number["gasPrice"]] if kind == 1 else [number["maxPriorityFeePerGas"], number["maxFeePerGas"]]
    return typed(
        transaction, [number["chainId"], number["nonce"], *prices, number["gas"], *call, access, *signature]
    )


def typed(thing: Any, fields: Sequence[rlp.Encodable]) -> bytes:
    kind = int(thing["type"], 16)
    return (bytes([kind]) if kind else b"") + rlp.encode(fields)
