# SPDX-License-Identifier: MIT
"""Headers that list no validators, as a node gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from light_clients.bft.header import BftHeader
from light_clients.errors import ValidatorSetRejected


@dataclass(frozen=True, slots=True)
class BareHeader(BftHeader):
    """A header of a chain whose validators are chosen by a contract. Its list of validators is empty."""

    def sealers_among(self, validators: Sequence[bytes]) -> dict[int, bytes]:
        """Return the seals that count as those of a list (20 bytes each), as `sealers` does of the header's
        own.
        """
        return self._find_sealers(validators)

    def _check_validators(self) -> None:
        if self.validators:
            raise ValidatorSetRejected(
                "the header lists its validators",
                found=len(self.validators),
                expected="none, as a contract chooses them",
            )
