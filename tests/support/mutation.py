# SPDX-License-Identifier: MIT
"""Turning good bytes into bad ones, the ways that formats break: bits, lengths, cuts, repeats, splices."""

from __future__ import annotations

import random
from collections.abc import Sequence


def mutate(rng: random.Random, data: bytes, donors: Sequence[bytes] = ()) -> bytes:
    """Change the bytes a little, always to something else (or, for no bytes, to some)."""
    while True:
        changed = _mutate_once(rng, data, donors)
        if rng.random() < 0.2:
            changed = _mutate_once(rng, changed, donors)
        if changed != data:
            return changed


def _mutate_once(rng: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    if not data:
        return rng.randbytes(rng.randrange(1, 40))
    at = rng.randrange(len(data))
    match rng.randrange(9):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        case 2:
            return data[:at]
        case 3:
            return data[at:]
        case 4:
            return data[:at] + data[at + rng.randrange(1, 34) :]
        case 5:
            return data[:at] + rng.randbytes(rng.choice([1, 1, 2, 20, 32])) + data[at:]
        case 6:
            # Headers and lengths lie in the front of everything, and a uniform choice rarely hits them.
            at = min(at, rng.randrange(8))
            return data[:at] + bytes([(data[at] + rng.choice([-1, 1])) % 256]) + data[at + 1 :]
        case 7:
            end = min(len(data), at + rng.choice([1, 2, 20, 32, 64]))
            return data[:at] + data[at:end] * 2 + data[end:]
        case _:
            donor = rng.choice(donors) if donors else data[::-1]
            cut = rng.randrange(len(donor) + 1)
            return data[:at] + donor[cut:]
