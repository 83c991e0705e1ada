# SPDX-License-Identifier: MIT
"""How much gas a deliver transaction needs, learnt from those before it, and how many messages fit one.

Asking for too much costs nothing but room in the block, since unused gas is not paid. Asking for too little
reverts the whole transaction by the inbox's rule against starved recipients. So every estimate is simulated
before it is signed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from relayer.protocol.batch import calldata_gas
from relayer.protocol.message import Message

#: The most that a transaction may ask for by EIP-7825, which some chains enforce and others will.
MOST_TRANSACTION_GAS: Final = 16_777_216

#: What every transaction pays before its calldata and execution.
_INTRINSIC: Final = 21_000
#: The gas that a message costs beside its calldata, until the first receipt shows it.
_FIRST_PER_MESSAGE: Final = 30_000
#: How far one receipt moves what was learnt: an odd delivery does not decide alone.
_WEIGHT: Final = 0.25
#: Too much gas costs nothing but room in the block; too little costs another simulation.
_MARGIN: Final = 1.25
#: The inbox asks for gas behind a recipient's call, for the bit and the event. Without, all of it reverts
#: (INV-4: the rule against starved recipients).
_RESERVE: Final = 60_000
#: Both frames of `deliver` keep a 64th of the gas (EIP-150), so a recipient's minimum needs this factor.
_FRAMES: Final = (64 / 63) ** 2
#: A receipt of at most so many messages teaches the base; one of at least so many teaches the cost of a
#: message.
_SMALL, _LARGE = 3, 16


@dataclass(slots=True)
class GasModel:
    """What one lane's deliveries have cost.

    Attributes:
        base: the execution gas of a delivery beside its messages and calldata. It begins with the guess of
            the source's prover.
        per_message: the execution gas of a message beside its calldata.
    """

    base: float
    per_message: float = _FIRST_PER_MESSAGE

    def estimate(self, calldata: bytes, messages: Iterable[Message], *, most: int) -> int:
        """Return the gas that a delivery with these full messages should ask for, at most `most`."""
        limits = [message.gas_limit for message in messages]
        execution = (self.base + len(limits) * self.per_message) * _MARGIN
        # The largest limit alone: what a recipient does not use is left for the next one, and the simulation
        # shows where that is too little.
        room = max(limits, default=0) * _FRAMES + _RESERVE
        cost = calldata_gas(calldata)
        return min(most, _INTRINSIC + max(int(cost.standard + execution + room), cost.floor))

    def expect(self, messages: int, payload_bytes: int, *, largest_gas_limit: int) -> int:
        """Return the gas that a batch would ask for, before its bytes are made.

        Payload bytes count as non-zero.
        """
        execution = (self.base + messages * self.per_message) * _MARGIN
        return int(_INTRINSIC + execution + 16 * payload_bytes + largest_gas_limit * _FRAMES + _RESERVE)

    def is_worth_sending(self, messages: int) -> bool:
        """Return whether so many messages need not wait for more.

        Then the base is a small part of their cost already.
        """
        return messages * self.per_message >= 2 * self.base

    def learn(self, calldata: bytes, messages: int, gas_used: int) -> None:
        """Learn from the gas that a successful delivery of `messages` full messages has used."""
        if messages < 1:
            return
        # Where EIP-7623's floor was paid this is more than the execution took, and too much costs nothing.
        execution = max(0, gas_used - _INTRINSIC - calldata_gas(calldata).standard)
        if messages <= _SMALL:
            self.base += _WEIGHT * (max(0.0, execution - messages * self.per_message) - self.base)
        if messages >= _LARGE:
            self.per_message += _WEIGHT * (max(0.0, execution - self.base) / messages - self.per_message)
