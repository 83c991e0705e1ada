# SPDX-License-Identifier: MIT
"""The validators of a simulated beacon chain: keys from a seed, and who is in which sync committee."""

from __future__ import annotations

from collections import OrderedDict
from functools import cached_property
from hashlib import sha256
from typing import Final, TypeVar

from light_clients.bls import GROUP_ORDER, INFINITY_SIGNATURE, backend
from light_clients.codec.merkle_branch import merkleize
from light_clients.ethereum.config import Period
from light_clients.ethereum.containers import SyncCommittee
from relayer.consensus.ethereum.local.leaves import ZERO, bytes_leaf, list_root, uint_leaf

#: The balance of an ordinary validator (consensus-specs, MAX_EFFECTIVE_BALANCE until Deneb).
EFFECTIVE_BALANCE_GWEI: Final = 32 * 10**9
#: The limit of `validators` in the state: 2^40.
_REGISTRY_LIMIT: Final = 2**40
_FAR_FUTURE_EPOCH: Final = 2**64 - 1
_KEPT_COMMITTEES: Final = 8

_T = TypeVar("_T")


class Keyring:
    """`validators` BLS keys that follow from a seed, and the committees drawn from them.

    A committee is a shuffle of all validators, taken round and round until it is full: as on a real chain
    whose validators have equal balances, a member sits in it several times when there are fewer validators
    than places.
    """

    def __init__(self, seed: bytes, validators: int, committee_size: int) -> None:
        if validators < 1:
            raise ValueError(f"{validators} validators; expected at least 1")
        self._seed = sha256(b"postroad devnet/beacon/" + seed).digest()
        self.validators = validators
        self.committee_size = committee_size
        self._committees: OrderedDict[Period, SyncCommittee] = OrderedDict()
        self._members: OrderedDict[Period, tuple[int, ...]] = OrderedDict()

    @cached_property
    def secrets(self) -> tuple[int, ...]:
        """Every validator's secret key."""
        return tuple(
            # 512 bits are reduced, and zero, which is the secret of no key, is left out.
            int.from_bytes(
                sha256(self._seed + b"key" + i.to_bytes(4, "big")).digest()
                + sha256(self._seed + b"more" + i.to_bytes(4, "big")).digest()
            )
            % (GROUP_ORDER - 1)
            + 1
            for i in range(self.validators)
        )

    @cached_property
    def public_keys(self) -> tuple[bytes, ...]:
        """Every validator's compressed public key, 48 bytes each."""
        bls = backend()
        return tuple(bls.secret_to_public(secret).compressed for secret in self.secrets)

    def members(self, period: Period) -> tuple[int, ...]:
        """Return the validators in a period's sync committee, by place."""
        kept = self._members.get(period)
        if kept is not None:
            return kept
        drawn = sorted(
            range(self.validators),
            key=lambda i: sha256(
                self._seed + b"committee" + period.to_bytes(8, "big") + i.to_bytes(4, "big")
            ).digest(),
        )
        members = tuple(drawn[place % self.validators] for place in range(self.committee_size))
        _keep(self._members, period, members)
        return members

    def committee(self, period: Period) -> SyncCommittee:
        """Return a period's sync committee."""
        kept = self._committees.get(period)
        if kept is not None:
            return kept
        members = self.members(period)
        # The sum of the secrets is the secret of the summed keys: one multiplication for any size (ADR 0012).
        total = sum(self.secrets[i] for i in members) % GROUP_ORDER
        committee = SyncCommittee(
            pubkeys=tuple(self.public_keys[i] for i in members),
            aggregate_pubkey=backend().secret_to_public(total).compressed,
        )
        _keep(self._committees, period, committee)
        return committee

    def sign(self, period: Period, bits: tuple[bool, ...], message: bytes) -> bytes:
        """Return the aggregate signature (96 bytes) of the members whose bit is set: by the sum of secrets.

        Nobody's signature is the point at infinity, as the specification has it.
        """
        present = zip(self.members(period), bits, strict=True)
        total = sum(self.secrets[i] for i, is_present in present if is_present) % GROUP_ORDER
        return backend().sign(total, message) if total else INFINITY_SIGNATURE

    def sign_as(self, message: bytes, bits: tuple[bool, ...]) -> bytes:
        """Return a signature of as many validators as bits are set, whoever they are."""
        return self.sign(Period(0), bits, message)

    @cached_property
    def registry_root(self) -> bytes:
        """The SSZ root of the state's `validators`, all active since genesis, which also names the chain."""
        common = [
            uint_leaf(EFFECTIVE_BALANCE_GWEI),
            ZERO,
            ZERO,
            ZERO,
            uint_leaf(_FAR_FUTURE_EPOCH),
            uint_leaf(_FAR_FUTURE_EPOCH),
        ]
        leaves = []
        for key in self.public_keys:
            key_root = merkleize((key[:32], bytes_leaf(key[32:])))
            credentials = b"\0" + sha256(key).digest()[1:]
            leaves.append(merkleize([key_root, credentials, *common]))
        return list_root(leaves, _REGISTRY_LIMIT, self.validators)


def _keep(kept: OrderedDict[Period, _T], period: Period, value: _T) -> None:
    kept[period] = value
    if len(kept) > _KEPT_COMMITTEES:
        kept.popitem(last=False)
