"""The states of a delivery and the reasons for waiting, each in one closed list.

    Observed → Verified → Proven → Submitted → Included → Confirmed

Relaying is permissionless, so any open delivery can turn out to be done by somebody else, or too late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from relayer.errors import IllegalTransition


class DeliveryState(Enum):
    """What is known of a message. The values are what the journal keeps."""

    OBSERVED = "observed"
    """A provider's logs tell of it; nothing is verified."""
    VERIFIED = "verified"
    """A header at or after its block was verified by our light client of the source."""
    PROVEN = "proven"
    """A storage proof of its page's head was verified, and its leaf is in the chain of hashes to that head."""
    SUBMITTED = "submitted"
    """A signed transaction that carries it is in the journal, and was or will be broadcast."""
    INCLUDED = "included"
    """A provider of the destination shows its bit as set, by us or by somebody else; that is not proven."""
    CONFIRMED = "confirmed"
    """Its bit was proven by the light client of the destination. Final."""
    FAILED = "failed"
    """Its recipient refused it in an included transaction; it can be delivered again until its deadline."""
    EXPIRED = "expired"
    """The destination's time is past its deadline and its bit is clear. Final here; the source can be told (expire)."""
    REFUSED = "refused"
    """This relayer's policy will not carry it, or its leaf cannot be reproduced. Others may; the policy may change."""
    UNFOUNDED = "unfounded"
    """Logs told of it, but the proven chain of leaves has another message at its place. Final."""


_S = DeliveryState

# Someone else's delivery and the deadline are found at any moment, so every open state leads to these.
_ELSEWHERE = frozenset({_S.INCLUDED, _S.CONFIRMED, _S.EXPIRED})

TRANSITIONS: Mapping[DeliveryState, frozenset[DeliveryState]] = MappingProxyType(
    {
        _S.OBSERVED: _ELSEWHERE | {_S.VERIFIED, _S.REFUSED, _S.UNFOUNDED},
        # A reorganisation of a chain without instant finality takes a message back to Observed.
        _S.VERIFIED: _ELSEWHERE | {_S.PROVEN, _S.OBSERVED, _S.REFUSED, _S.UNFOUNDED},
        _S.PROVEN: _ELSEWHERE | {_S.SUBMITTED, _S.OBSERVED, _S.REFUSED},
        # Dropped, replaced by another's, or reverted: the proof is still good.
        _S.SUBMITTED: _ELSEWHERE | {_S.PROVEN, _S.FAILED},
        # The destination reorganised: the transaction is pending again, or gone.
        _S.INCLUDED: frozenset(
            {_S.CONFIRMED, _S.SUBMITTED, _S.PROVEN, _S.VERIFIED, _S.OBSERVED, _S.FAILED, _S.EXPIRED}
        ),
        _S.FAILED: _ELSEWHERE | {_S.PROVEN, _S.REFUSED},
        _S.REFUSED: _ELSEWHERE | {_S.OBSERVED},
        _S.CONFIRMED: frozenset(),
        _S.EXPIRED: frozenset(),
        _S.UNFOUNDED: frozenset(),
    }
)

FINAL_STATES = frozenset(state for state, targets in TRANSITIONS.items() if not targets)


class WaitingReason(Enum):
    """Why a message waits: every open one has exactly one of these (INV-10). The values name a metric's label."""

    FINALITY = "finality"
    """For a header that covers it: the source's before it is proven, the destination's before it is confirmed."""
    BATCH = "batch"
    """For company, no longer than batch.max_wait."""
    TURN = "turn"
    """For another relayer whose turn it is."""
    GAS_PRICE = "gas_price"
    """For a price within the operator's limit."""
    PAUSED = "paused"
    """The lane or its remote is paused on the source or the destination."""
    CLIENT_EXPIRED = "client_expired"
    """The destination's light client of the source is expired or frozen: its admin must bootstrap it."""
    CLIENT_UPDATE = "client_update"
    """The destination's light client of the source is being brought to the newest signers."""
    RECIPIENT_REVERTS = "recipient_reverts"
    """The recipient refuses it; the detail has the decoded reason. It is tried again, ever less often."""
    FEE_POLICY = "fee_policy"
    """It pays, or costs, what this relayer's policy does not accept."""
    RPC_TROUBLE = "rpc_trouble"
    """No provider gives what is needed, or gives what our verification rejects."""
    INCLUSION = "inclusion"
    """Its transaction is broadcast and not in a block yet."""
    FUNDS = "funds"
    """The sending accounts cannot pay, or the operator's spend limit is reached."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A reason with what makes it concrete, such as `3 of 12 blocks` or a decoded revert. `detail` is one line."""

    reason: WaitingReason
    detail: str = ""

    def __str__(self) -> str:
        """`reason: detail`."""
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


REASONS: Mapping[DeliveryState, frozenset[WaitingReason]] = MappingProxyType(
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
"""Which reasons make sense in which open state."""


def is_legal(current: DeliveryState, target: DeliveryState) -> bool:
    """Say whether the table joins two states."""
    return target in TRANSITIONS[current]


def validate_transition(current: DeliveryState, target: DeliveryState) -> None:
    """Raise IllegalTransition when the table does not join two states."""
    if not is_legal(current, target):
        allowed = ", ".join(sorted(state.value for state in TRANSITIONS[current])) or "none, it is final"
        raise IllegalTransition(
            f"a delivery moving from {current.value} to {target.value}", f"one of: {allowed}"
        )
