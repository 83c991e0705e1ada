# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.errors import EncodingRejected, HeaderRejected
from light_clients.ethereum.config import MAINNET, MINIMAL, ForkName
from light_clients.ethereum.containers import BeaconBlockHeader, LightClientBootstrap


def test_an_answer_needs_a_version_and_data() -> None:
    wrongs: list[object] = [{}, {"version": "deneb"}, {"data": {}}, [], None]
    for wrong in wrongs:
        with pytest.raises(EncodingRejected, match="version and data"):
            LightClientBootstrap.from_versioned_json(wrong, MAINNET)
    with pytest.raises(HeaderRejected, match="unknown fork"):
        LightClientBootstrap.from_versioned_json({"version": "phase0", "data": {}}, MAINNET)


def test_an_answer_comes_back_and_unknown_keys_are_ignored() -> None:
    header = BeaconBlockHeader(proposer_index=7)
    answer = header.to_versioned_json(ForkName.DENEB, MINIMAL)
    assert answer["version"] == "deneb"
    answer["data"]["strange"] = 1
    answer["execution_optimistic"] = False
    assert BeaconBlockHeader.from_versioned_json(answer, MINIMAL) == header


def test_a_missing_or_malformed_field_is_named() -> None:
    data = BeaconBlockHeader().to_json(ForkName.DENEB, MINIMAL)
    with pytest.raises(EncodingRejected, match=r"BeaconBlockHeader\.slot"):
        BeaconBlockHeader.from_json(data | {"slot": "-1"}, ForkName.DENEB, MINIMAL)
    del data["slot"]
    with pytest.raises(EncodingRejected, match="BeaconBlockHeader is malformed"):
        BeaconBlockHeader.from_json(data, ForkName.DENEB, MINIMAL)


def test_bytes_come_back_and_have_the_root_of_the_object() -> None:
    header = BeaconBlockHeader(proposer_index=7)
    data = header.encode_ssz(ForkName.ALTAIR, MAINNET)
    assert BeaconBlockHeader.decode_ssz(data, ForkName.ALTAIR, MAINNET) == header
    assert header.root_at(ForkName.ALTAIR, MAINNET) == header.hash_tree_root()
    with pytest.raises(EncodingRejected):
        BeaconBlockHeader.decode_ssz(data + b"\0", ForkName.ALTAIR, MAINNET)
