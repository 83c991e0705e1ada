# SPDX-License-Identifier: MIT
# ruff: noqa: N818  the names say the decision or the finding; all of them are errors
"""Errors whose type is the decision, and whose text says what was found, what was expected and what to do.

The pipeline never looks into an error to decide: it catches `Retryable` (the same work again, later), `Drop`
(give up this one piece of work) and `StopLane` (nothing on this lane until something outside of it changes).
`ConfigError` ends the process before it starts. Light clients raise `light_clients.errors.Rejection`, which
knows nothing of this file.
"""

from __future__ import annotations


class PostroadError(Exception):
    """The base of Postroad's errors.

    Attributes:
        found: what was found, as text for people: no secret, no URL with credentials.
        expected: what was expected, likewise; empty where nothing else was.
        advice: what to do, likewise; empty where there is nothing to do.
    """

    def __init__(self, found: str, expected: str = "", advice: str = "") -> None:
        super().__init__(found, expected, advice)
        self.found = found
        self.expected = expected
        self.advice = advice

    def __str__(self) -> str:
        """Return one line with what was found, what was expected and what to do."""
        expected = f" (expected {self.expected})" if self.expected else ""
        advice = f". {self.advice}" if self.advice else ""
        return f"{self.found}{expected}{advice}"


class ConfigError(PostroadError):
    """The operator's configuration cannot be run. Nothing is started."""


class KeyUnavailable(ConfigError):
    """A signing key is missing, locked or does not belong to the account that was asked for."""


class Retryable(PostroadError):
    """The same work may succeed later. Whoever catches it does the work again after a pause."""


class Drop(PostroadError):
    """This piece of work can never succeed as it is.

    Whoever catches it gives this piece up and keeps the rest.
    """


class StopLane(PostroadError):
    """This lane can do no more until an operator or a contract changes something."""


# --- talking to chains --------------------------------------------------------------------------------------


class RpcUnavailable(Retryable):
    """One provider could not be reached, was too slow, or answered with an HTTP error."""


class RpcAnswerInvalid(Retryable):
    """One provider's answer is no possible answer of the method: it loses score, and others are asked."""


class RpcRefused(Retryable):
    """A provider understood a request and refused it.

    Attributes:
        code: JSON-RPC's error code.
        message: JSON-RPC's message, cut and made printable.
        data: the error's data where the provider gave bytes.
    """

    def __init__(
        self, code: int, message: str, expected: str = "", advice: str = "", data: bytes = b""
    ) -> None:
        super().__init__(f"JSON-RPC error {code}: {message}", expected, advice)
        self.code = code
        self.message = message
        self.data = data


class RangeRefused(RpcRefused):
    """A provider does not serve a range of blocks or an answer of this size: the caller asks for less."""


class ChainUnavailable(Retryable):
    """None of a chain's providers gave a usable answer."""


class NotFoundYet(Retryable):
    """No provider has the block, transaction or state, or has it yet."""


class WrongChain(ConfigError):
    """A provider serves another chain than the configured one (chain id or genesis hash)."""


# --- transactions -------------------------------------------------------------------------------------------


class FeeLimitReached(Retryable):
    """The chain's price is above the operator's fee limit. The message waits for a lower price."""


class InsufficientFunds(Retryable):
    """The sending account cannot pay for the transaction."""


class SpendLimitReached(InsufficientFunds):
    """The operator's limit for 24 hours leaves no room for the transaction."""


class NonceConflict(Retryable):
    """Another transaction of this account took the nonce: the work has to be signed again with another."""


class CallReverted(PostroadError):
    """A contract reverted a call. It is raised as one of the subclasses where the error's name decides.

    Attributes:
        name: the name of the contract's error; empty when it is unknown.
        arguments: the error's decoded arguments by name.
        data: the raw revert data, cut to a bounded length.
        reason: name and arguments as text.
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
    """The batch or call can never succeed as it is."""


class CallRevertedStopLane(CallReverted, StopLane):
    """The lane, its remote or its light client is paused, unknown, expired or frozen on that chain."""


# --- messages and proofs ------------------------------------------------------------------------------------


class Malformed(Drop):
    """Bytes or text do not follow their format, wherever they came from."""


class IllegalTransition(PostroadError):
    """The pipeline tried a transition that the table of states does not have: a defect of ours."""


class ClientExpired(StopLane):
    """A light client has passed its trusting period, or the chain has left what it reads.

    On a destination, only its admin can bootstrap it again or replace it.
    """


class ClientFrozen(StopLane):
    """A light client on a destination is frozen.

    Somebody proved misbehaviour of the chain that it follows.
    """


class MisbehaviourFound(StopLane):
    """A chain's signers signed two blocks of one height.

    Attributes:
        freeze_data: the argument of the light client's `freeze` that proves it.
    """

    def __init__(self, found: str, freeze_data: bytes) -> None:
        super().__init__(
            found,
            "one block a height",
            "Nothing from this chain is relayed any more; freeze its light clients and ask its owners",
        )
        self.freeze_data = freeze_data


class LanePaused(StopLane):
    """A guardian or an admin paused a lane or a remote."""


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value)
