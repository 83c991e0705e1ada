# SPDX-License-Identifier: MIT
"""What a type alone can't say of a configuration: each check raises InvalidConfig with the place."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from relayer.config.consensus import platforms_of
from relayer.config.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from relayer.config.consensus import Where
    from relayer.config.lines import Lines
    from relayer.config.schema import ApiConfig, ChainConfig, Config
    from relayer.config.secret_url import SecretUrl

#: A chain's name goes into file names, metrics and commands.
_CHAIN_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
#: CAIP-2 of the EVM's namespace: its reference is the EIP-155 number, of at most 32 digits.
_CAIP2: Final = re.compile(r"eip155:([1-9][0-9]{0,31})")
#: A name or an address as it stands in a Host header, without a port.
_HOST: Final = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]")
#: What browsers send as Origin (RFC 6454).
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


def check(config: Config, lines: Lines) -> None:
    """Refuse a configuration whose values contradict each other, or name what is not there.

    Args:
        config: as it was decoded.
        lines: where its keys stand, for errors.

    Raises:
        InvalidConfig: with the place, what was found, what was expected and what to do.
    """
    _check_shared_tables(config, lines)
    if not config.chains:
        raise InvalidConfig(
            lines.where(("chains",)), "no chain", "at least one", "Add a table [chains.NAME]."
        )
    for name, chain in config.chains.items():
        _check_chain(name, chain, lines)
    _check_same(config, lines)
    _check_lanes(config, lines)


def _check_shared_tables(config: Config, lines: Lines) -> None:
    if config.keys.password_env is not None and config.keys.password_file is not None:
        where = lines.where(("keys", "password_file"))
        raise InvalidConfig(
            where, "both password_env and password_file", "at most one of them", "Remove one."
        )
    _check_api(config.api, lines)
    endpoints = config.endpoints
    if endpoints.default_gas_limit > endpoints.max_gas_limit:
        raise InvalidConfig(
            lines.where(("endpoints", "default_gas_limit")),
            str(endpoints.default_gas_limit),
            f"at most max_gas_limit, {endpoints.max_gas_limit}",
            "Lower one or raise the other.",
        )


def _check_same(config: Config, lines: Lines) -> None:
    """Refuse one chain under two names. Chains of one id may differ, but not those of one genesis block."""
    seen: dict[tuple[str, bytes], str] = {}
    for name, chain in config.chains.items():
        if chain.genesis_hash is None:
            continue
        other = seen.setdefault((chain.chain, chain.genesis_hash), name)
        if other != name:
            raise InvalidConfig(
                lines.where(("chains", name, "chain")),
                f"{chain.chain} with the genesis block of {other}",
                "each chain once",
                "Remove one of the two, or correct its chain and genesis_hash.",
            )


def _check_api(api: ApiConfig, lines: Lines) -> None:
    try:
        address = api.address
    except ValueError:
        address = ("", 0)
    if address is not None and (not address[0] or not 0 < address[1] < 1 << 16):
        where = lines.where(("api", "listen"))
        advice = 'Write "127.0.0.1:9464", or "" for no server.'
        if address[0] and address[1] == 0:
            advice += " Port 0 would be another one at every start, so that nobody could find it."
        raise InvalidConfig(where, repr(api.listen), "host:port, the port from 1 to 65535", advice)
    if api.token_env is not None and api.token_file is not None:
        where = lines.where(("api", "token_file"))
        raise InvalidConfig(where, "both token_env and token_file", "at most one of them", "Remove one.")
    for index, host in enumerate(api.hosts):
        if not _HOST.fullmatch(host):
            where = lines.where(("api", "hosts", index))
            raise InvalidConfig(where, repr(host), "a host name without a port", "Correct the name.")
    for index, origin in enumerate(api.cors_origins):
        if not _ORIGIN.fullmatch(origin):
            where = lines.where(("api", "cors_origins", index))
            advice = "Write each page's origin as browsers send it. There is no sign for all of them."
            raise InvalidConfig(where, repr(origin), "scheme://host or scheme://host:port", advice)


def _check_lanes(config: Config, lines: Lines) -> None:
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

    namespace, platforms = chain.chain.partition(":")[0], platforms_of(chain.consensus.kind)
    if namespace not in platforms:
        raise InvalidConfig(
            lines.where((*path, "chain")),
            f"a chain of {namespace}, believed by the kind {chain.consensus.kind}",
            f"one of {', '.join(platforms)}",
            "Correct the chain's name, or take a kind that can believe such a chain.",
        )

    def place(*keys: str | int) -> str:
        return lines.where((*path, *keys))

    check_schemes(chain.rpc, ("http", "https"), place, "rpc")
    check_schemes(chain.websocket, ("ws", "wss"), place, "websocket")
    _check_amounts(chain, place)
    if chain.priority_fee_gwei is not None and chain.priority_fee_gwei > chain.max_fee_gwei:
        where = lines.where((*path, "priority_fee_gwei"))
        expected_text = f"at most max_fee_gwei, {chain.max_fee_gwei}"
        raise InvalidConfig(
            where, str(chain.priority_fee_gwei), expected_text, "Lower one or raise the other."
        )
    if len(set(chain.keys)) != len(chain.keys):
        raise InvalidConfig(lines.where((*path, "keys")), "a key twice", "each key once", "Remove one.")
    chain.consensus.check(chain, lambda *keys: place("consensus", *keys))


def _check_amounts(chain: ChainConfig, place: Where) -> None:
    """Refuse an infinite price. For the limit of a day that says that there is none."""
    for key in ("max_fee_gwei", "priority_fee_gwei"):
        if getattr(chain, key) == math.inf:
            raise InvalidConfig(place(key), "inf", "a finite number of at least 0", "Correct the value.")


def check_schemes(urls: Iterable[SecretUrl], schemes: Sequence[str], where: Where, *keys: str | int) -> None:
    """Raise InvalidConfig for a URL whose scheme is none of `schemes`; the list stands at `where(*keys)`."""
    for index, url in enumerate(urls):
        if urlsplit(url.reveal()).scheme not in schemes:
            expected = " or ".join(f"{scheme}://" for scheme in schemes)
            raise InvalidConfig(where(*keys, index), str(url), expected, "Correct the URL.")
