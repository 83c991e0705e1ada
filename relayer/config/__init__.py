# SPDX-License-Identifier: MIT
"""The configuration file: TOML, strict, without secrets (docs/reference/config.md).

Unknown keys are errors with a suggestion, numbers carry their unit in their name, and a mistake is told with
where it is, what was found, what was expected and what to do. `${NAME}` stands for an environment variable in
any text; the values that may hold credentials (`rpc`, `websocket`, the journal's URL) are `SecretUrl`s, which
never show them.

How a file becomes a `Config`:

1. `load` reads the file, `parse` its text (reading.py). lines.py remembers on which line every key stands.
2. Keys that no type has are refused; shapes.py tells how the types nest.
3. Environment variables are put in, and the kind of each chain decodes its table `[chains.NAME.consensus]`,
   for which it brings the type by entry point (consensus.py).
4. msgspec decodes the rest into the types of schema.py, with the values of values.py and secret_url.py.
5. checks.py refuses what types alone cannot: a chain's name, a URL's scheme, limits that
   contradict each other.

The way back is editing.py: it writes what a deployment found into the file, line by line, so that comments
and order stay; rendering.py makes the lines. Read schema.py first, then reading.py.
"""

from __future__ import annotations

from relayer.config.checks import check_schemes
from relayer.config.consensus import ConsensusConfig, TrustTerms, Where, keys_of_word, kind_names
from relayer.config.editing import render_endpoint, save_endpoint, set_endpoint
from relayer.config.errors import InvalidConfig
from relayer.config.reading import DEFAULT_PATH, load, parse
from relayer.config.rendering import render_table, render_value
from relayer.config.schema import (
    ApiConfig,
    BatchConfig,
    ChainConfig,
    Config,
    EndpointConfig,
    EndpointsConfig,
    JournalConfig,
    KeysConfig,
    LaneConfig,
    LogConfig,
)
from relayer.config.secret_url import SecretUrl, redact_url
from relayer.config.values import Bytes4, Bytes20, Bytes32

__all__ = [
    "DEFAULT_PATH",
    "ApiConfig",
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
