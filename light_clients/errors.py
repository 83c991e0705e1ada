# SPDX-License-Identifier: MIT
"""Every reason for which something is not believed. Each error says what was found and what was expected."""

from __future__ import annotations

_SHOWN_BYTES = 48


def _show(value: object) -> str:
    """A value as an operator reads it: bytes as hex, long ones cut."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        cut = f"… ({len(raw)} bytes)" if len(raw) > _SHOWN_BYTES else ""
        return f"0x{raw[:_SHOWN_BYTES].hex()}{cut}"
    text = str(value)
    return text if len(text) <= 4 * _SHOWN_BYTES else f"{text[: 4 * _SHOWN_BYTES]}… ({len(text)} characters)"


class Rejection(Exception):  # noqa: N818 - a verdict, not a mishap
    """Something is not believed.

    Attributes:
        what: the rule that does not hold, in words.
        found: what was there (any type; shown as hex when bytes).
        expected: what would have been accepted.
    """

    def __init__(self, what: str, *, found: object, expected: object) -> None:
        super().__init__(what, found, expected)
        self.what = what
        self.found = found
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.what}: found {_show(self.found)}, expected {_show(self.expected)}"

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions pickle through their positional arguments; ours are keywords.
        return (_rebuild, (type(self), self.what, self.found, self.expected))


def _rebuild(kind: type[Rejection], what: str, found: object, expected: object) -> Rejection:
    return kind(what, found=found, expected=expected)


class EncodingRejected(Rejection):
    """Bytes are not the one canonical encoding of anything (RLP, or one of our own formats)."""


class ProofRejected(Rejection):
    """A trie proof proves nothing: it is malformed, incomplete, or leads to another root."""


class HeaderRejected(Rejection):
    """A header breaks a rule of its consensus."""


class QuorumNotReached(HeaderRejected):
    """Too few members of a validator set sealed. `found` and `expected` count members."""


class ValidatorSetRejected(HeaderRejected):
    """A validator list is not the trusted one, or cannot be a validator list at all."""


class PublicKeyRejected(Rejection):
    """Bytes are not a BLS public key, or keys add up to none."""


class SignatureRejected(Rejection):
    """Bytes are not a BLS signature, or do not go with what they are said to sign."""


class SecretRejected(Rejection):
    """A number is not the secret of any key. Never shows the number."""


class UpdateRejected(Rejection):
    """An update does not follow the trusted state."""


class AnchorRejected(Rejection):
    """There is no anchor to refer to, or a new one does not lie above it."""


class MisbehaviourRejected(Rejection):
    """Two headers do not contradict each other."""


class ClientNotActive(Rejection):
    """The client believes nothing at the moment."""


class TrustExpired(ClientNotActive):
    """The trusting period is over; the admin has to bootstrap again. `found` and `expected` are times in seconds."""


class TrustFrozen(ClientNotActive):
    """Misbehaviour was proven; the admin has to bootstrap again."""
