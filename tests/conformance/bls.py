# SPDX-License-Identifier: MIT
"""BLS12-381: the official cases of every operation, by both backends. `output: null` means that it must be
rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from light_clients.bls import PY_ECC, PYBLST, BlsBackend, PublicKey, backend
from light_clients.errors import Rejection
from tests.conformance.case import Case, cases_in, expect, read_json, refuse, unhex

FOLDER = "bls"

#: Of the vectors of RFC 9380, which are of no ciphersuite.
HASH_TO_CURVE_TAG = b"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_"


def cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*/*.json")):
        yield from cases_in(path, file_cases)


def file_cases(path: Path) -> Iterator[Case]:
    check = CHECKS.get(path.parent.name)
    for name in (PYBLST, PY_ECC):
        label = f"{path.parent.name}/{path.stem} by {name}"
        if check is None:
            yield Case(label, skipped="an operation that nobody reads")
        else:
            case = read_json(path)
            yield Case(label, partial(check, backend(name), case["input"], case["output"]))


def check_aggregate(bls: BlsBackend, given: list[str], output: str | None) -> None:
    signatures = [unhex(signature) for signature in given]
    if output is None:
        refuse("aggregate", lambda: bls.aggregate_signatures(signatures), Rejection)
    else:
        expect("aggregate", bls.aggregate_signatures(signatures), unhex(output))


def check_sign(bls: BlsBackend, given: dict[str, str], output: str | None) -> None:
    secret, message = int(given["privkey"], 16), unhex(given["message"])
    if output is None:
        refuse("signature", lambda: bls.sign(secret, message), Rejection)
        refuse("key", lambda: bls.secret_to_public(secret), Rejection)
    else:
        expect("signature", bls.sign(secret, message), unhex(output))
        expect("verdict on it", bls.verify(bls.secret_to_public(secret), message, unhex(output)), True)


def check_verify(bls: BlsBackend, given: dict[str, str], output: bool) -> None:
    def verdict() -> bool:
        key = bls.public_key(unhex(given["pubkey"]))
        return bls.verify(key, unhex(given["message"]), unhex(given["signature"]))

    expect("verdict", _false_when_refused(verdict), output)


def check_fast_aggregate_verify(bls: BlsBackend, given: dict[str, Any], output: bool) -> None:
    def verdict() -> bool:
        keys = _keys(bls, given["pubkeys"])
        return bls.fast_aggregate_verify(keys, unhex(given["message"]), unhex(given["signature"]))

    expect("verdict", _false_when_refused(verdict), output)


def check_aggregate_verify(bls: BlsBackend, given: dict[str, Any], output: bool) -> None:
    def verdict() -> bool:
        messages = [unhex(message) for message in given["messages"]]
        return bls.aggregate_verify(_keys(bls, given["pubkeys"]), messages, unhex(given["signature"]))

    expect("verdict", _false_when_refused(verdict), output)


def check_batch_verify(bls: BlsBackend, given: dict[str, list[str]], output: bool) -> None:
    def verdict() -> bool:
        keys = _keys(bls, given["pubkeys"])
        batch = zip(keys, given["messages"], given["signatures"], strict=True)
        return all(bls.verify(key, unhex(message), unhex(signature)) for key, message, signature in batch)

    expect("verdict", _false_when_refused(verdict), output)


def check_key(bls: BlsBackend, given: dict[str, str], output: bool) -> None:
    data = unhex(given["pubkey"])
    if output:
        expect("key", bls.public_key(data).compressed, data)
    else:
        refuse("key", lambda: bls.public_key(data), Rejection)


def check_signature(bls: BlsBackend, given: dict[str, str], output: bool) -> None:
    data = unhex(given["signature"])
    if output:
        expect("length of the affine signature", len(bls.signature_affine(data)), 192)
    else:
        refuse("signature", lambda: bls.signature_affine(data), Rejection)
        # And no key verifies it.
        expect("verdict", bls.verify(bls.secret_to_public(1), bytes(32), data), output)


def check_hash(bls: BlsBackend, given: dict[str, str], output: dict[str, str]) -> None:
    coordinates = [unhex(number) for axis in ("x", "y") for number in output[axis].split(",")]
    expect("point", bls.hash_to_g2(given["msg"].encode(), HASH_TO_CURVE_TAG), b"".join(coordinates))


CHECKS: dict[str, Callable[..., None]] = {
    "aggregate": check_aggregate,
    "aggregate_verify": check_aggregate_verify,
    "batch_verify": check_batch_verify,
    "deserialization_G1": check_key,
    "deserialization_G2": check_signature,
    "fast_aggregate_verify": check_fast_aggregate_verify,
    "hash_to_G2": check_hash,
    "sign": check_sign,
    "verify": check_verify,
}


def _keys(bls: BlsBackend, pubkeys: list[str]) -> list[PublicKey]:
    return [bls.public_key(unhex(pubkey)) for pubkey in pubkeys]


def _false_when_refused(verdict: Callable[[], bool]) -> bool:
    # A key that is refused never gets as far as a verdict: what it would have signed does not hold.
    try:
        return verdict()
    except Rejection:
        return False
