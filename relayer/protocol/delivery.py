# SPDX-License-Identifier: MIT
"""The states of a delivery and the reasons for waiting. Both lists are closed.

    Observed → Verified → Proven → Submitted → Included → Confirmed

Relaying is permissionless: somebody else may deliver any message at any time, and any deadline may pass. So
every open state also leads to Included, Confirmed and Expired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from relayer.errors import IllegalTransition


class DeliveryState(Enum):
    """What is known of a message. The journal keeps the values.

    Attributes:
        OBSERVED: a provider's logs tell of the message; nothing is verified.
        VERIFIED: our light client of the source verified a header at or after the message's block.
        PROVEN: a storage proof of the page's head was verified, and the chain of hashes to it has the leaf.
        SUBMITTED: the journal has a signed transaction with the message, which was or will be offered.
        INCLUDED: a provider of the destination shows the message's bit as set, by us or by somebody else.
            That is not proven.
        CONFIRMED: our light client of the destination proved the bit. Final.
        FAILED: the recipient refused the message in an included transaction. It can be delivered again until
            its deadline.
        EXPIRED: the destination's proven time is past the deadline and the bit is clear. Final here; the
            source's contract can be told.
        REFUSED: this relayer's policy does not carry the message, or the fields that logs tell do not hash to
            the proven leaf. Other relayers may carry it, and the policy may change.
        UNFOUNDED: logs told of the message, and the proven chain of leaves has another one in its place.
            Final.
    """

    OBSERVED = "observed"
    VERIFIED = "verified"
    PROVEN = "proven"
    SUBMITTED = "submitted"
    INCLUDED = "included"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUSED = "refused"
    UNFOUNDED = "unfounded"


_S = DeliveryState

#: Somebody else's delivery and a deadline can show at any moment, so every open state leads to these.
_ELSEWHERE: Final = frozenset({_S.INCLUDED, _S.CONFIRMED, _S.EXPIRED})

#: The states that may follow a state, by that state.
TRANSITIONS: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = MappingProxyType(
    {
        _S.OBSERVED: _ELSEWHERE | {_S.VERIFIED, _S.REFUSED, _S.UNFOUNDED},
        # Logs are told anew after a commit whose end nobody waited for.
        _S.VERIFIED: _ELSEWHERE | {_S.PROVEN, _S.OBSERVED, _S.REFUSED, _S.UNFOUNDED},
        # The receipt of an earlier transaction may come to light late, with the recipient's refusal.
        _S.PROVEN: _ELSEWHERE | {_S.SUBMITTED, _S.FAILED, _S.OBSERVED, _S.REFUSED},
        # Displaced, given up, or reverted: the proof is still good.
        _S.SUBMITTED: _ELSEWHERE | {_S.PROVEN, _S.FAILED},
        # The destination reorganised: the transaction is pending again, or gone. And ours may be included
        # after somebody else's.
        _S.INCLUDED: _ELSEWHERE | {_S.SUBMITTED, _S.PROVEN, _S.FAILED},
        # A retry; its proof is as good as the first one's.
        _S.FAILED: _ELSEWHERE | {_S.SUBMITTED, _S.PROVEN, _S.REFUSED},
        _S.REFUSED: _ELSEWHERE | {_S.OBSERVED},
        _S.CONFIRMED: frozenset(),
        _S.EXPIRED: frozenset(),
        _S.UNFOUNDED: frozenset(),
    }
)

#: The states that nothing follows.
FINAL_STATES: Final = frozenset(state for state, targets in TRANSITIONS.items() if not targets)


class WaitingReason(Enum):
    """Why a message waits. Every open message has exactly one reason (INV-10). The values label a metric.

    Attributes:
        FINALITY: a verified header that covers the message is missing: the source's before the message is
            proven, the destination's before it is confirmed.
        BATCH: more messages may come that share the base cost, for batch.max_wait at most.
        TURN: another relayer's turn comes first.
        GAS_PRICE: the price of gas is above the operator's limit, or above what the transaction offers.
        PAUSED: the lane or its remote is paused on the source or the destination.
        CLIENT_EXPIRED: the destination's light client of the source is expired or frozen; its admin must
            bootstrap it.
        CLIENT_UPDATE: the destination's light client of the source is being updated to the newest signer set.
        RECIPIENT_REVERTS: the recipient refuses the message; the detail has the decoded reason. The pauses
            between tries grow.
        FEE_POLICY: the message pays too little, or costs too much, for this relayer's policy.
        RPC_TROUBLE: no provider gives what is needed or takes the transaction, or all give what our
            verification rejects.
        INCLUSION: the transaction is signed, and in no block yet.
        FUNDS: the relayer's account cannot pay, has no key, or has reached the operator's spend limit.
    """

    FINALITY = "finality"
    BATCH = "batch"
    TURN = "turn"
    GAS_PRICE = "gas_price"
    PAUSED = "paused"
    CLIENT_EXPIRED = "client_expired"
    CLIENT_UPDATE = "client_update"
    RECIPIENT_REVERTS = "recipient_reverts"
    FEE_POLICY = "fee_policy"
    RPC_TROUBLE = "rpc_trouble"
    INCLUSION = "inclusion"
    FUNDS = "funds"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A reason for waiting.

    Attributes:
        reason: why the message waits.
        detail: one line that makes it concrete, such as `3 of 12 blocks` or a decoded revert.
    """

    reason: WaitingReason
    detail: str = ""

    def __str__(self) -> str:
        """`reason: detail`."""
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


#: The reasons that make sense in an open state, by that state.
REASONS: Final[Mapping[DeliveryState, frozenset[WaitingReason]]] = MappingProxyType(
    {
        _S.OBSERVED: frozenset({WaitingReason.FINALITY, WaitingReason.RPC_TROUBLE}),
        _S.VERIFIED: frozenset({WaitingReason.FINALITY, WaitingReason.RPC_TROUBLE}),
        _S.PROVEN: frozenset(set(WaitingReason) - {WaitingReason.FINALITY, WaitingReason.INCLUSION}),
        _S.SUBMITTED: frozenset(
            {WaitingReason.INCLUSION, WaitingReason.GAS_PRICE, WaitingReason.RPC_TROUBLE, WaitingReason.FUNDS}
        ),
        _S.INCLUDED: frozenset({WaitingReason.FINALITY, WaitingReason.RPC_TROUBLE}),
        _S.FAILED: frozenset({WaitingReason.RECIPIENT_REVERTS}),
        _S.REFUSED: frozenset({WaitingReason.FEE_POLICY, WaitingReason.RPC_TROUBLE}),
    }
)


#: What the story of a message begins with.
STARTS: Final = frozenset({_S.OBSERVED})
#: A message that is signed for or included once more is another transaction's, which is a step by itself.
_NEVER_TOLD_AGAIN: Final = frozenset({_S.SUBMITTED, _S.INCLUDED})


def is_legal(current: DeliveryState, target: DeliveryState) -> bool:
    """Return whether TRANSITIONS leads from `current` to `target`."""
    return target in TRANSITIONS[current]


def is_told_again(current: DeliveryState, target: DeliveryState) -> bool:
    """Return whether a step only repeats the state that a message is in, as after a restart."""
    return current is target and target not in _NEVER_TOLD_AGAIN


def validate_transition(current: DeliveryState, target: DeliveryState) -> None:
    """Check a transition against TRANSITIONS.

    Raises:
        IllegalTransition: the table does not lead from `current` to `target`.
    """
    if not is_legal(current, target):
        allowed = ", ".join(sorted(state.value for state in TRANSITIONS[current])) or "none, it is final"
        raise IllegalTransition(
            f"a delivery moving from {current.value} to {target.value}", f"one of: {allowed}"
        )


def validate_start(target: DeliveryState) -> None:
    """Check the first step of a message.

    Raises:
        IllegalTransition: a story does not begin with `target`.
    """
    if target not in STARTS:
        allowed = ", ".join(sorted(state.value for state in STARTS))
        raise IllegalTransition(f"a delivery that begins as {target.value}", f"one of: {allowed}")
