# SPDX-License-Identifier: MIT
"""Made-up results of checks of beacon nodes' answers: stores and headers that no committee ever signed.

They let a follower be tested for what it asks and takes, without a chain and without a signature.
"""

from __future__ import annotations

from light_clients.ethereum.config import Period, Slot
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientUpdate,
    SyncAggregate,
    SyncCommittee,
)
from light_clients.ethereum.execution import ExecutionPayloadHeader
from light_clients.ethereum.sync_protocol import LightClientStore
from relayer.consensus.ethereum.follower import EthereumBootstrap, EthereumFollower
from relayer.consensus.ethereum.headers import SignedHeader
from relayer.consensus.ethereum.store import Followed
from tests.support.ethereum import PERIOD, SLOT_MS, START, make_network

NETWORK = make_network()
#: The generators of G1 and G2 in compressed form: points, and nobody's key or signature.
AGGREGATE_KEY = bytes.fromhex(
    "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
)
SIGNATURE = SyncAggregate(
    (True,) * 32,
    bytes.fromhex(
        "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
    ),
)
FINALITY_BRANCH = (bytes(32), *(b"\x77" * 32,) * 6)


def at(slot: float) -> float:
    """The time of a slot, and of moments within it, in seconds."""
    return START + slot * SLOT_MS / 1_000


def make_follower(*, trusting_period_s: int = 100_000, slot: Slot | None = None) -> EthereumFollower:
    """A follower of the made-up chain that trusts nothing yet."""
    return EthereumFollower(EthereumBootstrap(NETWORK, b"\x11" * 32, 22, trusting_period_s, 10, slot))


def make_committee(period: int) -> SyncCommittee:
    """The committee of a period."""
    return SyncCommittee((period.to_bytes(48),) * 32, AGGREGATE_KEY)


def make_header(slot: int, mark: bytes = b"\x01") -> LightClientHeader:
    """A header whose execution block has the slot's number; other marks make other headers of a slot."""
    execution = ExecutionPayloadHeader(block_number=slot, block_hash=slot.to_bytes(32))
    return LightClientHeader(BeaconBlockHeader(Slot(slot), state_root=mark * 32), execution)


def make_store(slot: int, *, knows_next: bool = True, mark: bytes = b"\x01") -> LightClientStore:
    """What is trusted after a finalized slot."""
    header, period = make_header(slot, mark), slot // PERIOD
    following = make_committee(period + 1) if knows_next else None
    return LightClientStore(header, make_committee(period), following, None, header, 0, 0)


def make_finality(
    slot: int, signature_slot: int | None = None, mark: bytes = b"\x01"
) -> LightClientFinalityUpdate:
    """A finality update for a slot. Its signature holds for nobody."""
    header, signed = make_header(slot, mark), slot + 20 if signature_slot is None else signature_slot
    return LightClientFinalityUpdate(
        make_header(signed - 1), header, FINALITY_BRANCH, SIGNATURE, Slot(signed)
    )


def finality_followed(slot: int, *, knows_next: bool = True, mark: bytes = b"\x01") -> Followed:
    """Where a finality update for a slot leads."""
    period = Period(slot // PERIOD)
    signed = SignedHeader(make_finality(slot, mark=mark), make_committee(period), period, bytes(40))
    return Followed(make_store(slot, knows_next=knows_next, mark=mark), (signed,))


def updates_followed(start: int, count: int) -> Followed:
    """Where the updates of some periods lead. Every period finalized a slot in its middle."""
    headers = []
    for period in range(start, start + count):
        slot = period * PERIOD + PERIOD // 2
        update = LightClientUpdate(
            make_header(slot + 18),
            make_committee(period + 1),
            (),
            make_header(slot),
            FINALITY_BRANCH,
            SIGNATURE,
            Slot(slot + 20),
        )
        headers.append(SignedHeader(update, make_committee(period), Period(period), bytes(40)))
    return Followed(make_store(headers[-1].slot), tuple(headers))
