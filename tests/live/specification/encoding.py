# SPDX-License-Identifier: MIT
"""The specification's SSZ values as JSON: the Beacon API's (snake case,
decimal texts) and the Engine API's (camel case, hex).
"""

from __future__ import annotations

from typing import Any


def beacon_json(value: Any) -> Any:
    """A value as the Beacon API writes it."""
    if isinstance(value, bool) or type(value).__name__ == "Boolean":
        return bool(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if _is_bits(value):
        return "0x" + value.encode_bytes().hex()
    if hasattr(value, "fields"):
        return {name: beacon_json(getattr(value, name)) for name in value.fields()}
    return [beacon_json(item) for item in value]


def engine_payload(payload: Any) -> dict[str, Any]:
    """An ExecutionPayload as the Engine API writes it."""
    return {_camel(name): _engine(getattr(payload, name)) for name in payload.fields()}


def read_payload(spec: Any, given: dict[str, Any]) -> Any:
    """An ExecutionPayload from the Engine API's JSON."""
    kinds = spec.ExecutionPayload.fields()
    values: dict[str, Any] = {}
    for name in kinds:
        text = given[_camel(name)]
        if name == "transactions":
            values[name] = [spec.Transaction(bytes.fromhex(item[2:])) for item in text]
        elif name == "withdrawals":
            values[name] = [_withdrawal(spec, item) for item in text]
        elif issubclass(kinds[name], int):
            values[name] = int(text, 16)
        else:
            values[name] = bytes.fromhex(text[2:])
    return spec.ExecutionPayload(**values)


def _withdrawal(spec: Any, given: dict[str, str]) -> Any:
    return spec.Withdrawal(
        index=int(given["index"], 16),
        validator_index=int(given["validatorIndex"], 16),
        address=bytes.fromhex(given["address"][2:]),
        amount=int(given["amount"], 16),
    )


def _engine(value: Any) -> Any:
    if isinstance(value, int):
        return hex(int(value))
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if hasattr(value, "fields"):
        return {_camel(name): _engine(getattr(value, name)) for name in value.fields()}
    return [_engine(item) for item in value]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _is_bits(value: Any) -> bool:
    return any(base.__name__ == "BitsView" for base in type(value).__mro__)
