# SPDX-License-Identifier: MIT
"""What callers of a road may give it, checked before anything is asked of a chain."""

from __future__ import annotations

from relayer.errors import ConfigError, Malformed
from relayer.protocol.interop_address import parse_evm_address
from relayer.protocol.lane import PUBLIC_CHANNEL
from relayer.protocol.message import MessageId


def check_sending(source: str, destination: str, payload: bytes, channel: bytes | None) -> None:
    """Refuse what no chain could send. Raises Malformed, ConfigError."""
    if not isinstance(payload, bytes):
        raise Malformed(
            f"a payload of the type {type(payload).__name__}",
            "bytes",
            "Text is encoded first: payload=text.encode().",
        )
    if source == destination:
        raise ConfigError(
            f"a message from {source} to itself", "two chains", "A lane leads from one chain to another."
        )
    if channel is not None and len(channel) != len(PUBLIC_CHANNEL):
        raise Malformed(f"a channel of {len(channel)} bytes", "32 bytes")


def read_address(value: bytes | str) -> bytes:
    """Return an address of 20 bytes. Raises Malformed."""
    if isinstance(value, str):
        return parse_evm_address(value)
    if len(value) != 20:
        raise Malformed(f"a recipient of {len(value)} bytes", "20 bytes, or 0x-hex")
    return value


def read_message_id(value: bytes | str) -> MessageId:
    """Return a message's id. Raises Malformed."""
    try:
        data = bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else value
    except ValueError:
        data = b""
    if len(data) != 32:
        raise Malformed(f"the message id {value!r}", "32 bytes, or 0x and 64 hex digits")
    return MessageId(data)
