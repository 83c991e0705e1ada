# SPDX-License-Identifier: MIT
"""Light-client objects as a lying node serves them. What an object does not have stays as it is."""

from __future__ import annotations

from dataclasses import fields, replace
from hashlib import sha256
from typing import Any, TypeVar

from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientOptimisticUpdate,
    LightClientUpdate,
    SyncCommittee,
)
from relayer.consensus.ethereum.local.faults import WrongLightClient
from relayer.consensus.ethereum.local.keyring import Keyring

T = TypeVar(
    "T", LightClientBootstrap, LightClientUpdate, LightClientFinalityUpdate, LightClientOptimisticUpdate
)


def tamper(value: T, fault: WrongLightClient, strangers: Keyring) -> T:
    """Return the object with the fault's lie in it, but for `garbage`, which is the caller's.

    `strangers` lend keys and signatures.
    """
    names = {field.name for field in fields(value)}
    changed: dict[str, Any] = {}
    for name in names:
        part: Any = getattr(value, name)
        match fault.how:
            case "signature" if name == "sync_aggregate":
                bits = part.sync_committee_bits
                digest = sha256(part.sync_committee_signature).digest()
                forged = strangers.sign_as(digest, bits)
                changed[name] = replace(part, sync_committee_signature=forged)
            case "participation" if name == "sync_aggregate":
                changed[name] = replace(part, sync_committee_bits=_other_bits(part.sync_committee_bits))
            case "header" if name in {"attested_header", "header"}:
                beacon = replace(part.beacon, state_root=sha256(part.beacon.state_root).digest())
                changed[name] = replace(part, beacon=beacon)
            case "finality-branch" if name == "finality_branch":
                changed[name] = _flipped(part)
            case "committee-branch" if name.endswith("sync_committee_branch"):
                changed[name] = _flipped(part)
            case "execution-branch" if isinstance(part, LightClientHeader):
                changed[name] = replace(part, execution_branch=_flipped(part.execution_branch))
            case "committee" if isinstance(part, SyncCommittee):
                changed[name] = replace(part, pubkeys=(strangers.public_keys[0], *part.pubkeys[1:]))
            case _:
                pass
    return replace(value, **changed)


def _flipped(branch: tuple[bytes, ...]) -> tuple[bytes, ...]:
    if not branch:
        return branch
    first = branch[0]
    return (bytes([first[0] ^ 1]) + first[1:], *branch[1:])


def _other_bits(bits: tuple[bool, ...]) -> tuple[bool, ...]:
    """One more member than signed; one less where all did."""
    place = bits.index(False) if False in bits else 0
    return (*bits[:place], not bits[place], *bits[place + 1 :])
