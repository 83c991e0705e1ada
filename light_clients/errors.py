# SPDX-License-Identifier: MIT
"""Every reason for which something is not believed. Each error says what was found and what was expected.

The type of an error is what the caller decides by: a node that gave a malformed proof is asked no more, while
a frozen client needs its admin. The relayer's own errors (`relayer.errors`) say what a daemon does next;
these say only why.
"""

from __future__ import annotations

from typing import Final

#: Errors are logged, and what was found may be as long as a hostile node likes.
_SHOWN_BYTES: Final = 48


def _show(value: object) -> str:
    """Return a value as an operator reads it: bytes as hex, and long values cut, with their length."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        cut = f"… ({len(raw)} bytes)" if len(raw) > _SHOWN_BYTES else ""
        return f"0x{raw[:_SHOWN_BYTES].hex()}{cut}"
    text = str(value)
    return text if len(text) <= 4 * _SHOWN_BYTES else f"{text[: 4 * _SHOWN_BYTES]}… ({len(text)} characters)"


class Rejection(Exception):  # noqa: N818 - a verdict, not a mishap
    """Something is not believed. Every error of this package is one.

    Attributes:
        what: the rule that does not hold, in words.
        found: what was there, of any type; bytes are shown as hex.
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
    """Bytes are not the one canonical encoding of anything, be it RLP, SSZ or one of our own formats."""


class ProofRejected(Rejection):
    """A proof proves nothing: it is malformed or incomplete, or it leads to another root."""


class HeaderRejected(Rejection):
    """A header breaks a rule of its consensus."""


class QuorumNotReached(HeaderRejected):
    """Too few members of a validator set sealed. `found` and `expected` count members."""


class ValidatorSetRejected(HeaderRejected):
    """A validator list or sync committee is not the trusted one, or cannot be one at all."""


class PublicKeyRejected(Rejection):
    """Bytes are not a BLS public key, or the sum of keys is the point at infinity."""


class SignatureRejected(Rejection):
    """Bytes are not a BLS signature, or not the signature of what they are said to sign."""


class SecretRejected(Rejection):
    """A number is not the secret of any key. The error never shows the number."""


class UpdateRejected(Rejection):
    """An update does not follow the trusted state."""


class AnchorRejected(Rejection):
    """A proof refers to an anchor that is not there, or a new anchor does not lie above the last one."""


class MisbehaviourRejected(Rejection):
    """What should prove misbehaviour does not: the headers do not contradict each other."""


class ClientNotActive(Rejection):
    """The client believes nothing at the moment: `NotActive` on chain."""


class TrustExpired(ClientNotActive):
    """The trusting period is over, and the admin has to bootstrap the client again.

    `found` is the time now, `expected` the last one at which the client believed, both in seconds.
    """


class TrustFrozen(ClientNotActive):
    """Misbehaviour was proven, and the admin has to bootstrap the client again."""
