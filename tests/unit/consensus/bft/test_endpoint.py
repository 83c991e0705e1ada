# SPDX-License-Identifier: MIT
"""BFT chains among endpoints: what a survey reads, refuses and warns of, and how a client is judged,
without a chain.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi import abi

from light_clients.bft.preimage import BftKind, BftKinds, KindChange
from light_clients.bft.validators import set_hash
from light_clients.client import Status
from relayer import config as configuration
from relayer.chains.evm.node import Node
from relayer.consensus.bft import endpoint
from relayer.consensus.bft.config import LABELS, NAMES, BftConfig, BootstrapConfig
from relayer.consensus.bft.contract import BftClientView, BftInitialTrust
from relayer.consensus.bft.endpoint import BftTrust
from relayer.consensus.findings import Finding, Severity
from relayer.consensus.kind import ConfiguredChain
from relayer.consensus.registry import configured, find_kind
from relayer.contracts import load
from relayer.endpoint.manifest import to_plain
from relayer.errors import RpcRefused
from tests.support.bft import Draft, validators

BFT = find_kind("bft")
FOUR = validators(4)
ADDRESSES = tuple(member.address for member in FOUR)
HEAD = 200
# Where a survey looks behind a head: every 16 blocks, at most 7 of them.
SAMPLED = [184, 168, 152, 136, 120, 104, 88]

Block = Mapping[str, Any]
Blocks = Mapping[int, Block]


def chain(protocol: str = "qbft", *, bootstrap: str = "", then: str = "") -> ConfiguredChain[BftConfig]:
    text = f"""\
[chains.court]
chain = "eip155:41"
rpc = ["http://127.0.0.1:9"]
trusting_period_s = 77

[chains.court.consensus]
kind = "bft"
protocol = "{protocol}"
{f"then = {then}" if then else ""}
{bootstrap}
"""
    return configured("court", configuration.parse(text).chain("court"))


def blocks_of(kind: BftKind, numbers: Sequence[int], **terms: Any) -> dict[int, Block]:
    return {
        number: Draft(kind, FOUR, number=number, timestamp=1_700_000_000 + number, **terms).rpc()
        for number in numbers
    }


def node(blocks: Blocks, asked: list[int] | None = None) -> Node:
    async def request(method: str, params: Sequence[Any]) -> Any:
        assert method == "eth_getBlockByNumber"
        number = int(params[0], 16)
        if asked is not None:
            asked.append(number)
        return blocks[number]

    return Node("court", request)


async def survey(
    blocks: Blocks, protocol: str = "qbft", asked: list[int] | None = None, head: int | None = None
) -> tuple[BftTrust | None, list[Finding]]:
    """Survey a chain at a head, by default the newest of its blocks."""
    newest = blocks[max(blocks) if head is None else head]
    return await BFT.endpoint.survey(node(blocks, asked), chain(protocol), newest)


# --- what is read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "kind", "label"),
    [
        ("qbft", BftKind.QBFT, "QBFT"),
        ("ibft2", BftKind.IBFT2, "IBFT 2.0"),
        ("ibft", BftKind.ISTANBUL, "legacy Istanbul"),
    ],
)
async def test_the_newest_header_is_where_trust_begins_and_a_sample_shows_the_quorum(
    protocol: str, kind: BftKind, label: str
) -> None:
    asked: list[int] = []
    trust, findings = await survey(blocks_of(kind, [*SAMPLED, HEAD]), protocol, asked)
    assert trust is not None
    assert trust.record() == BftInitialTrust(
        height=HEAD, timestamp=1_700_000_000 + HEAD, validators=tuple(ADDRESSES)
    )
    assert sorted(asked, reverse=True) == SAMPLED
    (finding,) = findings
    assert (finding.severity, finding.subject) == (Severity.OK, "court")
    assert finding.found == f"{label}, 4 validators, 3 to seal"


async def test_a_young_chain_is_sampled_as_far_as_it_goes_and_an_unborn_one_is_refused() -> None:
    asked: list[int] = []
    trust, _ = await survey(blocks_of(BftKind.QBFT, [2, 18, 34]), asked=asked)
    assert trust is not None
    assert sorted(asked) == [2, 18]
    trust, findings = await survey({0: {"number": "0x0"}})
    assert trust is None
    assert [(finding.severity, finding.found) for finding in findings] == [
        (Severity.REFUSAL, "block 0 as the newest")
    ]


# --- a chain that came from another protocol ----------------------------------------------------------------


def changed_at(first: int, **before: Any) -> dict[int, Block]:
    """A chain of IBFT 2.0 that is one of QBFT from a block on."""
    return blocks_of(BftKind.IBFT2, range(1, first), **before) | blocks_of(
        BftKind.QBFT, range(first, HEAD + 1)
    )


@pytest.mark.parametrize("first", [SAMPLED[0] + 1, SAMPLED[3], SAMPLED[6] + 16])
async def test_a_chain_that_changed_its_protocol_is_surveyed_with_a_warning_that_names_the_block(
    first: int,
) -> None:
    """IBFT 2.0 to QBFT within the sampled blocks: what was before says nothing of what trust begins with."""
    blocks = changed_at(first)
    trust, findings = await survey(blocks)
    assert trust is not None
    assert trust.header.number == HEAD
    warning, fine = findings
    assert (warning.severity, warning.subject) == (Severity.WARNING, "court")
    assert warning.found == f"IBFT 2.0 until block {first - 1} and QBFT from block {first} on"
    assert f'protocol = "ibft2" and then = {{ protocol = "qbft", from_height = {first} }}' in warning.advice
    assert (fine.severity, fine.found) == (Severity.OK, "QBFT, 4 validators, 3 to seal")


async def test_older_blocks_that_nothing_reads_are_warned_of_with_the_reason() -> None:
    blocks = blocks_of(BftKind.QBFT, [*SAMPLED, HEAD])
    blocks[136] = {**blocks[136], "extraData": "0x1234"}
    trust, findings = await survey(blocks)
    assert trust is not None
    warning = findings[0]
    assert warning.severity is Severity.WARNING
    assert warning.found.startswith("block 136 is no QBFT block (")
    assert "it reads as" not in warning.found
    assert "as since block 152" in warning.expected


async def test_a_block_without_a_number_is_still_named() -> None:
    blocks = blocks_of(BftKind.QBFT, [*SAMPLED, HEAD])
    blocks[184] = {"number": "many"}
    _, findings = await survey(blocks)
    assert "block 'many' is no QBFT block" in findings[0].found


async def test_before_the_change_no_quorum_is_looked_for() -> None:
    """A chain that sealed by 2F+1 as IBFT 2.0 and seals by two thirds since it is QBFT can be joined."""
    blocks = changed_at(SAMPLED[1] - 3, sealers=FOUR[:2])
    trust, findings = await survey(blocks)
    assert trust is not None
    assert [finding.severity for finding in findings] == [Severity.WARNING, Severity.OK]


@pytest.mark.parametrize(
    ("protocol", "sealed", "label"),
    [
        ("qbft", BftKind.IBFT2, "QBFT"),
        ("ibft2", BftKind.QBFT, "IBFT 2.0"),
        ("ibft2", BftKind.ISTANBUL, "IBFT 2.0"),
        ("ibft", BftKind.QBFT, "legacy Istanbul"),
    ],
)
async def test_a_chain_of_another_protocol_is_refused_with_the_setting_that_is_right(
    protocol: str, sealed: BftKind, label: str
) -> None:
    trust, findings = await survey(blocks_of(sealed, range(1, HEAD + 1)), protocol)
    assert trust is None
    (finding,) = findings
    assert (finding.severity, finding.subject) == (Severity.REFUSAL, "court")
    assert finding.found == f"a chain with {LABELS[sealed]} blocks from block 1 on"
    assert finding.expected == f"{label}, as configured"
    assert f'protocol = "{NAMES[sealed]}" into chains.court.consensus' in finding.advice


@pytest.mark.parametrize("first", [2, 77, HEAD])
async def test_a_change_that_is_not_configured_is_refused_with_its_block_and_the_setting(first: int) -> None:
    """What ended in "bytes are left over": `check` and `deploy` of a chain that has migrated."""
    asked: list[int] = []
    trust, findings = await survey(changed_at(first), "ibft2", asked)
    assert trust is None
    (finding,) = findings
    assert finding.found == f"a chain with IBFT 2.0 until block {first - 1} and QBFT from block {first} on"
    assert f'then = {{ protocol = "qbft", from_height = {first} }}' in finding.advice
    assert "replace" in finding.advice
    assert len(asked) <= 10


async def test_a_block_that_no_protocol_reads_is_refused_with_the_reason() -> None:
    blocks = blocks_of(BftKind.QBFT, [*SAMPLED, HEAD])
    blocks[HEAD] = {**blocks[HEAD], "extraData": "0x1234"}
    trust, findings = await survey(blocks)
    assert trust is None
    assert findings[0].found.startswith(f"a block {HEAD} that is not believed: ")
    assert "chains.court.consensus.protocol" in findings[0].advice


async def test_a_configured_change_is_surveyed_on_both_sides_of_it() -> None:
    """`deploy` before the change and after it, within the sample and behind it."""
    terms = chain("ibft2", then='{ protocol = "qbft", from_height = 150 }')
    blocks = changed_at(150)
    for head in (20, 149, 150, HEAD):
        trust, findings = await BFT.endpoint.survey(node(blocks), terms, blocks[head])
        assert trust is not None
        assert [finding.severity for finding in findings] == [Severity.OK]
    # What was believed of a chain that does not go through with it is told as well.
    late = blocks_of(BftKind.IBFT2, range(1, HEAD + 1))
    trust, findings = await BFT.endpoint.survey(node(late), terms, late[HEAD])
    assert trust is None
    assert 'Write protocol = "ibft2" into chains.court.consensus' in findings[0].advice


def real(folder: Path, name: str) -> dict[int, Block]:
    found = json.loads((folder / "goquorum" / f"{name}.json").read_text())
    return {int(block["number"], 16): block for block in found["blocks"]}


@pytest.mark.shared
async def test_goquorums_change_from_legacy_ibft_to_qbft_is_surveyed_on_real_headers(
    shared_vectors: Path,
) -> None:
    """The finding that ended `endpoint deploy`: blocks of GoQuorum's `ibft` among the sampled ones."""
    older, newer = real(shared_vectors, "ibft1_headers"), real(shared_vectors, "qbft_headers")
    first, head = 22, 34
    # Where the recording has a gap, no block of it is asked for.
    blocks = {number: block for number, block in older.items() if number < first} | {
        number: block for number, block in newer.items() if number >= first
    }
    trust, findings = await survey(blocks, head=head)
    assert trust is not None
    assert trust.header.number == head
    warning, fine = findings
    assert warning.severity is Severity.WARNING
    assert warning.found == f"legacy Istanbul until block {first - 1} and QBFT from block {first} on"
    assert fine.severity is Severity.OK
    assert fine.found.startswith("QBFT, 4 validators")


@pytest.mark.shared
@pytest.mark.parametrize("protocol", ["qbft", "ibft2"])
async def test_a_real_newest_block_of_legacy_ibft_is_refused_by_name_and_block(
    shared_vectors: Path, protocol: str
) -> None:
    older = real(shared_vectors, "ibft1_headers")
    trust, findings = await survey(older, protocol, head=24)
    assert trust is None
    assert findings[0].severity is Severity.REFUSAL
    assert findings[0].found == "a chain with legacy Istanbul blocks from block 1 on"
    assert BFT.endpoint.recognise(older[24]) == {"protocol": "ibft"}
    trust, findings = await survey(older, "ibft", head=24)
    assert trust is not None
    assert findings[0].found == f"legacy Istanbul, {len(trust.header.validators)} validators, 3 to seal"


@pytest.mark.shared
async def test_real_qbft_headers_are_good_wherever_the_head_is(shared_vectors: Path) -> None:
    blocks = real(shared_vectors, "qbft_headers")
    heads = [head for head in blocks if all(number in blocks for number in range(head, 0, -16)[:8])]
    assert len(heads) > 50
    for head in heads:
        trust, findings = await survey(blocks, head=head)
        assert trust is not None
        assert trust.header.number == head
        assert [finding.severity for finding in findings] == [Severity.OK], (head, findings)


# --- who sealed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [HEAD, SAMPLED[4]])
async def test_a_quorum_of_2f_plus_1_is_refused_with_the_block(number: int) -> None:
    """Six validators of which two may be faulty: 2F+1 asks for three, two thirds for four."""
    six = validators(6)
    blocks = {height: Draft(BftKind.QBFT, six, number=height).rpc() for height in [*SAMPLED, HEAD]}
    blocks[number] = Draft(BftKind.QBFT, six, number=number, sealers=six[:3]).rpc()
    trust, findings = await survey(blocks)
    assert trust is not None
    (refusal,) = findings
    assert refusal.severity is Severity.REFUSAL
    assert (refusal.found, refusal.expected) == (f"block {number} sealed by 3 of 6", "at least 4")
    assert "2F+1" in refusal.advice
    assert "2FPlus1Enabled" in refusal.advice


async def test_seals_of_another_curve_are_named_as_what_they_may_be() -> None:
    """They recover to nobody: no talk of quorums then, which would send people to the wrong switch."""
    seals = [
        hashlib.sha256(b"r" + bytes([index])).digest()
        + hashlib.sha256(b"s" + bytes([index])).digest()[:-1]
        + bytes(2)
        for index in range(4)
    ]
    blocks = blocks_of(BftKind.QBFT, [*SAMPLED, HEAD])
    blocks[HEAD] = Draft(BftKind.QBFT, FOUR, number=HEAD, sealers=(), extra_seals=seals).rpc()
    _, findings = await survey(blocks)
    (refusal,) = findings
    assert refusal.found == f"block {HEAD} sealed by 0 of 4"
    assert "secp256k1" in refusal.advice
    assert "ecCurve" in refusal.advice
    assert "2F+1" not in refusal.advice


async def test_a_block_without_seals_is_no_matter_of_curves() -> None:
    blocks = blocks_of(BftKind.QBFT, [*SAMPLED, HEAD])
    blocks[168] = Draft(BftKind.QBFT, FOUR, number=168, sealers=()).rpc()
    _, findings = await survey(blocks)
    assert findings[0].found == "block 168 sealed by 0 of 4"
    assert "ecCurve" not in findings[0].advice


# --- before a survey ----------------------------------------------------------------------------------------


def test_a_head_that_the_light_client_would_not_read_is_refused() -> None:
    good = Draft(BftKind.QBFT, FOUR, number=9).rpc()
    assert BFT.endpoint.refuse_head(chain(), good) is None
    assert BFT.endpoint.refuse_head(chain("ibft2"), good) is not None
    assert BFT.endpoint.refuse_head(chain(), {}) is not None


async def test_nothing_but_blocks_is_asked_for() -> None:
    assert BFT.endpoint.questions == ()
    assert (await BFT.endpoint.discover("court", {"kind": "bft"})).keys == {}
    assert await BFT.endpoint.check_live(chain()) == []
    assert await BFT.endpoint.survey_destination(node({}), "port") == []


# --- trust --------------------------------------------------------------------------------------------------


def trust_in(number: int = HEAD, members: Sequence[Any] = FOUR) -> BftTrust:
    return BftTrust(Draft(BftKind.QBFT, members, number=number).header())


def test_a_deployment_writes_the_validators_unless_the_owners_named_some() -> None:
    bare = chain().consensus
    assert trust_in().with_rules(bare) == bare
    written = trust_in().with_bootstrap(bare)
    assert written.bootstrap is not None
    assert (written.bootstrap.height, written.bootstrap.validators) == (HEAD, ADDRESSES)
    chosen = BootstrapConfig(height=1, timestamp=2, validators=written.bootstrap.validators[:1])
    kept = trust_in().with_bootstrap(BftConfig(protocol="qbft", bootstrap=chosen))
    assert kept.bootstrap == chosen


async def test_without_a_configured_bootstrap_people_are_shown_what_the_provider_shows() -> None:
    trust = trust_in()
    assert await BFT.endpoint.follow(chain(), bytes(32), trust) == (trust, [])
    text = "\n".join(trust.describe("port", "court"))
    assert f"On port, trust in court begins with block {HEAD}" in text
    for address in ADDRESSES:
        assert f"  0x{address.hex()}" in text


async def follow(
    monkeypatch: pytest.MonkeyPatch, surveyed: Draft, served: Draft
) -> tuple[BftTrust | None, Finding]:
    """Follow a surveyed block from a bootstrap at the block before, with providers that serve another one."""

    class Served:
        provider_count = 1

        async def checked_block(self, number: int, check: Callable[[Block], Any]) -> Any:
            assert number == served.number
            return check(served.rpc())

        async def checked_blocks(self, numbers: Sequence[int], check: Callable[[list[Block]], Any]) -> Any:
            assert set(numbers) == {served.number}
            return check([served.rpc() for _ in numbers])

        async def close(self) -> None:
            """There is nothing to close."""

    monkeypatch.setattr(endpoint, "open_evm", lambda *_: Served())
    members = ", ".join(f'"0x{address.hex()}"' for address in ADDRESSES)
    bootstrap = f"""
[chains.court.consensus.bootstrap]
height = {HEAD - 1}
timestamp = {surveyed.timestamp - 1}
validators = [{members}]"""
    followed, (finding,) = await BFT.endpoint.follow(
        chain(bootstrap=bootstrap), bytes(32), BftTrust(surveyed.header())
    )
    return followed, finding


async def test_trust_begins_with_no_other_block_than_the_one_that_was_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """INV-7: the owner's provider makes up a header that lists its own validators, others tell the truth."""
    now = int(time.time())
    true = Draft(BftKind.QBFT, FOUR, number=HEAD, timestamp=now)
    followed, finding = await follow(monkeypatch, true, true)
    assert (followed, finding.severity) == (BftTrust(true.header()), Severity.OK)
    made_up = Draft(BftKind.QBFT, validators(4, 60), number=HEAD, timestamp=now)
    followed, finding = await follow(monkeypatch, made_up, true)
    assert (followed, finding.severity) == (None, Severity.REFUSAL)
    for block in (made_up, true):
        assert f"0x{block.block_hash().hex()}" in finding.found
    # Where everybody serves the made-up block, it does not follow from the bootstrap.
    followed, finding = await follow(monkeypatch, made_up, made_up)
    assert (followed, finding.severity) == (None, Severity.REFUSAL)
    assert "does not follow from the configured bootstrap" in finding.found


def test_shared_validators_are_a_conflict_and_others_are_not() -> None:
    trust = trust_in()
    assert trust.conflict(trust_in(members=validators(4, 10))) is None
    found = trust.conflict(trust_in(members=[*validators(3, 10), FOUR[2]]))
    assert found is not None
    assert found.found == f"1 shared validators (0x{ADDRESSES[2].hex()})"
    assert "no chain id" in found.advice
    every = trust.conflict(trust)
    assert every is not None
    assert every.found.startswith("4 shared validators (0x")
    assert every.found.endswith(", …)")


# --- what is deployed, and how it is judged -----------------------------------------------------------------


def test_a_client_is_created_with_what_was_surveyed_and_the_chains_periods() -> None:
    authority = b"\x11" * 20
    data = BFT.on_chain.creation(authority, chain("ibft2"), trust_in().record())
    artifact = load("BftLightClient")
    assert data.startswith(artifact.creation_code)
    arguments = abi.decode(artifact.constructor.input_types, data[len(artifact.creation_code) :])
    listed = tuple("0x" + address.hex() for address in ADDRESSES)
    terms = (listed, HEAD, 1_700_000_000, 77, 30)
    assert arguments == ("0x" + authority.hex(), BftKind.IBFT2, BftKind.IBFT2, 0, *terms)
    changing = chain("ibft2", then='{ protocol = "qbft", from_height = 150 }')
    data = BFT.on_chain.creation(authority, changing, trust_in().record())
    arguments = abi.decode(artifact.constructor.input_types, data[len(artifact.creation_code) :])
    assert arguments == ("0x" + authority.hex(), BftKind.IBFT2, BftKind.QBFT, 150, *terms)


def test_a_client_is_bootstrapped_again_with_what_was_surveyed() -> None:
    data = BFT.on_chain.bootstrap_call(chain("ibft2"), trust_in().record())
    call = load("BftLightClient").decode_call(data)
    assert call is not None
    listed = tuple("0x" + address.hex() for address in ADDRESSES)
    assert call == ("bootstrap", {"validators": listed, "height": HEAD, "timestamp": 1_700_000_000})


def test_what_a_client_was_told_is_kept_as_people_compare_it() -> None:
    assert to_plain(trust_in().record()) == {
        "height": HEAD,
        "timestamp": 1_700_000_000,
        "validators": ["0x" + address.hex() for address in ADDRESSES],
    }


def view(kinds: BftKinds = BftKind.QBFT, members: Sequence[bytes] = ADDRESSES) -> BftClientView:
    return BftClientView(
        contract="BftLightClient",
        address=b"\x05" * 20,
        status=Status.ACTIVE,
        height=HEAD,
        timestamp=1_700_000_000,
        trusting_period_s=77,
        max_clock_drift_s=30,
        authority=b"\x06" * 20,
        kinds=kinds,
        set_hash=set_hash(members),
    )


def judge(client: BftClientView, trust: BftTrust | None) -> list[Finding]:
    return BFT.endpoint.judge("court → port", "port", client, chain(), trust)


def test_a_client_that_trusts_who_seals_now_is_fine() -> None:
    (finding,) = judge(view(), trust_in())
    assert finding.severity is Severity.OK
    assert "3 of 4 must sign (two thirds)" in finding.found
    assert view().details() == {"protocol": "qbft", "set_hash": set_hash(ADDRESSES)}


def test_a_client_of_another_protocol_is_refused() -> None:
    for kinds in (BftKind.IBFT2, KindChange(BftKind.QBFT, BftKind.IBFT2, HEAD)):
        finding, _ = judge(view(kinds), trust_in())
        assert (finding.severity, finding.expected) == (Severity.REFUSAL, "QBFT")
        assert "IBFT 2.0" in finding.found
    details = view(KindChange(BftKind.IBFT2, BftKind.QBFT, 150)).details()
    assert details["protocol"] == "ibft2"
    assert details["then"] == {"protocol": "qbft", "from_height": 150}


@pytest.mark.parametrize(
    ("client", "configured_height", "severities"),
    [
        (KindChange(BftKind.QBFT, BftKind.IBFT2, HEAD + 9), HEAD + 9, [Severity.OK]),
        (BftKind.QBFT, HEAD + 9, [Severity.WARNING, Severity.OK]),
        (KindChange(BftKind.QBFT, BftKind.IBFT2, HEAD + 8), HEAD + 9, [Severity.WARNING, Severity.OK]),
        (KindChange(BftKind.QBFT, BftKind.IBFT2, HEAD + 10), HEAD + 9, [Severity.WARNING, Severity.OK]),
        (KindChange(BftKind.QBFT, BftKind.ISTANBUL, HEAD + 9), HEAD + 9, [Severity.WARNING, Severity.OK]),
    ],
)
def test_a_client_that_is_not_prepared_for_the_change_ahead_is_a_warning(
    client: BftKinds, configured_height: int, severities: list[Severity]
) -> None:
    terms = chain(then=f'{{ protocol = "ibft2", from_height = {configured_height} }}')
    findings = BFT.endpoint.judge("court → port", "port", view(client), terms, trust_in())
    assert [finding.severity for finding in findings] == severities
    if severities[0] is Severity.WARNING:
        changes = [configured_height, *([client.later_from] if isinstance(client, KindChange) else [])]
        assert f"From block {min(changes)} on" in findings[0].advice


def test_a_client_of_former_validators_is_a_warning_with_the_command_that_helps() -> None:
    (finding,) = judge(view(members=ADDRESSES[:3]), trust_in())
    assert finding.severity is Severity.WARNING
    assert f"the validators of block {HEAD}, which have changed since" in finding.found
    assert "postroad client update court port" in finding.advice


async def prove(client: BftClientView, blocks: Blocks, head: int = HEAD) -> Finding:
    """Prove a client's trust against a chain with these blocks; any other block is refused, as if pruned."""

    async def request(method: str, params: Sequence[Any]) -> Any:
        assert method == "eth_getBlockByNumber"
        number = head if params[0] == "latest" else int(params[0], 16)
        if number not in blocks:
            raise RpcRefused(-32000, "pruned history unavailable")
        return blocks[number]

    (finding,) = await BFT.endpoint.prove_trust("court → port", Node("court", request), chain(), client)
    return finding


async def test_a_trusted_set_is_that_of_the_header_of_its_height_whoever_seals_now() -> None:
    then = Draft(BftKind.QBFT, FOUR, number=HEAD, timestamp=1_700_000_000).rpc()
    now = Draft(BftKind.QBFT, validators(5, 10), number=HEAD + 9, timestamp=1_700_000_009).rpc()
    finding = await prove(view(), {HEAD: then, HEAD + 9: now}, HEAD + 9)
    assert finding.severity is Severity.OK
    assert f"the 4 validators that block {HEAD} itself lists" in finding.found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"set_hash": set_hash([b"\x11" * 20])}, f"which did not seal block {HEAD}"),
        ({"set_hash": set_hash(ADDRESSES[:3])}, f"which did not seal block {HEAD}"),
        ({"timestamp": 1_700_000_001}, "of time 1700000001"),
        ({"kinds": BftKind.IBFT2}, "which is not believed"),
        ({"height": HEAD + 1, "set_hash": set_hash([b"\x11" * 20])}, "and another set"),
    ],
)
async def test_a_set_that_never_was_the_chains_is_refused(change: dict[str, Any], words: str) -> None:
    """INV-7: a client that lags and one that was hijacked both trust a set that does not seal now."""
    block = Draft(BftKind.QBFT, FOUR, number=HEAD, timestamp=1_700_000_000).rpc()
    finding = await prove(replace(view(), **change), {HEAD: block})
    assert finding.severity is Severity.REFUSAL
    assert words in finding.found
    assert "forges every message" in finding.advice


async def test_of_what_a_node_can_not_show_only_the_set_that_seals_now_is_believed() -> None:
    """A height that no node shows is what a forger would choose."""
    block = Draft(BftKind.QBFT, FOUR, number=HEAD, timestamp=1_700_000_000).rpc()
    old = await prove(replace(view(), height=HEAD - 100), {HEAD: block})
    assert old.severity is Severity.WARNING
    assert "pruned history unavailable" in old.found
    assert "a provider with the whole chain" in old.advice
    forged = await prove(replace(view(members=[b"\x11" * 20]), height=HEAD - 100), {HEAD: block})
    assert forged.severity is Severity.REFUSAL
    assert "may never have existed" in forged.advice
    assert "forges every message" in forged.advice
    ahead = await prove(replace(view(), height=HEAD + 1), {HEAD: block})
    assert ahead.severity is Severity.WARNING
    assert f"while the newest one is {HEAD}" in ahead.found


def test_of_a_chain_that_could_not_be_read_nothing_is_said() -> None:
    assert judge(view(), None) == []


# --- a configured bootstrap ---------------------------------------------------------------------------------


async def check_bootstrap(text: str, blocks: Blocks) -> list[Finding]:
    async def request(method: str, params: Sequence[Any]) -> Any:
        assert method == "eth_getBlockByNumber"
        number = max(blocks) if params[0] == "latest" else int(params[0], 16)
        if number not in blocks:
            raise RpcRefused(-32000, "pruned history unavailable")
        return blocks[number]

    return await BFT.endpoint.check_bootstrap(Node("court", request), chain(bootstrap=text))


def bootstrap_text(
    height: int = 17, timestamp: int = 1_700_000_017, members: Sequence[bytes] = ADDRESSES
) -> str:
    listed = ", ".join(f'"0x{member.hex()}"' for member in members)
    return f"bootstrap = {{ height = {height}, timestamp = {timestamp}, validators = [{listed}] }}"


async def test_a_bootstrap_is_compared_with_the_chains_own_block() -> None:
    blocks = blocks_of(BftKind.QBFT, [17, HEAD])
    (finding,) = await check_bootstrap(bootstrap_text(), blocks)
    assert (finding.severity, finding.found) == (Severity.OK, "block 17 is as the node shows it")
    assert await check_bootstrap("", blocks) == []


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        (bootstrap_text(height=99_999_999), "height 99999999", f"at most {HEAD}"),
        (bootstrap_text(timestamp=1), "timestamp 1 of block 17", "1700000017"),
        (
            bootstrap_text(members=[*ADDRESSES[:3], b"\x07" * 20]),
            "0x" + "07" * 20,
            f"missing: 0x{ADDRESSES[3].hex()}",
        ),
        (bootstrap_text(members=ADDRESSES[::-1]), "in another order", "header"),
    ],
)
async def test_a_mistake_in_a_bootstrap_is_refused(text: str, found: str, expected: str) -> None:
    (finding,) = await check_bootstrap(text, blocks_of(BftKind.QBFT, [17, HEAD]))
    assert finding.severity is Severity.REFUSAL
    assert found in finding.found
    assert expected in finding.expected
    assert "chains.court.consensus.bootstrap" in finding.advice


async def test_a_bootstrap_that_a_node_can_not_show_is_a_warning() -> None:
    (finding,) = await check_bootstrap(bootstrap_text(), blocks_of(BftKind.QBFT, [HEAD]))
    assert finding.severity is Severity.WARNING
    (finding,) = await check_bootstrap(bootstrap_text(), blocks_of(BftKind.IBFT2, [17, HEAD]))
    assert (finding.severity, "is not believed" in finding.found) == (Severity.REFUSAL, True)
