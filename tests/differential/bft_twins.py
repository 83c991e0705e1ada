# SPDX-License-Identifier: MIT
"""The BFT light client twice, in Python and on anvil."""

from __future__ import annotations

import random
from collections.abc import Callable

from light_clients.bft.client import BftClient
from light_clients.errors import Rejection
from relayer.contracts import Build, load
from tests.differential.bft_cases import NOW, TRUSTED_TIME, World, anchor_of, make_case
from tests.differential.clients import Case, Deployed, deploy, trusting_a_set
from tests.differential.evm import Anvil

BFT = trusting_a_set("BftLightClient")


def deploy_world(
    anvil: Anvil,
    authority: bytes,
    world: World,
    *,
    anchored: bool,
    frozen: bool = False,
    build: Build = Build.CANCUN,
) -> Deployed:
    state, params = world.client.state, world.client.params
    creation = load(BFT.contract, build).encode_creation(
        "0x" + authority.hex(),
        *params.kinds.arguments(),
        ["0x" + member.address.hex() for member in world.members],
        state.height,
        state.timestamp,
        params.trusting_period_s,
        params.max_clock_drift_s,
    )
    story: list[Case] = []
    if anchored:
        story.append(Case("anchor", anchor_of(world), now=NOW))
    if frozen:
        found = (make_case(random.Random(i), world).data for i in range(10_000))
        story.append(Case("freeze", next(filter(freezes(world.client), found)), now=NOW))
    return deploy(anvil, BFT, world.client, creation, story, TRUSTED_TIME)


def freezes(client: BftClient) -> Callable[[bytes], bool]:
    def does(data: bytes) -> bool:
        try:
            return client.freeze(data).state.frozen
        except Rejection:
            return False

    return does
