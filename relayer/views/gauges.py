# SPDX-License-Identifier: MIT
"""A running relayer as Prometheus sees it.

The names and labels are an interface: dashboards and alerts rely on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from relayer.views.chain import ChainView
from relayer.views.client import LightClientView
from relayer.views.lane import LaneView
from relayer.views.relayer import RelayerView


def gauges(view: RelayerView) -> Iterator[Metric]:
    """Give every gauge of a relayer, as of the moment that the view was taken."""
    yield from _chain_gauges(view.chains)
    yield from _lane_gauges(view.lanes, view.at)
    yield from _client_gauges(view.clients, view.at)


def process_gauges(*, is_ready: bool, free_bytes: int | None) -> Iterator[Metric]:
    """Give the gauges of the process itself.

    `is_ready` is what the readiness probe says; `free_bytes` is the room beside the journal, None where no
    file of this machine holds it.
    """
    ready = GaugeMetricFamily("postroad_ready", "1 while every chain has a verified head.")
    ready.add_metric([], int(is_ready))
    yield ready
    if free_bytes is not None:
        free = GaugeMetricFamily("postroad_journal_free_bytes", "Free on the disk that holds the journal.")
        free.add_metric([], free_bytes)
        yield free


def _chain_gauges(chains: Iterable[ChainView]) -> Iterable[Metric]:
    heights = GaugeMetricFamily("postroad_height", "Block numbers.", labels=["chain", "kind"])
    unsettled = GaugeMetricFamily("postroad_open_transactions", "Signed and not settled.", labels=["chain"])
    balances = GaugeMetricFamily(
        "postroad_balance_wei", "What the sending accounts hold.", labels=["chain", "account"]
    )
    left = GaugeMetricFamily(
        "postroad_deliveries_left",
        "For about how many deliveries a balance is enough.",
        labels=["chain", "account"],
    )
    spent = GaugeMetricFamily(
        "postroad_spent_wei",
        "Spent and reserved in 24 hours.",
        labels=["chain"],
    )
    limits = GaugeMetricFamily(
        "postroad_spend_limit_wei", "The most that may be spent in 24 hours.", labels=["chain"]
    )
    for chain in chains:
        for kind, height in (
            ("head", chain.head_height or 0),
            ("verified", chain.verified_height),
            ("scanned", chain.scanned_height),
        ):
            heights.add_metric([chain.name, kind], height)
        unsettled.add_metric([chain.name], chain.open_transactions)
        for account in chain.accounts:
            labels = [chain.name, f"0x{account.address.hex()}"]
            # A value that is not known yet is no zero, which would sound an alarm.
            if account.balance_wei is not None:
                balances.add_metric(labels, account.balance_wei)
            if account.deliveries_left is not None:
                left.add_metric(labels, account.deliveries_left)
        spent.add_metric([chain.name], chain.policy.spent_wei)
        if chain.policy.max_spend_wei_per_day is not None:
            limits.add_metric([chain.name], chain.policy.max_spend_wei_per_day)
    return heights, unsettled, balances, left, spent, limits


def _lane_gauges(lanes: Iterable[LaneView], now_s: float) -> Iterable[Metric]:
    backlog = GaugeMetricFamily(
        "postroad_backlog_messages", "Proven, not confirmed or expired.", labels=["lane"]
    )
    oldest = GaugeMetricFamily(
        "postroad_oldest_message_seconds", "How long the oldest of them waits.", labels=["lane"]
    )
    proven = GaugeMetricFamily(
        "postroad_lane_proven", "Messages of the lane that are proven.", labels=["lane"]
    )
    settled = GaugeMetricFamily(
        "postroad_lane_settled", "Messages at its start that are final.", labels=["lane"]
    )
    waiting = GaugeMetricFamily(
        "postroad_waiting_messages", "Waiting messages by reason.", labels=["lane", "reason"]
    )
    for lane in lanes:
        backlog.add_metric([lane.name], lane.backlog)
        age_s = 0.0 if lane.oldest_since is None else max(0.0, now_s - lane.oldest_since)
        oldest.add_metric([lane.name], age_s)
        proven.add_metric([lane.name], lane.proven)
        settled.add_metric([lane.name], lane.settled)
        for reason, count in lane.waiting_messages.items():
            waiting.add_metric([lane.name, reason.value], count)
    return backlog, oldest, proven, settled, waiting


def _client_gauges(clients: Iterable[LightClientView], now_s: float) -> Iterable[Metric]:
    labels = ["source", "destination"]
    height = GaugeMetricFamily(
        "postroad_client_height", "The trusted height of a light client.", labels=labels
    )
    age = GaugeMetricFamily("postroad_client_age_seconds", "The age of its trusted header.", labels=labels)
    expiry = GaugeMetricFamily(
        "postroad_client_expires_in_seconds", "Time to its expiry; below 0 it is over.", labels=labels
    )
    active = GaugeMetricFamily("postroad_client_active", "1 unless it is expired or frozen.", labels=labels)
    for client in clients:
        if client.height is None or client.timestamp is None or client.expires_at is None:
            # It could not be read: no number is better than an old one that looks new.
            continue
        names = [client.source, client.destination]
        height.add_metric(names, client.height)
        age.add_metric(names, max(0.0, now_s - client.timestamp))
        # A header from the future, by a clock that runs ahead, does not make the client last longer.
        expiry.add_metric(names, client.expires_at - max(now_s, client.timestamp))
        active.add_metric(names, int(client.status == "active"))
    return height, age, expiry, active
