# SPDX-License-Identifier: MIT
"""What a sync committee signs: fork version, domain and signing root (consensus-specs,
`specs/phase0/beacon-chain.md`).
"""

from __future__ import annotations

from typing import Final

from light_clients.codec.merkle_branch import hash_pair
from light_clients.ethereum.config import Epoch, NetworkConfig, Slot, compute_fork_data_root

#: The kind of signature that sync committees make (`specs/altair/beacon-chain.md`).
DOMAIN_SYNC_COMMITTEE: Final = bytes.fromhex("07000000")


def compute_fork_version(epoch: Epoch, config: NetworkConfig) -> bytes:
    """Return the fork version of an epoch, 4 bytes.

    Raises:
        HeaderRejected: the epoch lies before the network's first fork.
    """
    return config.fork_at(epoch).version


def compute_domain(domain_type: bytes, fork_version: bytes, genesis_validators_root: bytes) -> bytes:
    """Return the domain of a kind of signature (4 bytes) under a fork version of a network, 32 bytes."""
    return domain_type + compute_fork_data_root(fork_version, genesis_validators_root)[:28]


def compute_signing_root(object_root: bytes, domain: bytes) -> bytes:
    """Return what is signed for an object with this root, 32 bytes."""
    return hash_pair(object_root, domain)


def sync_committee_signing_root(block_root: bytes, signature_slot: Slot, config: NetworkConfig) -> bytes:
    """Return what a sync committee signs for a block, 32 bytes, when the signature is in the block of
    `signature_slot`.

    The members sign one slot earlier, so that the fork version of that slot counts: in the first slot of a
    fork it is still the old version.

    Raises:
        HeaderRejected: the signature is older than the network's first fork.
    """
    fork_version_slot = Slot(max(signature_slot, 1) - 1)
    fork_version = compute_fork_version(config.epoch_at(fork_version_slot), config)
    domain = compute_domain(DOMAIN_SYNC_COMMITTEE, fork_version, config.genesis_validators_root)
    return compute_signing_root(block_root, domain)
