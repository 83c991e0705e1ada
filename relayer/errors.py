# ruff: noqa: N818  the names say the decision or the finding; all of them are errors
"""Errors whose type is the decision, and whose text says what was found, what was expected and what to do.

The pipeline never looks into an error to decide: it catches `Retryable` (the same work again, later), `Drop` (give up
this one piece of work) and `StopLane` (nothing on this lane until something outside of it changes). `ConfigError` ends
the process before it starts. Light clients raise `light_clients.errors.Rejection`, which knows nothing of this file.
"""

from __future__ import annotations


class PostroadError(Exception):
    """The base of all of them.

    `found`, `expected` and `advice` are text for people: no secrets, no URLs with credentials. An error that has nothing
    to expect or to advise leaves them empty.
    """

    def __init__(self, found: str, expected: str = "", advice: str = "") -> None:
        super().__init__(found, expected, advice)
        self.found = found
        self.expected = expected
        self.advice = advice

    def __str__(self) -> str:
        """Everything in one line: what was found, what was expected, what to do."""
        expected = f" (expected {self.expected})" if self.expected else ""
        advice = f". {self.advice}" if self.advice else ""
        return f"{self.found}{expected}{advice}"


class ConfigError(PostroadError):
    """What the operator wrote cannot be run. Nothing is started."""


class KeyUnavailable(ConfigError):
    """A signing key is missing, locked or does not belong to the account that was asked for."""


class Retryable(PostroadError):
    """The same work may succeed later; nothing about it is wrong."""


class Drop(PostroadError):
    """This piece of work can never succeed as it is: give it up, keep the rest."""


class StopLane(PostroadError):
    """Nothing more can be done on this lane until an operator or a contract changes something."""


# --- talking to chains -------------------------------------------------------------------------------------------------


class RpcUnavailable(Retryable):
    """One provider could not be reached, was too slow, or answered with an HTTP error."""


class RpcAnswerInvalid(Retryable):
    """One provider answered with something that the method cannot mean: it loses score, others are asked."""


class RpcRefused(Retryable):
    """A provider understood and refused. `code` and `message` are JSON-RPC's; the message is cut and made printable."""

    def __init__(
        self, code: int, message: str, expected: str = "", advice: str = "", data: bytes = b""
    ) -> None:
        super().__init__(f"JSON-RPC error {code}: {message}", expected, advice)
        self.code = code
        self.message = message
        self.data = data


class RangeRefused(RpcRefused):
    """A provider will not serve a range of blocks or an answer of this size: ask for less."""


class ChainUnavailable(Retryable):
    """No provider of a chain gave a usable answer."""


class NotFoundYet(Retryable):
    """A block, transaction or state that no provider has (yet)."""


class WrongChain(ConfigError):
    """A provider serves another chain than the configured one (chain id or genesis hash)."""


# --- transactions ------------------------------------------------------------------------------------------------------


class FeeLimitReached(Retryable):
    """The chain asks for more than the operator's fee limit; the message waits for a lower price."""


class Underpriced(Retryable):
    """Providers want a higher price for this transaction than it offers: replace it."""


class InsufficientFunds(Retryable):
    """The sending account cannot pay for the transaction."""


class NonceConflict(Retryable):
    """Another transaction of this account took the nonce: the work has to be signed again with a new one."""


class CallReverted(PostroadError):
    """A contract refused. `name` is the error's name ("" when unknown), `arguments` its decoded arguments by name,
    `data` the raw revert data (bounded). Raised as one of the subclasses where the name decides.
    """

    def __init__(
        self, name: str, arguments: dict[str, object], data: bytes, expected: str = "", advice: str = ""
    ) -> None:
        inside = ", ".join(f"{key}={_show(value)}" for key, value in arguments.items())
        if name:
            reason = f"{name}({inside})"
        else:
            reason = f"unknown error 0x{data[:36].hex()}" if data else "no reason given"
        super().__init__(f"call reverted: {reason}", expected, advice)
        self.reason = reason
        self.name = name
        self.arguments = arguments
        self.data = data


class CallRevertedRetryable(CallReverted, Retryable):
    """The same work, rebuilt from the chain's newest state or with more gas, may succeed."""


class CallRevertedDrop(CallReverted, Drop):
    """The batch or call as it stands can never succeed."""


class CallRevertedStopLane(CallReverted, StopLane):
    """The lane or its remote is paused, unknown, expired or frozen on that chain."""


# --- messages and proofs -----------------------------------------------------------------------------------------------


class Malformed(Drop):
    """Bytes or text that are not what their format says, wherever they came from."""


class IllegalTransition(PostroadError):
    """The pipeline tried to move a message between two states that the table does not join: a defect of ours."""


class MessageUnverifiable(Drop):
    """Logs tell of a message whose leaf cannot be reproduced: it is reported, never delivered, never forgotten."""

    def __init__(
        self, message_id: bytes, lane_id: bytes, sequence: int, found: str, expected: str, advice: str
    ) -> None:
        super().__init__(found, expected, advice)
        self.message_id = message_id
        self.lane_id = lane_id
        self.sequence = sequence


class ProofUnavailable(Retryable):
    """No provider gave a proof that our own light client accepts."""


class ClientExpired(StopLane):
    """A light client on a destination has passed its trusting period; only its admin can bootstrap it again."""


class ClientFrozen(StopLane):
    """A light client on a destination was frozen by proven misbehaviour."""


class MisbehaviourFound(StopLane):
    """A chain's signers signed two blocks of one height. `freeze_data` is the argument of `freeze` that proves it."""

    def __init__(self, found: str, freeze_data: bytes) -> None:
        super().__init__(
            found,
            "one block a height",
            "Nothing from this chain is relayed any more; freeze its light clients and ask its owners",
        )
        self.freeze_data = freeze_data


class ClientBehind(Retryable):
    """A light client on a destination needs updates before it can believe the newest headers."""


class LanePaused(StopLane):
    """A lane or a remote is paused by its guardian or admin."""


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value)
