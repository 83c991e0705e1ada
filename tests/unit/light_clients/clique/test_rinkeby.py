# SPDX-License-Identifier: MIT
"""The first blocks of Rinkeby, the public chain that Clique was made for: all empty, all sealed in turn."""

from __future__ import annotations

import pytest

from light_clients.client import Timestamp
from light_clients.clique.client import CliqueClient, CliqueParams
from light_clients.clique.codec import encode_anchor
from light_clients.clique.header import CliqueHeader
from light_clients.clique.signers import majority
from light_clients.errors import HeaderRejected, Rejection
from relayer.consensus.clique.config import DEFAULT_EPOCH
from tests.conformance._clique_chains import check_changes
from tests.support.clique import Draft

GENESIS_HASH = bytes.fromhex("6341fd3daf94b748c72ced5a5b26028f2474f5f00d824504e4fa37a75767e177")
STATE_ROOT = bytes.fromhex("53580584816f617295ea26c0e17641e0120cab2f0a8ffb53a866fd53aa8e8c2d")
#: As the genesis block lists them.
SIGNERS = tuple(
    bytes.fromhex(address)
    for address in (
        "42eb768f2244c8811c63729a21a3569731535f06",
        "7ffc57839b00206d1ad20c69a1981b489f772031",
        "b279182d99e65703f0076e4812653aab85fca0f0",
    )
)
#: geth 1.7.3 on Linux, as its nodes wrote it.
VANITY = bytes.fromhex("d783010600846765746887676f312e372e33856c696e7578").ljust(32, b"\0")
#: Of every block from 1 on: when it was made, its gas limit, and the seal.
BLOCKS = (
    (
        0x58EE45DA,
        0x47C94C,
        (
            "9f1efa1efa72af138c915966c639544a0255e6288e188c22ce9168c10dbe46da"
            "3d88b4aa065930119fb886210bf01a084fde5d3bc48d8aa38bca92e4fcc5215100"
        ),
    ),
    (
        0x58EE45EA,
        0x47DB3D,
        (
            "b5a4a624d2e19fdab62ff7f4d2f2b80dfab4c518761beb56c2319c4224dd156f"
            "698bb1a2750c7edf12d61c4022079622062039637f40fb817e2cce0f0a4dae9c01"
        ),
    ),
    (
        0x58EE45F9,
        0x47E7C4,
        (
            "4e10f96536e45ceca7e34cc1bdda71db3f3bb029eb69afd28b57eb0202c0ec08"
            "59d383a99f63503c4df9ab6c1dc63bf6b9db77be952f47d86d2d7b208e77397301"
        ),
    ),
    (
        0x58EE4608,
        0x47E7C4,
        (
            "713c53f21fd59a94de9c3f8342777f6660a3e99187114ebf52f0127caf6bcefa"
            "77195308fb80b4e6223673757732485c234d8f431a99c46799c57a4ecc4e4e5401"
        ),
    ),
    (
        0x58EE4617,
        0x47E7C4,
        (
            "52ad0baf5fefa05b3a51cdcc6484901465c66be48c3c9b7a4fcb5fcb867ea220"
            "390bcb6e4d740bc17d0c9e948cf0803cab107b538fb3a3efde89e26ede9ee26801"
        ),
    ),
)


@pytest.fixture(scope="module")
def headers() -> list[CliqueHeader]:
    """Consecutive, from block 1 on."""
    found: list[CliqueHeader] = []
    parent_hash = GENESIS_HASH
    for number, (timestamp, gas_limit, seal) in enumerate(BLOCKS, start=1):
        draft = Draft(
            number=number,
            timestamp=timestamp,
            parent_hash=parent_hash,
            state_root=STATE_ROOT,
            gas_limit=gas_limit,
            difficulty=2,
            vanity=VANITY,
            tail=(),
        )
        found.append(CliqueHeader.from_rlp(draft.rlp(bytes.fromhex(seal))))
        parent_hash = found[-1].block_hash
    return found


def test_blocks_hash_as_the_chain_named_them(headers: list[CliqueHeader]) -> None:
    found = [header.block_hash.hex()[:8] for header in headers[:4]]
    assert found == ["a7684ac4", "9b095b36", "9eb9db9c", "8dabb640"]


def test_each_is_sealed_by_the_signer_whose_turn_it_is(headers: list[CliqueHeader]) -> None:
    assert [header.signer for header in headers] == [SIGNERS[header.number % 3] for header in headers]
    for header in headers:
        check_changes(header)


def test_a_client_believes_what_a_majority_built_on(headers: list[CliqueHeader]) -> None:
    """INV-7: no block is believed with one header fewer, nor by who trusts other signers."""
    depth = majority(len(SIGNERS))
    params = CliqueParams(DEFAULT_EPOCH, 0, 100_000, 15)
    client = CliqueClient.bootstrap(params, SIGNERS, headers[0].number, headers[0].timestamp)
    now = Timestamp(headers[-1].timestamp)
    for first in range(len(headers) - depth):
        run = headers[first : first + depth + 1]
        anchored = client.anchor(encode_anchor(SIGNERS, run, DEFAULT_EPOCH), now)
        assert anchored.state.anchor is not None
        assert anchored.state.anchor.state_root == STATE_ROOT
        with pytest.raises(Rejection):
            client.anchor(encode_anchor(SIGNERS, run[:-1], DEFAULT_EPOCH), now)
    with pytest.raises(HeaderRejected, match="nobody of the set"):
        encode_anchor((bytes(20), *SIGNERS[1:]), headers, DEFAULT_EPOCH)
