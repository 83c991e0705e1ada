# SPDX-License-Identifier: MIT
"""What a type alone can't say of a configuration."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from relayer.config.errors import InvalidConfig
from relayer.config.networks import network_of, params_of
from relayer.config.schema import BootstrapConfig, ForkText, NetworkTable

if TYPE_CHECKING:
    from relayer.config.lines import Lines
    from relayer.config.schema import ChainConfig, Config

_CHAIN_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_CAIP2 = re.compile(r"eip155:([1-9][0-9]{0,31})")
_ADDRESS_BYTES = 20


def check(config: Config, lines: Lines) -> None:
    """Check what a type alone can't say."""
    # The keys of each table
    if config.keys.password_env is not None and config.keys.password_file is not None:
        where = lines.where(("keys", "password_file"))
        raise InvalidConfig(
            where, "both password_env and password_file", "at most one of them", "Remove one."
        )
    try:
        address = config.metrics.address
    except ValueError:
        address = ("", 0)
    if address is not None and (not address[0] or not 0 < address[1] < 1 << 16):
        where = lines.where(("metrics", "listen"))
        advice = 'Write "127.0.0.1:9464", or "" for no metrics.'
        raise InvalidConfig(where, repr(config.metrics.listen), "host:port", advice)
    endpoints = config.endpoints
    if endpoints.default_gas_limit > endpoints.max_gas_limit:
        raise InvalidConfig(
            lines.where(("endpoints", "default_gas_limit")),
            str(endpoints.default_gas_limit),
            f"at most max_gas_limit, {endpoints.max_gas_limit}",
            "Lower one or raise the other.",
        )
    # The chains
    if not config.chains:
        raise InvalidConfig(
            lines.where(("chains",)), "no chain", "at least one", "Add a table [chains.NAME]."
        )
    for name, chain in config.chains.items():
        _check_chain(name, chain, lines)
    # The lanes
    seen: set[tuple[str, str, bytes]] = set()
    for index, lane in enumerate(config.lanes or ()):
        path = ("lanes", index)
        for key in ("source", "destination"):
            if getattr(lane, key) not in config.chains:
                raise InvalidConfig(
                    lines.where((*path, key)),
                    repr(getattr(lane, key)),
                    f"one of {', '.join(config.chains)}",
                    "Name a chain that has a table [chains.NAME].",
                )
        if lane.source == lane.destination:
            advice = "A lane joins two chains."
            raise InvalidConfig(
                lines.where((*path, "destination")), repr(lane.destination), "another chain", advice
            )
        key_of = (lane.source, lane.destination, lane.channel_bytes)
        if key_of in seen:
            raise InvalidConfig(
                lines.where(path), "a lane that is listed already", "each lane once", "Remove one."
            )
        seen.add(key_of)


def _check_chain(name: str, chain: ChainConfig, lines: Lines) -> None:
    path = ("chains", name)
    if not _CHAIN_NAME.fullmatch(name):
        advice = "It goes into file names and metrics, so keep it plain."
        raise InvalidConfig(
            lines.where(path), repr(name), "a name of a-z, 0-9 and -, at most 32 long", advice
        )
    if not _CAIP2.fullmatch(chain.chain):
        advice = 'Write the chain id as CAIP-2, such as "eip155:1337".'
        raise InvalidConfig(
            lines.where((*path, "chain")), repr(chain.chain), "eip155: and the chain id", advice
        )
    schemes = {"rpc": ("http", "https"), "websocket": ("ws", "wss"), "beacon": ("http", "https")}
    for key, expected in schemes.items():
        for index, url in enumerate(getattr(chain, key)):
            if urlsplit(url.reveal()).scheme not in expected:
                where = lines.where((*path, key, index))
                raise InvalidConfig(
                    where, str(url), " or ".join(f"{each}://" for each in expected), "Correct the URL."
                )
    if chain.priority_fee_gwei > chain.max_fee_gwei:
        where = lines.where((*path, "priority_fee_gwei"))
        expected_text = f"at most max_fee_gwei, {chain.max_fee_gwei}"
        raise InvalidConfig(
            where, str(chain.priority_fee_gwei), expected_text, "Lower one or raise the other."
        )
    if len(set(chain.keys)) != len(chain.keys):
        raise InvalidConfig(lines.where((*path, "keys")), "a key twice", "each key once", "Remove one.")
    if chain.consensus == "ethereum":
        _check_beacon(chain, path, lines)
    else:
        _refuse_beacon(chain, path, lines)


def _refuse_beacon(chain: ChainConfig, path: tuple[str | int, ...], lines: Lines) -> None:
    """A BFT chain: its bootstrap, and nothing that belongs to a beacon chain."""
    for key in ("beacon", "network", "threshold"):
        if getattr(chain, key):
            advice = f'Remove it, or is the consensus "ethereum"? (It is {chain.consensus!r}.)'
            found = f"{key!r}, which only a beacon chain has"
            raise InvalidConfig(lines.where((*path, key)), found, f"no {key!r}", advice)
    if isinstance(chain.bootstrap, BootstrapConfig):
        validators = chain.bootstrap.validators
        if len(set(validators)) != len(validators) or bytes(_ADDRESS_BYTES) in validators:
            where = lines.where((*path, "bootstrap"))
            raise InvalidConfig(
                where, "a validator twice or zero", "distinct validators", "Copy the list again."
            )


def _check_beacon(chain: ChainConfig, path: tuple[str | int, ...], lines: Lines) -> None:
    """A beacon chain: its Beacon API, its network, and how many of the committee must sign."""
    if not chain.beacon:
        advice = (
            'Add a line `beacon = ["https://..."]`, the Beacon API of a consensus client; several are better.'
        )
        raise InvalidConfig(lines.where(path), "no 'beacon'", "at least one Beacon API", advice)
    if chain.network is None:
        return
    if isinstance(chain.network, NetworkTable):
        _check_forks(chain.network, (*path, "network"), lines)
    try:
        network = network_of(chain.network)
    except ValueError as error:
        raise InvalidConfig(
            lines.where((*path, "network")),
            str(error),
            "a network that the light client can follow",
            "Compare it with the node's /eth/v1/config/spec.",
        ) from error
    # Loaded only for those who have a beacon chain.
    from light_clients.ethereum.params import least_threshold

    size = network.preset.sync_committee_size
    if chain.threshold is not None and not least_threshold(size) <= chain.threshold <= size:
        where, least = lines.where((*path, "threshold")), least_threshold(size)
        advice = "Fewer than two thirds of the committee could sign for another chain than the rest follows."
        raise InvalidConfig(where, str(chain.threshold), f"{least} to {size} of {size} members", advice)
    try:
        params_of(network, chain.threshold, chain.trusting_period_s, chain.max_clock_drift_s)
    except ValueError as error:
        found, _, expected = str(error).partition(", expected ")
        advice = "No light client can be deployed with it; docs/reference/config.md explains the keys."
        raise InvalidConfig(
            lines.where(path), found.replace("found ", ""), expected or "other values", advice
        ) from error


def _check_forks(network: NetworkTable, path: tuple[str | int, ...], lines: Lines) -> None:
    forks = network.forks
    order = get_args(ForkText)
    for earlier, later in pairwise(forks):
        if later.epoch < earlier.epoch or order.index(later.name) <= order.index(earlier.name):
            found = f"{later.name} at epoch {later.epoch} after {earlier.name} at {earlier.epoch}"
            advice = (
                "List the forks as the chain went through them; of several at one epoch all may be listed."
            )
            raise InvalidConfig(lines.where((*path, "forks")), found, "forks in ascending order", advice)
    if len({each.version for each in forks}) != len(forks):
        found, expected = "a fork version twice", "a version of its own for each fork"
        raise InvalidConfig(lines.where((*path, "forks")), found, expected, "Copy the list again.")
    if not any(network.genesis_validators_root):
        where = lines.where((*path, "genesis_validators_root"))
        advice = "Read it from /eth/v1/beacon/genesis."
        raise InvalidConfig(where, "zero", "the root of the genesis validators", advice)
