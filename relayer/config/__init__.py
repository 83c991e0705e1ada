# SPDX-License-Identifier: MIT
"""The configuration file: TOML, strict, without secrets (docs/reference/config.md).

Unknown keys are errors with a suggestion, numbers carry their unit in their name, and a mistake is told with
where it is, what was found, what was expected and what to do. `${NAME}` stands for an environment variable in
any text; the values that may hold credentials (`rpc`, `websocket`, the journal's URL) are `SecretUrl`s, which
never show them.
"""

from __future__ import annotations

from relayer.config.checks import check_schemes
from relayer.config.consensus import ConsensusConfig, TrustTerms, Where, keys_of_word, kind_names
from relayer.config.editing import render_endpoint, save_endpoint, set_endpoint
from relayer.config.errors import InvalidConfig
from relayer.config.reading import DEFAULT_PATH, load, parse
from relayer.config.rendering import render_table, render_value
from relayer.config.schema import (
    BatchConfig,
    ChainConfig,
    Config,
    EndpointConfig,
    EndpointsConfig,
    JournalConfig,
    KeysConfig,
    LaneConfig,
    LogConfig,
    MetricsConfig,
)
from relayer.config.secret_url import SecretUrl, redact_url
from relayer.config.values import Bytes4, Bytes20, Bytes32

__all__ = [
    "DEFAULT_PATH",
    "BatchConfig",
    "Bytes4",
    "Bytes20",
    "Bytes32",
    "ChainConfig",
    "Config",
    "ConsensusConfig",
    "EndpointConfig",
    "EndpointsConfig",
    "InvalidConfig",
    "JournalConfig",
    "KeysConfig",
    "LaneConfig",
    "LogConfig",
    "MetricsConfig",
    "SecretUrl",
    "TrustTerms",
    "Where",
    "check_schemes",
    "keys_of_word",
    "kind_names",
    "load",
    "parse",
    "redact_url",
    "render_endpoint",
    "render_table",
    "render_value",
    "save_endpoint",
    "set_endpoint",
]
