# SPDX-License-Identifier: MIT
"""Proof of stake among endpoints: what is compared, probed, deployed and judged, without a chain."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from eth_abi import abi

from light_clients.client import Status, Timestamp
from light_clients.ethereum.client import EthereumState
from light_clients.ethereum.config import (
    MAINNET_CONFIG,
    SEPOLIA_CONFIG,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Slot,
)
from light_clients.ethereum.containers import LightClientHeader
from light_clients.ethereum.params import EthereumParams
from relayer import config as configuration
from relayer.chains.evm.node import Node
from relayer.config import Bytes32, Config
from relayer.consensus.ethereum.bls_precompiles import lacks_bls
from relayer.consensus.ethereum.config import CheckpointConfig, EthereumConfig
from relayer.consensus.ethereum.contract import EthereumClientView, encode_parameters
from relayer.consensus.ethereum.endpoint import EthereumTrust, _judge_checkpoint, _newest_finalized
from relayer.consensus.ethereum.judging import judge_forks, judge_parameters
from relayer.consensus.findings import Severity
from relayer.consensus.kind import ConfiguredChain
from relayer.consensus.registry import configured, find_kind, recognise
from relayer.contracts import load
from relayer.endpoint.manifest import Client, Contract, Hex, Manifest, Record, to_plain
from relayer.endpoint.survey import Survey, compare_chains, with_rules
from relayer.errors import NotFoundYet, PostroadError, RpcRefused
from tests.support.execution_block import merged_block

ROOT = b"\x07" * 32
CHECKPOINT = CheckpointConfig(root=Bytes32(ROOT), slot=8_203_648, height=8_791_234)
STATE = EthereumState(Slot(8_203_680), b"\x01" * 32, None)
PARAMS = EthereumParams.of(SEPOLIA_CONFIG, 342, 1_209_600, 30)
ETHEREUM = find_kind("ethereum")
MERGED = merged_block()

TEXT = """\
[chains.eth]
chain = "eip155:11155111"
rpc = ["http://127.0.0.1:9"]

[chains.eth.consensus]
kind = "ethereum"
beacon = ["http://127.0.0.1:9"]
"""


def config(extra: str = 'network = "sepolia"\n') -> Config:
    return configuration.parse(TEXT + extra)


def chain(extra: str = 'network = "sepolia"\n') -> ConfiguredChain[EthereumConfig]:
    return configured("eth", config(extra).chain("eth"))


def trust(network: NetworkConfig = SEPOLIA_CONFIG, state: EthereumState | None = STATE) -> EthereumTrust:
    return EthereumTrust("eth", network, network, CHECKPOINT, 8_791_250, b"\x09" * 32, 342, state)


def replace_bootstrap(consensus: EthereumConfig, bootstrap: CheckpointConfig) -> EthereumConfig:
    return msgspec.structs.replace(consensus, bootstrap=bootstrap)


def survey(name: str, chain_id: int, found: EthereumTrust) -> Survey:
    none: Any = None
    return Survey(name, "ethereum", chain_id, bytes([chain_id]) * 32, "", found, 0, none, (), ())


def node(answer: object) -> Node:
    async def request(method: str, params: Sequence[Any]) -> Any:
        assert method == "eth_call"
        assert params[0]["to"] == "0x" + "00" * 19 + "0b"
        if isinstance(answer, Exception):
            raise answer
        return "0x" + params[0]["data"][2:258] if answer == "same" else answer

    return Node("court", request)


# --- chains -------------------------------------------------------------------------------------------------


def test_a_network_and_a_fork_of_it_are_refused_and_two_networks_are_not() -> None:
    one = survey("eth", 1, trust())
    assert compare_chains([one, survey("main", 2, trust(MAINNET_CONFIG))]) == ()
    forked = replace(MAINNET_CONFIG, genesis_validators_root=SEPOLIA_CONFIG.genesis_validators_root)
    (finding,) = compare_chains([one, survey("fork", 2, trust(forked))])
    assert finding.severity is Severity.REFUSAL
    assert finding.subject == "eth and fork"
    assert SEPOLIA_CONFIG.genesis_validators_root.hex() in finding.found


def test_a_network_that_was_found_is_used_where_the_file_has_none() -> None:
    found = {"eth": survey("eth", 1, trust())}
    changed = with_rules(config(""), found).chain("eth").consensus
    assert changed == chain().consensus
    assert changed.missing == ("bootstrap",)
    other = {"eth": survey("eth", 1, trust(MAINNET_CONFIG))}
    assert with_rules(config(), other) == config()


def test_a_deployment_writes_network_and_checkpoint_where_the_file_has_none() -> None:
    written = trust().with_bootstrap(chain("").consensus)
    assert (written.network, written.bootstrap, written.missing) == ("sepolia", CHECKPOINT, ())
    chosen = CheckpointConfig(root=Bytes32(b"\x01" * 32), slot=1)
    kept = trust(MAINNET_CONFIG).with_bootstrap(replace_bootstrap(chain().consensus, chosen))
    assert (kept.network, kept.bootstrap) == ("sepolia", chosen)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (MERGED, ("ethereum", {})),
        (MERGED | {"hash": "0x" + "07" * 32}, None),
        (MERGED | {"extraData": "0x07"}, None),
        ({key: value for key, value in MERGED.items() if key != "hash"}, None),
        ({"difficulty": "0x0", "withdrawalsRoot": "0x" + "00" * 32}, None),
        ({"difficulty": "0x0"}, None),
        ({"difficulty": "0x2", "extraData": "0x"}, None),
    ],
)
def test_proof_of_stake_is_detected_by_its_blocks(
    head: dict[str, Any], expected: tuple[str, dict[str, Any]] | None
) -> None:
    found = recognise(head)
    assert (None if found is None else (found[0].name, dict(found[1]))) == expected


def test_a_block_with_difficulty_is_none_of_proof_of_stake() -> None:
    assert ETHEREUM.endpoint.refuse_head(chain(), {"difficulty": "0x0"}) is None
    assert "0x1" in str(ETHEREUM.endpoint.refuse_head(chain(), {"difficulty": "0x1"}))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (LightClientHeader(), "nothing is final"),
        (
            LightClientHeader(beacon=replace(LightClientHeader().beacon, slot=Slot(8_203_648))),
            "does not hold",
        ),
    ],
)
async def test_a_finalized_header_without_its_execution_block_is_no_beginning(
    header: LightClientHeader, words: str
) -> None:
    class Api:
        async def finality_update(self) -> Any:
            return SimpleNamespace(finalized_header=header)

    api: Any = Api()
    with pytest.raises(PostroadError, match=words):
        await _newest_finalized("eth", api, SEPOLIA_CONFIG, SEPOLIA_CONFIG, 342)


# --- the BLS precompiles ------------------------------------------------------------------------------------


async def test_precompiles_are_found_by_running_one() -> None:
    assert await lacks_bls(node("same")) is None
    assert await ETHEREUM.endpoint.survey_destination(node("same"), "eth") == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("0x", "0x0b answers nothing"),
        ("0x" + "00" * 128, "0x0b answered 0x0000"),
        (RpcRefused(-32000, "precompile unknown"), "precompile unknown"),
    ],
)
async def test_where_they_are_missing_it_is_said_what_works(answer: object, reason: str) -> None:
    (finding,) = await ETHEREUM.endpoint.survey_destination(node(answer), "eth")
    assert finding.severity is Severity.REFUSAL
    assert finding.subject == "eth → court"
    assert reason in finding.found
    assert "Prague" in finding.expected
    assert "whose light clients need no such precompile" in finding.advice


# --- what is deployed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("following", [None, b"\x02" * 32])
def test_a_client_is_created_with_the_networks_parameters(following: bytes | None) -> None:
    begun = trust(state=replace(STATE, next_committee=following)).record()
    authority = b"\x11" * 20
    data = ETHEREUM.on_chain.creation(authority, chain('network = "sepolia"\nthreshold = 400\n'), begun)
    artifact = load("EthereumLightClient")
    arguments = data[len(artifact.creation_code) :]
    who, parameters, slot, committee, after = abi.decode(artifact.constructor.input_types, arguments)
    assert who == "0x" + authority.hex()
    assert (slot, committee, after) == (STATE.finalized_slot, STATE.committee, following or bytes(32))
    assert parameters[:6] == (SEPOLIA_CONFIG.genesis_time, 12_000, 32, 8_192, 512, 400)
    assert parameters[6:9] == (1_209_600, 30, SEPOLIA_CONFIG.genesis_validators_root)
    assert [(epoch, version.hex(), layout) for epoch, version, layout in parameters[9]][-2:] == [
        (222_464, "90000074", 4),
        (272_640, "90000075", 4),
    ]


@pytest.mark.parametrize("following", [None, b"\x02" * 32])
def test_a_client_is_bootstrapped_again_with_what_was_surveyed(following: bytes | None) -> None:
    begun = trust(state=replace(STATE, next_committee=following)).record()
    data = ETHEREUM.on_chain.bootstrap_call(chain('network = "sepolia"\n'), begun)
    assert load("EthereumLightClient").decode_call(data) == (
        "bootstrap",
        {
            "finalizedSlot": STATE.finalized_slot,
            "committee": STATE.committee,
            "nextCommittee": following or bytes(32),
        },
    )


def test_what_is_trusted_is_shown_to_be_compared() -> None:
    text = "\n".join(trust().describe("court", "eth"))
    for word in ("0x" + ROOT.hex(), "slot 8203648", "two independent sources", "342 of 512", "fulu"):
        assert word in text
    assert SEPOLIA_CONFIG.genesis_validators_root.hex() in text


def test_what_a_client_was_told_survives_in_the_manifest_for_people_to_read(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.json"
    contract = Contract(address=Hex(b"\x01" * 20), tx_hash=Hex(), block_number=1, code_hash=Hex(b"\x02" * 32))
    client = Client(
        contract=contract,
        kind="ethereum",
        initial_trust=to_plain(trust().record()),
        trusting_period_s=60,
        max_clock_drift_s=30,
    )
    Manifest(path).put("court", Record(chain="eip155:1", genesis_hash=Hex(ROOT), clients={"eth": client}))
    found = Manifest(path).get("court")
    assert found is not None
    assert found.clients["eth"].kind == "ethereum"
    assert found.clients["eth"].initial_trust == {
        "root": "0x" + ROOT.hex(),
        "slot": STATE.finalized_slot,
        "height": 8_791_250,
        "committee": "0x" + STATE.committee.hex(),
        "next_committee": "0x",
    }


# --- judging ------------------------------------------------------------------------------------------------


def view(params: EthereumParams = PARAMS, slot: int = 8_203_680) -> EthereumClientView:
    return EthereumClientView(
        contract="EthereumLightClient",
        address=b"\x05" * 20,
        status=Status.ACTIVE,
        height=slot,
        timestamp=params.timestamp_at(slot),
        trusting_period_s=params.trusting_period_s,
        max_clock_drift_s=params.max_clock_drift_s,
        authority=b"\x06" * 20,
        parameters=encode_parameters(params),
        committee=STATE.committee,
        next_committee=None,
    )


def test_a_client_as_configured_is_fine() -> None:
    assert judge_parameters("eth → court", view(), PARAMS) == []
    now = Slot(SEPOLIA_CONFIG.forks[-1].epoch * 32)
    assert judge_forks("eth → court", view(), SEPOLIA_CONFIG, SEPOLIA_CONFIG, now) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"genesis_time": 5}, "genesis time 5"),
        ({"slot_duration_ms": 6_000}, "slot duration in ms 6000"),
        ({"slots_per_period": 64}, "slots a period 64"),
        ({"slots_per_epoch": 8}, "slots an epoch 8"),
        ({"committee_size": 32, "threshold": 22}, "committee size 32"),
        ({"genesis_validators_root": b"\x01" * 32}, "genesis validators' root 0x0101"),
    ],
)
def test_a_client_of_another_network_is_refused(change: dict[str, Any], words: str) -> None:
    findings = judge_parameters("eth → court", view(replace(PARAMS, **change)), PARAMS)
    assert findings[0].severity is Severity.REFUSAL
    assert words in findings[0].found


@pytest.mark.parametrize(("threshold", "words"), [(350, "fewer signatures"), (420, "correct the config")])
def test_another_threshold_is_shown(threshold: int, words: str) -> None:
    wanted = replace(PARAMS, threshold=400)
    (finding,) = judge_parameters("eth → court", view(replace(PARAMS, threshold=threshold)), wanted)
    assert finding.severity is Severity.WARNING
    assert f"{threshold} of 512" in finding.found
    assert words in finding.advice


def with_fork(name: ForkName, epoch: int) -> NetworkConfig:
    return replace(SEPOLIA_CONFIG, forks=(*SEPOLIA_CONFIG.forks, Fork(name, Epoch(epoch), b"\x90\0\0\x76")))


def test_a_fork_that_is_missing_is_a_warning_before_and_a_refusal_after_it() -> None:
    older = replace(PARAMS, forks=PARAMS.forks[:-1])
    fulu = SEPOLIA_CONFIG.forks[-1].epoch
    for epoch, severity in ((fulu - 1, Severity.WARNING), (fulu, Severity.REFUSAL)):
        (finding,) = judge_forks("s", view(older), SEPOLIA_CONFIG, SEPOLIA_CONFIG, Slot(epoch * 32))
        assert finding.severity is severity
        assert f"fulu of epoch {fulu} missing" in finding.found
    # The node knows it before the file does.
    (finding,) = judge_forks("s", view(), SEPOLIA_CONFIG, with_fork(ForkName.GLOAS, 999_999), Slot(fulu * 32))
    assert finding.severity is Severity.WARNING
    assert "gloas of epoch 999999" in finding.found
    assert "No light client of this version" in finding.advice


def test_a_fork_that_the_network_does_not_have_is_a_warning_before_and_a_refusal_after_it() -> None:
    """Its layout decides which field of a signed header the client takes for the state root."""
    last = PARAMS.forks[-1]
    made_up = replace(PARAMS, forks=(*PARAMS.forks[:-1], replace(last, epoch=last.epoch + 5)))
    for epoch, severity in ((last.epoch, Severity.WARNING), (last.epoch + 5, Severity.REFUSAL)):
        missing, added = judge_forks("s", view(made_up), SEPOLIA_CONFIG, SEPOLIA_CONFIG, Slot(epoch * 32))
        assert f"of epoch {last.epoch} missing" in missing.found
        assert added.severity is severity
        assert f"a fork of epoch {last.epoch + 5} in the deployed table" in added.found


def test_a_fork_of_another_version_is_refused() -> None:
    last = PARAMS.forks[-1]
    wrong = replace(PARAMS, forks=(*PARAMS.forks[:-1], replace(last, version=b"\x01\x02\x03\x04")))
    (finding,) = judge_forks("s", view(wrong), SEPOLIA_CONFIG, SEPOLIA_CONFIG, Slot(0))
    assert finding.severity is Severity.REFUSAL
    assert "0x01020304" in finding.found
    assert "90000075" in finding.expected


def test_a_client_that_is_periods_behind_is_flagged() -> None:
    told = ETHEREUM.endpoint.judge("eth → court", "court", view(), chain(), trust())
    assert any("sync-committee periods ago" in item.found for item in told)
    assert any("postroad client update eth court" in item.advice for item in told)
    now = SEPOLIA_CONFIG.slot_at(Timestamp(int(time.time())))
    (fine,) = ETHEREUM.endpoint.judge("eth → court", "court", view(slot=now), chain(), trust())
    assert fine.severity is Severity.OK
    assert "342 of 512 must sign" in fine.found


def test_what_json_shows_of_a_client() -> None:
    details = view().details()
    assert details["threshold"] == 342
    assert details["committee_size"] == 512
    assert details["next_committee"] is None


# --- a configured checkpoint --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "finalized", "number", "severity", "words"),
    [
        (ROOT, True, 8_791_234, Severity.OK, "is as the Beacon API shows it"),
        (ROOT, True, 8_791_233, Severity.REFUSAL, "height 8791234"),
        (b"\x08" * 32, True, 8_791_234, Severity.REFUSAL, "root 0x0707"),
        (ROOT, False, 8_791_234, Severity.REFUSAL, "not final"),
        (None, True, 8_791_234, Severity.REFUSAL, "no Beacon API has a block"),
    ],
)
async def test_a_checkpoint_is_compared_with_the_block_of_its_slot(
    root: bytes | None, finalized: bool, number: int, severity: Severity, words: str
) -> None:
    async def header(block_id: str) -> Any:
        assert block_id == str(CHECKPOINT.slot)
        if root is None:
            raise NotFoundYet("no such block")
        return SimpleNamespace(root=root, finalized=finalized)

    api: Any = SimpleNamespace(header=header)
    finding = await _judge_checkpoint("eth", api, CHECKPOINT, number)
    assert finding.severity is severity
    assert words in finding.found
    assert (await ETHEREUM.endpoint.check_bootstrap(node(""), chain())) == []
