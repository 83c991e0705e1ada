# SPDX-License-Identifier: MIT
"""A file becomes types, or a mistake that says its place, what was found, what was expected and
what to do.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from relayer import config
from relayer.config import InvalidConfig
from relayer.consensus.bft.config import BftConfig
from tests.unit.config.samples import ENVIRONMENT, GATEWAY, GENESIS, GOOD, VALIDATOR, parse


def test_a_whole_file_is_read_into_types() -> None:
    read = parse(GOOD)
    court = read.chain("court")
    assert court.chain_id == 41
    assert court.gateway == b"\x11" * 20
    assert court.genesis_hash == b"\x22" * 32
    assert isinstance(court.consensus, BftConfig)
    assert (court.consensus.kind, court.consensus.protocol) == ("bft", "qbft")
    assert court.consensus.bootstrap is not None
    assert court.consensus.bootstrap.validators == (b"\x33" * 20,)
    assert court.max_fee_wei == 1_100_000_000
    assert court.max_spend_wei_per_day == 300_000_000_000_000_000
    assert court.rpc[0].reveal() == "http://user:hunter2@127.0.0.1:8545/key/s3cret"
    assert read.batch.max_gas_share == 0.25
    assert read.batch.max_messages == 256
    assert read.keys_directory == Path("keystores")
    assert [(lane.source, lane.destination, lane.channel_bytes) for lane in read.served_lanes()] == [
        ("court", "port", bytes(32))
    ]
    assert read.api.address == ("127.0.0.1", 9464)


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "postroad.toml"
    path.write_text(GOOD)
    read = config.load(path, ENVIRONMENT)
    assert read.journal_url.reveal() == f"sqlite:///{tmp_path}/postroad.db"
    assert read.keys_directory == tmp_path / "keystores"
    assert read.manifest_path == tmp_path / "endpoints.json"


@pytest.mark.parametrize(
    "url", ["sqlite:////var/lib/postroad.db", "sqlite:///:memory:", "postgresql://u:p@db/postroad"]
)
def test_absolute_and_other_journals_stay_as_they_are(url: str) -> None:
    assert parse(f'[journal]\nurl = "{url}"\n{GOOD}').journal_url.reveal() == url


def test_a_dollar_sign_can_be_written() -> None:
    assert parse(GOOD.replace("${RPC_KEY}", "$$5")).chain("court").rpc[0].reveal().endswith("/key/$5")


OTHER = """\
[chains.NAME]
chain = "eip155:43"
rpc = ["https://other.example"]
consensus = { kind = "bft", protocol = "qbft" }

"""


@pytest.mark.parametrize(
    ("line", "limit"),
    [("max_spend_ether_per_day = inf", None), ("max_spend_ether_per_day = 0", 0), ("", 10**18)],
)
def test_the_limit_of_a_day_has_a_default_and_a_word_for_none(line: str, limit: int | None) -> None:
    chain = parse(GOOD.replace("max_spend_ether_per_day = 0.3", line)).chain("court")
    assert chain.max_spend_wei_per_day == limit


def test_free_gas_can_be_asked_for_and_no_tip_is_a_default() -> None:
    chain = parse(GOOD.replace("max_fee_gwei = 1.1", "max_fee_gwei = 0")).chain("court")
    assert (chain.max_fee_wei, chain.priority_fee_wei) == (0, None)
    chain = parse(GOOD.replace("max_fee_gwei = 1.1", "priority_fee_gwei = 0.5")).chain("court")
    assert chain.priority_fee_wei == 500_000_000


MISTAKES = [
    # what is replaced, by what, the place, parts of the text
    ('rpc = ["https', 'rcp = ["https', "postroad.toml:28: chains.port.rcp", ["'rcp'", "Did you mean 'rpc'?"]),
    (
        "timestamp = 1",
        "timestmp = 1",
        "postroad.toml:23: chains.court.consensus.bootstrap.timestmp",
        ["'timestamp'"],
    ),
    ("[batch]", "[bach]", "postroad.toml:5: bach", ["Did you mean 'batch'?"]),
    ("[batch]", "[zzz]", "postroad.toml:5: zzz", ["one of journal, keys", "Remove it"]),
    (
        'destination = "port"',
        'target = "port"',
        "postroad.toml:37: lanes[0].target",
        ["source, destination, channel"],
    ),
    (
        '"ibft2"',
        '"tbft"',
        "postroad.toml:33: chains.port.consensus.protocol",
        ["'tbft'", "ibft, ibft2, qbft"],
    ),
    ('protocol = "ibft2"', "", "postroad.toml:31: chains.port.consensus", ["no 'protocol'"]),
    (
        "height = 17",
        "height = 'x'",
        "postroad.toml:22: chains.court.consensus.bootstrap.height",
        ["'x'", "expected a whole number)"],
    ),
    (
        "height = 17",
        "height = 0",
        "postroad.toml:22: chains.court.consensus.bootstrap.height",
        ["found 0", "a whole number of at least 1"],
    ),
    (GATEWAY, "0x11", "postroad.toml:11: chains.court.gateway", ["'0x11'", "20 bytes of hex"]),
    # A digit is in capitals that EIP-55 has in lower case.
    (
        GATEWAY,
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD".replace("aA", "AA"),
        "postroad.toml:11: chains.court.gateway",
        ["EIP-55"],
    ),
    (
        "[batch]",
        '[journal]\nurl = "postroad.db"\n[batch]',
        "journal.url",
        ["(not shown)", 'a database URL such as "sqlite:///postroad.db"'],
    ),
    ("[batch]", '[api]\nlisten = "127.0.0.1:0"\n[batch]', "api.listen", ["Port 0 would be"]),
    ("[batch]", "[log]\nlevel = 3\n[batch]", "log.level", ["found 3", "text in quotes"]),
    ("max_fee_gwei = 1.1", 'max_fee_gwei = "1"', "chains.court.max_fee_gwei", ["'1'", "expected a number)"]),
    ("max_fee_gwei = 1.1", 'priority_fee_gwei = "1"', "priority_fee_gwei", ["expected a number)"]),
    (
        'chain = "eip155:42"',
        'chain = "eip155:42"\nkeys = "k"',
        "chains.port.keys",
        ["a list in square brackets"],
    ),
    (GENESIS, "22" * 32, "postroad.toml:12: chains.court.genesis_hash", ["32 bytes of hex"]),
    (
        VALIDATOR,
        GENESIS,
        "postroad.toml:24: chains.court.consensus.bootstrap.validators[0]",
        ["20 bytes of hex"],
    ),
    ("0.25", "1.5", "postroad.toml:6: batch.max_gas_share", ["1.5", "a number of at most 1)"]),
    ("0.25", "true", "postroad.toml:6: batch.max_gas_share", ["true", "a number)"]),
    (
        "https://port.example",
        "port.example",
        "postroad.toml:28: chains.port.rpc[0]",
        ["(not shown)", "a URL"],
    ),
    ("https://port.example", "ws://a:b@x", "postroad.toml:28: chains.port.rpc[0]", ["ws://…@x", "http://"]),
    ("wss://port", "https://port", "postroad.toml:29: chains.port.websocket[0]", ["ws://"]),
    (
        "${RPC_KEY}",
        "${OTHER}",
        "postroad.toml:10: chains.court.rpc[0]",
        ["${OTHER}, which is not set", "Set OTHER"],
    ),
    ("${RPC_KEY}", "${", "postroad.toml:10: chains.court.rpc[0]", ["without a name", "$$"]),
    ('chain = "eip155:42"\n', "", "postroad.toml:26: chains.port", ["no 'chain'"]),
    ("eip155:42", "42", "postroad.toml:27: chains.port.chain", ["'42'", "CAIP-2"]),
    ("eip155:42", "eip155:0", "postroad.toml:27: chains.port.chain", ["'eip155:0'"]),
    (
        "[chains.port]",
        OTHER.replace("NAME", "Port") + "[chains.port]",
        "postroad.toml:26: chains.Port",
        ["a-z"],
    ),
    (
        'destination = "port"',
        'destination = "prot"',
        "postroad.toml:37: lanes[0].destination",
        ["'prot'", "court, port"],
    ),
    (
        'destination = "port"',
        'destination = "court"',
        "postroad.toml:37: lanes[0].destination",
        ["another chain"],
    ),
    (
        "max_fee_gwei = 1.1",
        "max_fee_gwei = 0.1\npriority_fee_gwei = 1",
        "chains.court.priority_fee_gwei",
        ["at most max_fee_gwei"],
    ),
    ("max_fee_gwei = 1.1", "max_fee_gwei = -1", "chains.court.max_fee_gwei", ["a number of at least 0"]),
    ("max_fee_gwei = 1.1", "max_fee_gwei = inf", "chains.court.max_fee_gwei", ["finite"]),
    (
        "max_fee_gwei = 1.1",
        "priority_fee_gwei = nan",
        "chains.court.priority_fee_gwei",
        ["a number of at least 0"],
    ),
    (
        "max_spend_ether_per_day = 0.3",
        "max_spend_ether_per_day = nan",
        "chains.court.max_spend_ether_per_day",
        ["a number of at least 0"],
    ),
    ('keys = ["relayer"]', 'keys = ["a", "a"]', "postroad.toml:13: chains.court.keys", ["twice"]),
    (f'["{VALIDATOR}"]', f'["{VALIDATOR}", "{VALIDATOR}"]', "chains.court.consensus.bootstrap", ["twice"]),
    (VALIDATOR, "0x" + "00" * 20, "chains.court.consensus.bootstrap", ["zero"]),
    ("[keys]", "[keys", "postroad.toml", ["line 1", "TOML"]),
    ("[keys]\n", '[keys]\npassword_file = "p"\n', "postroad.toml:2: keys.password_file", ["at most one"]),
    ("[batch]", "[api]\nlisten = '9464'\n[batch]", "postroad.toml:6: api.listen", ["host:port"]),
    (
        "[batch]",
        "[metrics]\nlisten = ''\n[batch]",
        "postroad.toml:5: metrics",
        ["[metrics] is called [api] now"],
    ),
    ("[batch]", "[api]\nhosts = ['h:80']\n[batch]", "postroad.toml:6: api.hosts[0]", ["without a port"]),
    (
        "[batch]",
        "[api]\ncors_origins = ['*']\n[batch]",
        "postroad.toml:6: api.cors_origins[0]",
        ["scheme://"],
    ),
    (
        "[batch]",
        "[api]\ntoken_env = 'T'\ntoken_file = 't'\n[batch]",
        "postroad.toml:7: api.token_file",
        ["at most one"],
    ),
    (
        "[batch]",
        "[endpoints]\ndefault_gas_limit = 3000000\n[batch]",
        "endpoints.default_gas_limit",
        ["max_gas_limit"],
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "place", "parts"), MISTAKES, ids=[f"{m[2]}-{n}" for n, m in enumerate(MISTAKES)]
)
def test_a_mistake_is_told_with_place_found_expected_and_advice(
    old: str, new: str, place: str, parts: list[str]
) -> None:
    assert old in GOOD
    with pytest.raises(InvalidConfig) as caught:
        parse(GOOD.replace(old, new, 1))
    error = caught.value
    assert place in error.where
    assert error.found
    assert error.expected
    assert error.advice
    for part in parts:
        assert part in str(error)
    for secret in ("hunter2", "s3cret"):
        assert secret not in str(error)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="postroad init"):
        config.load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidConfig, match="UTF-8"):
        config.load(tmp_path / "bytes.toml")
