# SPDX-License-Identifier: MIT
"""INV-7 and INV-8 for the kind that a plug-in brings:
the harness of every kind holds its two clients together.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from light_clients import ecdsa
from light_clients.client import Height, Timestamp
from relayer import plugins
from relayer.contracts import artifact
from tests.differential.clients import (
    ACCOUNT,
    SLOT,
    Case,
    Consensus,
    check_both_ways,
    compare,
    cut_at_times,
    deploy,
)
from tests.differential.compact_cases import account_proof, storage_proof
from tests.differential.evm import Anvil
from tests.support.mutation import mutate
from tests.support.plugin import CONTRACT, install_plugin

TRUSTED_TIME = 1_700_000_000
PERIOD, DRIFT = 1000, 15
NOW = TRUSTED_TIME + 100
CASES = 1_200
KEY, STRANGER = (bytes([number]) * 32 for number in (1, 2))


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The plug-in's pure module, found in this process as an installed distribution is."""
    site = str(install_plugin(tmp_path_factory.mktemp("plugin")).site)
    sys.path.insert(0, site)
    caches = (plugins.names, plugins.values, plugins.load, artifact.load_builds)
    for cache in caches:
        cache.cache_clear()
    importlib.invalidate_caches()
    try:
        yield importlib.import_module("postroad_solo.rules")
    finally:
        sys.path.remove(site)
        for name in [name for name in sys.modules if name.partition(".")[0] == "postroad_solo"]:
            del sys.modules[name]
        for cache in caches:
            cache.cache_clear()


class World:
    """A client, and true proofs of a word below one state root."""

    def __init__(self, rules: Any, rng: random.Random) -> None:
        self.rules, self.rng = rules, rng
        state = rules.SoloState(Height(10), Timestamp(TRUSTED_TIME))
        self.client = rules.SoloClient(ecdsa.address_of(KEY), PERIOD, DRIFT, state)
        self.storage, trie = storage_proof(rng, SLOT)
        self.account, top = account_proof(rng, ACCOUNT, trie.root)
        self.root = top.root

    def header(self, root: bytes, *, number: int | None = None) -> Any:
        """A header, mostly signed by the key, with numbers and times at the edges of what is believed."""
        rng = self.rng
        number = rng.choice([11, 11, 12, 10, 9, 0, 2**64 - 1]) if number is None else number
        at = rng.choice([NOW, TRUSTED_TIME, TRUSTED_TIME - 1, NOW + DRIFT, NOW + DRIFT + 1, 0])
        parent = rng.randbytes(32)
        digest = self.rules.hash_of(number, at, root, parent)
        secret = STRANGER if rng.random() < 0.1 else KEY
        seal = ecdsa.sign(digest, secret)
        if rng.random() < 0.05:
            seal = seal[:64] + bytes([rng.choice([2, 27, 28, 255])])
        return self.rules.SoloHeader(Height(number), Timestamp(at), root, parent, seal)

    def case(self) -> Case:
        rng = self.rng
        method = rng.choice(["storageAt", "storageAt", "update", "anchor", "freeze"])
        if method == "storageAt":
            root = self.root if rng.random() < 0.9 else rng.randbytes(32)
            form, tail = (
                (b"\x00", self.header(root).encode(in_proof=True)) if rng.random() < 0.8 else (b"\x01", b"")
            )
            data = form + self.storage + self.account + tail
        elif method == "freeze":
            number = rng.choice([9, 12, 12])
            first, second = (self.header(rng.randbytes(32), number=number) for _ in range(2))
            data = (
                first.encode() + rng.choice([first, second, second, second, self.header(self.root)]).encode()
            )
        else:
            data = self.header(rng.randbytes(32)).encode()
        if rng.random() < 0.1:
            data = mutate(rng, data, [self.storage, self.account])
        now = rng.choice([NOW] * 12 + [TRUSTED_TIME + PERIOD, TRUSTED_TIME + PERIOD + 1])
        return cut_at_times(rng, 0.06, Case(method, data, now=now))

    def anchor(self) -> Case:
        digest = self.rules.hash_of(5, TRUSTED_TIME - 7, self.root, bytes(32))
        seal = ecdsa.sign(digest, KEY)
        header = self.rules.SoloHeader(Height(5), Timestamp(TRUSTED_TIME - 7), self.root, bytes(32), seal)
        return Case("anchor", header.encode(), now=NOW)


def test_both_clients_believe_the_same(anvil: Anvil, authority: bytes, rules: Any) -> None:
    def trusted(client: Any) -> tuple[int, int, bool]:
        return client.state.height, client.state.timestamp, client.state.frozen

    consensus = Consensus(CONTRACT, ["uint64", "uint64", "bool"], trusted)
    verdicts: Counter[tuple[str, bool]] = Counter()
    for seed in range(2):
        world = World(rules, random.Random(seed))
        state = world.client.state
        creation = artifact.load(CONTRACT).encode_creation(
            authority, world.client.signer, state.height, state.timestamp, PERIOD, DRIFT
        )
        deployed = deploy(anvil, consensus, world.client, creation, [world.anchor()], TRUSTED_TIME)
        cases = [world.case() for _ in range(CASES // 2)]
        verdicts += compare(anvil, deployed, cases, f"seed {seed}")
    check_both_ways(verdicts)
