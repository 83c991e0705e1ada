# SPDX-License-Identifier: MIT
"""How much gas a deliver transaction needs, learned from the ones before it, and how many messages fit one.

Too much costs nothing but room in the block: what is not used is not paid. Too little reverts the whole transaction by
the inbox's rule against starved recipients, so every estimate is simulated before it is signed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from relayer.protocol.batch import calldata_gas
from relayer.protocol.message import Message

#: EIP-7825: no transaction may ask for more, and blocks of some chains enforce it.
MOST_TRANSACTION_GAS = 16_777_216

_INTRINSIC = 21_000
#: What a message costs beside its calldata until the first receipt tells.
_FIRST_PER_MESSAGE = 30_000
_WEIGHT = 0.25
_MARGIN = 1.25
_RESERVE = 60_000
#: deliver's two frames each keep a 64th of the gas, so a recipient's minimum needs this much above it.
_FRAMES = (64 / 63) ** 2
#: A batch this small tells what the base is; one this large what a message is.
_SMALL, _LARGE = 3, 16


@dataclass(slots=True)
class GasModel:
    """What one lane's deliveries have cost: `base` and `per_message`, execution gas beside calldata.

    `base` is what the source's prover reckons with, until the first receipt tells.
    """

    base: float
    per_message: float = _FIRST_PER_MESSAGE

    def estimate(self, calldata: bytes, messages: Iterable[Message], *, most: int) -> int:
        """Gas to ask for, at most `most`."""
        limits = [each.gas_limit for each in messages]
        execution = (self.base + len(limits) * self.per_message) * _MARGIN
        room = max(limits, default=0) * _FRAMES + _RESERVE
        cost = calldata_gas(calldata)
        return min(most, _INTRINSIC + max(int(cost.standard + execution + room), cost.floor))

    def expect(self, messages: int, payload_bytes: int, *, largest_gas_limit: int) -> int:
        """Gas that a batch would ask for, before its bytes are made. Payload bytes count as non-zero."""
        execution = (self.base + messages * self.per_message) * _MARGIN
        return int(_INTRINSIC + execution + 16 * payload_bytes + largest_gas_limit * _FRAMES + _RESERVE)

    def is_worth_sending(self, messages: int) -> bool:
        """Whether company would save little: the base is a small part of the whole."""
        return messages * self.per_message >= 2 * self.base

    def learn(self, calldata: bytes, messages: int, gas_used: int) -> None:
        """Take what a successful delivery of `messages` full messages has used."""
        if messages < 1:
            return
        execution = max(0, gas_used - _INTRINSIC - calldata_gas(calldata).standard)
        if messages <= _SMALL:
            self.base += _WEIGHT * (max(0.0, execution - messages * self.per_message) - self.base)
        if messages >= _LARGE:
            self.per_message += _WEIGHT * (max(0.0, execution - self.base) / messages - self.per_message)
