# SPDX-License-Identifier: MIT
"""Every gauge by its name and labels: they are an interface, so they are written out here."""

from __future__ import annotations

import msgspec
from prometheus_client import CollectorRegistry, generate_latest

from relayer.metrics import Metrics
from relayer.protocol.delivery import WaitingReason
from relayer.views.account import AccountView
from relayer.views.chain import ChainView
from relayer.views.client import LightClientView
from relayer.views.gauges import gauges, process_gauges
from relayer.views.lane import LaneView
from relayer.views.policy import PolicyView
from relayer.views.relayer import RelayerView

POLICY = PolicyView(
    max_spend_wei_per_day=10**18, spent_wei=10**17, max_batch_gas=1, max_batch_messages=1, max_wait_ms=1
)
CHAIN = ChainView(
    name="court",
    consensus=None,
    endpoint_id=bytes(32),
    gateway=bytes(20),
    head_height=12,
    head_timestamp=990,
    verified_height=11,
    verified_timestamp=980,
    scanned_height=10,
    open_transactions=3,
    accounts=(
        AccountView(address=b"\xab" * 20, balance_wei=10**18, open_transactions=1, deliveries_left=42),
    ),
    providers=(),
    policy=POLICY,
)
LANE = LaneView(
    name="court>port",
    lane=bytes(32),
    source="court",
    destination="port",
    channel=bytes(32),
    proven=40,
    settled=30,
    backlog=10,
    oldest_since=992.5,
    waiting=None,
    waiting_messages={WaitingReason.BATCH: 8, WaitingReason.PAUSED: 2},
)
CLIENT = LightClientView(
    source="court",
    destination="port",
    consensus=None,
    client=bytes(20),
    status="active",
    height=9,
    timestamp=940,
    expires_at=1_540,
    current=True,
)
VIEW = RelayerView(at=1_000.0, chains=(CHAIN,), lanes=(LANE,), clients=(CLIENT,))


def text_of(view: RelayerView) -> str:
    metrics = Metrics()
    metrics.watch(lambda: gauges(view))
    return metrics.text().decode()


def test_every_gauge_keeps_its_name_and_labels() -> None:
    # Beside them are those of the process and of the build.
    lines = [
        line
        for line in text_of(VIEW).splitlines()
        if line.startswith("postroad_") and "build_info" not in line
    ]
    assert lines == [
        'postroad_height{chain="court",kind="head"} 12.0',
        'postroad_height{chain="court",kind="verified"} 11.0',
        'postroad_height{chain="court",kind="scanned"} 10.0',
        'postroad_open_transactions{chain="court"} 3.0',
        f'postroad_balance_wei{{account="0x{"ab" * 20}",chain="court"}} 1e+18',
        f'postroad_deliveries_left{{account="0x{"ab" * 20}",chain="court"}} 42.0',
        'postroad_spent_wei{chain="court"} 1e+17',
        'postroad_spend_limit_wei{chain="court"} 1e+18',
        'postroad_backlog_messages{lane="court>port"} 10.0',
        'postroad_oldest_message_seconds{lane="court>port"} 7.5',
        'postroad_lane_proven{lane="court>port"} 40.0',
        'postroad_lane_settled{lane="court>port"} 30.0',
        'postroad_waiting_messages{lane="court>port",reason="batch"} 8.0',
        'postroad_waiting_messages{lane="court>port",reason="paused"} 2.0',
        'postroad_client_height{destination="port",source="court"} 9.0',
        'postroad_client_age_seconds{destination="port",source="court"} 60.0',
        'postroad_client_expires_in_seconds{destination="port",source="court"} 540.0',
        'postroad_client_active{destination="port",source="court"} 1.0',
    ]


def test_what_is_not_known_is_0_or_absent() -> None:
    account = AccountView(address=bytes(20), balance_wei=None, open_transactions=0, deliveries_left=None)
    policy = msgspec.structs.replace(POLICY, max_spend_wei_per_day=None)
    chain = msgspec.structs.replace(CHAIN, head_height=None, accounts=(account,), policy=policy)
    lane = msgspec.structs.replace(LANE, oldest_since=None)
    unread = LightClientView(source="a", destination="b", consensus=None, error="no answer")
    frozen = msgspec.structs.replace(CLIENT, status="frozen", timestamp=1_010)
    text = text_of(RelayerView(at=1_000.0, chains=(chain,), lanes=(lane,), clients=(unread, frozen)))
    for line in (
        'postroad_height{chain="court",kind="head"} 0.0',
        'postroad_oldest_message_seconds{lane="court>port"} 0.0',
        # Its header is from the future: it is of no age, and lasts no longer for that.
        'postroad_client_age_seconds{destination="port",source="court"} 0.0',
        'postroad_client_expires_in_seconds{destination="port",source="court"} 530.0',
        'postroad_client_active{destination="port",source="court"} 0.0',
    ):
        assert line in text
    assert 'source="a"' not in text
    for name in ("balance_wei", "deliveries_left", "spend_limit_wei"):
        assert f"postroad_{name}{{" not in text


def test_the_process_tells_of_itself() -> None:
    families = [
        *process_gauges(is_ready=True, free_bytes=5),
        *process_gauges(is_ready=False, free_bytes=None),
    ]
    told = [(sample.name, sample.value) for family in families for sample in family.samples]
    assert told == [("postroad_ready", 1), ("postroad_journal_free_bytes", 5), ("postroad_ready", 0)]


def test_gauges_are_read_at_each_scrape_and_not_before() -> None:
    reads = 0

    def read() -> RelayerView:
        nonlocal reads
        reads += 1
        return RelayerView(at=0.0)

    metrics = Metrics()
    metrics.watch(lambda: gauges(read()))
    assert reads == 0
    metrics.text()
    metrics.text()
    assert reads == 2
    assert generate_latest(CollectorRegistry()) == b""
