# SPDX-License-Identifier: MIT
from __future__ import annotations

from hashlib import sha256

import pytest

from light_clients.errors import HeaderRejected
from light_clients.ethereum.config import MAINNET_CONFIG, Slot
from light_clients.ethereum.signing import (
    DOMAIN_SYNC_COMMITTEE,
    compute_domain,
    compute_fork_version,
    compute_signing_root,
    sync_committee_signing_root,
)
from tests.support.sync_chain import network

CONFIG = network(altair=0, capella=2)
ROOT = b"\x11" * 32


def test_the_domain_holds_the_kind_the_fork_and_the_network() -> None:
    # By hand: the fork data is the version, padded, and the genesis validators root
    version, genesis = bytes.fromhex("03000000"), MAINNET_CONFIG.genesis_validators_root
    data_root = sha256(version.ljust(32, b"\0") + genesis).digest()
    domain = compute_domain(DOMAIN_SYNC_COMMITTEE, version, genesis)
    assert domain == bytes.fromhex("07000000") + data_root[:28]
    assert compute_signing_root(ROOT, domain) == sha256(ROOT + domain).digest()


@pytest.mark.parametrize(("slot", "version_slot"), [(0, 0), (1, 0), (16, 15), (17, 16), (100, 99)])
def test_the_fork_version_is_that_of_the_slot_before(slot: int, version_slot: int) -> None:
    version = compute_fork_version(CONFIG.epoch_at(Slot(version_slot)), CONFIG)
    domain = compute_domain(DOMAIN_SYNC_COMMITTEE, version, CONFIG.genesis_validators_root)
    assert sync_committee_signing_root(ROOT, Slot(slot), CONFIG) == compute_signing_root(ROOT, domain)


def test_nothing_is_signed_before_the_first_fork() -> None:
    with pytest.raises(HeaderRejected, match="before the first fork"):
        sync_committee_signing_root(ROOT, Slot(8), network(altair=2))
