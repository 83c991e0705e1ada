# SPDX-License-Identifier: MIT
"""The configuration file: TOML, strict, without secrets (docs/reference/config.md).

Unknown keys are errors with a suggestion, numbers carry their unit in their name, and a mistake is told with where it
is, what was found, what was expected and what to do. `${NAME}` stands for an environment variable in any text; the
values that may hold credentials (`rpc`, `websocket`, the journal's URL) are `SecretUrl`s, which never show them.
"""

from __future__ import annotations

from relayer.config.editing import render_endpoint, render_network, save_endpoint, set_endpoint
from relayer.config.errors import InvalidConfig
from relayer.config.networks import network_of, params_of, setting_of
from relayer.config.reading import DEFAULT_PATH, load, parse
from relayer.config.schema import (
    AnyBootstrap,
    BatchConfig,
    BlobConfig,
    BootstrapConfig,
    Bytes4,
    Bytes20,
    Bytes32,
    ChainConfig,
    CheckpointConfig,
    Config,
    EndpointConfig,
    EndpointsConfig,
    ForkConfig,
    JournalConfig,
    KeysConfig,
    LaneConfig,
    LogConfig,
    MetricsConfig,
    NetworkName,
    NetworkTable,
)
from relayer.config.secret_url import SecretUrl, redact_url

__all__ = [
    "DEFAULT_PATH",
    "AnyBootstrap",
    "BatchConfig",
    "BlobConfig",
    "BootstrapConfig",
    "Bytes4",
    "Bytes20",
    "Bytes32",
    "ChainConfig",
    "CheckpointConfig",
    "Config",
    "EndpointConfig",
    "EndpointsConfig",
    "ForkConfig",
    "InvalidConfig",
    "JournalConfig",
    "KeysConfig",
    "LaneConfig",
    "LogConfig",
    "MetricsConfig",
    "NetworkName",
    "NetworkTable",
    "SecretUrl",
    "load",
    "network_of",
    "params_of",
    "parse",
    "redact_url",
    "render_endpoint",
    "render_network",
    "save_endpoint",
    "set_endpoint",
    "setting_of",
]
