# SPDX-License-Identifier: MIT
"""The tables of the file and what they mean (docs/reference/config.md)."""

from __future__ import annotations

import difflib
import math
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from relayer.config.consensus import ConsensusConfig
from relayer.config.errors import InvalidConfig
from relayer.config.secret_url import SecretUrl
from relayer.config.values import Bytes20, Bytes32, NotNegative

_WEI_PER_GWEI: Final = 10**9
_WEI_PER_ETHER: Final = 10**18
_WORD_BYTES: Final = 32

# A batch gives a gas limit in four bytes (wire-formats §4).
_Gas = Annotated[int, msgspec.Meta(ge=21_000, lt=2**32)]
_Amount = Annotated[float, msgspec.Meta(ge=0)]


class JournalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the journal is kept. A relative SQLite path counts from the configuration file's folder."""

    url: SecretUrl = SecretUrl("sqlite:///postroad.db")


class KeysConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where encrypted keystores are, and where their password comes from (neither given: asked for)."""

    directory: str = "keys"
    password_env: str | None = None
    password_file: str | None = None


class ApiConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the HTTP API, metrics and probes are served, and to whom.

    `listen` is `host:port`; an empty text turns the server off. `hosts` are the names that requests may ask
    for besides those of this machine's loopback. `cors_origins` are the web pages that browsers may show
    answers to. Writes need the token, which comes from one of `token_env` and `token_file`.
    """

    listen: str = "127.0.0.1:9464"
    hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    token_env: str | None = None
    token_file: str | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port; None when nothing is served."""
        if not self.listen:
            return None
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class LogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the daemon logs: `text` for people, `json` for machines."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class BatchConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How messages are put together.

    `max_gas_share` is the share of a block's gas limit that one transaction may take; a lone message waits
    for company no longer than `max_wait_ms`.
    """

    max_gas_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    max_wait_ms: NotNegative = 1_000
    # A page has 256 messages, and a batch never crosses one (ADR 0004). Its items are counted in two bytes.
    max_messages: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 256


class EndpointsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `postroad endpoint` deploys with.

    `admin` and `guardian` default to the deploying key; `admin_delay_s` is how long an admin's change waits.
    The gas and payload limits are those of the public lanes towards a remote.
    """

    manifest: str = "endpoints.json"
    admin: Bytes20 | None = None
    guardian: Bytes20 | None = None
    channel_opener: Bytes20 | None = None
    admin_delay_s: NotNegative = 172_800
    default_gas_limit: _Gas = 200_000
    max_gas_limit: _Gas = 2_000_000
    # A batch gives a payload's length in three bytes (wire-formats §4).
    max_payload_bytes: Annotated[int, msgspec.Meta(ge=1, lt=2**24)] = 24_576


class ChainConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One chain: how to talk to it, and why to believe it.

    `gateway`, `genesis_hash` and some keys of `consensus` are missing until an endpoint is deployed or
    joined; `require_endpoint` gives them together. `keys` name the keystores that relay, `sender` the one
    that `postroad send` and the library sign with, `deployer` the one that deploys and administrates; without
    them, the first of `keys`.
    """

    chain: str
    rpc: Annotated[tuple[SecretUrl, ...], msgspec.Meta(min_length=1)]
    websocket: tuple[SecretUrl, ...] = ()
    poll_interval_ms: Annotated[int, msgspec.Meta(ge=50)] = 1_000
    gateway: Bytes20 | None = None
    genesis_hash: Bytes32 | None = None
    consensus: ConsensusConfig
    trusting_period_s: Annotated[int, msgspec.Meta(ge=60, le=2**63 - 1)] = 1_209_600
    max_clock_drift_s: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 30
    keys: tuple[str, ...] = ()
    sender: str | None = None
    deployer: str | None = None
    max_fee_gwei: _Amount = 500.0
    priority_fee_gwei: _Amount | None = None
    max_spend_ether_per_day: _Amount = 1.0

    @property
    def chain_id(self) -> int:
        """The EIP-155 chain id."""
        return int(self.chain.partition(":")[2])

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys that relaying needs and that are not there yet."""
        absent = tuple(key for key in ("gateway", "genesis_hash") if getattr(self, key) is None)
        return (*absent, *(f"consensus.{key}" for key in self.consensus.missing))

    @property
    def max_fee_wei(self) -> int:
        """The most that is paid for a unit of gas, in wei; 0 where only free gas is taken."""
        return _scale(self.max_fee_gwei, _WEI_PER_GWEI)

    @property
    def priority_fee_wei(self) -> int | None:
        """The tip for a unit of gas, in wei; None for what nodes suggest, up to 1 gwei."""
        return None if self.priority_fee_gwei is None else _scale(self.priority_fee_gwei, _WEI_PER_GWEI)

    @property
    def max_spend_wei_per_day(self) -> int | None:
        """The most that all keys of this chain together spend in 24 hours, in wei.

        0 where only free gas is taken; None for no limit, which the file has as `inf`.
        """
        if math.isinf(self.max_spend_ether_per_day):
            return None
        return _scale(self.max_spend_ether_per_day, _WEI_PER_ETHER)


class LaneConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A lane that is served, by the names of its chains; no channel means the public lane."""

    source: str
    destination: str
    channel: Bytes32 | None = None

    @property
    def channel_bytes(self) -> bytes:
        """The channel as the lane's id has it: 32 bytes, zero for the public lane."""
        return bytes(_WORD_BYTES) if self.channel is None else self.channel


class EndpointConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a chain's configuration says of its endpoint, with nothing missing.

    `gateway` has 20 bytes, `genesis_hash` 32; `consensus` has all that trust begins with.
    """

    gateway: bytes
    genesis_hash: bytes
    consensus: ConsensusConfig


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `chains` and `lanes` are the heart; the rest has defaults.

    `directory` is no key of the file: it is the folder that relative paths count from.
    """

    journal: JournalConfig = JournalConfig()
    keys: KeysConfig = KeysConfig()
    api: ApiConfig = ApiConfig()
    log: LogConfig = LogConfig()
    batch: BatchConfig = BatchConfig()
    endpoints: EndpointsConfig = EndpointsConfig()
    chains: dict[str, ChainConfig]
    lanes: tuple[LaneConfig, ...] | None = None
    directory: Path = Path()

    def resolve(self, path: str) -> Path:
        """Return a path of the file, counted from the file's folder."""
        return self.directory / Path(path).expanduser()

    @property
    def journal_url(self) -> SecretUrl:
        """The journal's URL for SQLAlchemy, a relative SQLite path made absolute."""
        prefix = "sqlite:///"
        url = self.journal.url.reveal()
        path = url.removeprefix(prefix)
        if not url.startswith(prefix) or path.startswith("/") or path in {"", ":memory:"}:
            return self.journal.url
        return SecretUrl(f"{prefix}{self.directory.absolute() / path}")

    @property
    def keys_directory(self) -> Path:
        """The folder of the keystores."""
        return self.resolve(self.keys.directory)

    @property
    def manifest_path(self) -> Path:
        """The file that `postroad endpoint` keeps what it has deployed in."""
        return self.resolve(self.endpoints.manifest)

    def chain(self, name: str) -> ChainConfig:
        """Return a chain by its name. Raises InvalidConfig when there is none."""
        if name not in self.chains:
            close = difflib.get_close_matches(name, self.chains, 1)
            advice = f"Did you mean {close[0]!r}?" if close else "Name one of them, or add a table for it."
            raise InvalidConfig(f"chains.{name}", "no such chain", f"one of {', '.join(self.chains)}", advice)
        return self.chains[name]

    def require_endpoint(self, name: str) -> EndpointConfig:
        """Return what a chain needs to be relayed. Raises InvalidConfig naming what is missing."""
        chain = self.chain(name)
        if chain.missing:
            raise InvalidConfig(
                f"chains.{name}",
                f"no {', '.join(chain.missing)}",
                "the endpoint's gateway, the genesis hash, and what trust in its consensus begins with",
                "Run `postroad endpoint deploy`, or copy them from the endpoint's owner.",
            )
        assert chain.gateway is not None
        assert chain.genesis_hash is not None
        return EndpointConfig(
            gateway=chain.gateway, genesis_hash=chain.genesis_hash, consensus=chain.consensus
        )

    def served_lanes(self) -> tuple[LaneConfig, ...]:
        """Return the lanes to relay.

        Where the file lists none, they are the public lanes of every pair of chains, both ways. Whether a
        pair is registered with each other is not known here.
        """
        if self.lanes is not None:
            return self.lanes
        return tuple(LaneConfig(source=a, destination=b) for a in self.chains for b in self.chains if a != b)

    def left_out(self) -> dict[str, tuple[str, ...]]:
        """Return the chains of served lanes that can't be relayed yet, with the keys that they lack."""
        names = dict.fromkeys(
            name for lane in self.served_lanes() for name in (lane.source, lane.destination)
        )
        return {name: self.chain(name).missing for name in names if self.chain(name).missing}

    def relayed_lanes(self) -> tuple[LaneConfig, ...]:
        """Return the lanes that a relayer takes up: those of `served_lanes` between complete endpoints."""
        without = self.left_out()
        return tuple(
            lane
            for lane in self.served_lanes()
            if lane.source not in without and lane.destination not in without
        )


def _scale(amount: float, unit: int) -> int:
    # The decimal text counts, as it stands in the file: the binary fraction behind it is some wei off.
    return int(Decimal(str(amount)) * unit)
