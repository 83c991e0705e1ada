# SPDX-License-Identifier: MIT
"""Options that many commands share, and what they turn into."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from relayer.cli.output import doing

if TYPE_CHECKING:
    from relayer.config import Config
    from relayer.keys import Key

F = TypeVar("F", bound=Callable[..., Any])

_DURATION: Final = re.compile(r"(\d+)\s*(ms|s|m|h|d)?")
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def combine(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Return one decorator that adds several options and arguments, in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def json_option(command: F) -> F:
    """Add `--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/reference/cli.md).")(
        command
    )


def config_option(command: F) -> F:
    """Add `--config`, passed as `config_path`."""
    return click.option(
        "-c",
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        default="postroad.toml",
        show_default=True,
        envvar="POSTROAD_CONFIG",
        help="The configuration file.",
    )(command)


def yes_option(command: F) -> F:
    """Add `--yes`, passed as `yes`."""
    return click.option("-y", "--yes", is_flag=True, help="Don't ask.")(command)


class HexParam(click.ParamType[bytes]):
    """Bytes in hex, with or without 0x; of a length where one is given."""

    name = "hex"

    def __init__(self, length: int | None = None) -> None:
        self._length = length

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Return the bytes; anything else is a usage error that says what was expected."""
        if isinstance(value, bytes):
            return value
        text = str(value).removeprefix("0x")
        expected = "hex" if self._length is None else f"{self._length} bytes of hex"
        try:
            data = bytes.fromhex(text)
        except ValueError:
            self.fail(f"found {value!r}, expected {expected}", param, ctx)
        if self._length is not None and len(data) != self._length:
            self.fail(f"found {len(data)} bytes, expected {expected}", param, ctx)
        return data


class AddressParam(click.ParamType[bytes]):
    """A 20-byte address; a wrong checksum is an error."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Return the 20 bytes; anything else is a usage error that says what was expected."""
        from relayer.errors import PostroadError
        from relayer.protocol.interop_address import parse_evm_address

        if isinstance(value, bytes):
            return value
        try:
            return parse_evm_address(str(value))
        except PostroadError as error:
            self.fail(str(error), param, ctx)


class DurationParam(click.ParamType[float]):
    """A time span such as 30s, 10m, 2h, 1d; in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds; anything else is a usage error that says what was expected."""
        if isinstance(value, (int, float)):
            return float(value)
        match = _DURATION.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"found {value!r}, expected a time span such as 30s, 10m, 2h or 1d", param, ctx)
        return int(match[1]) * _UNITS_S[match[2]]


def load_config(path: Path) -> Config:
    """Read the configuration file. Raises InvalidConfig."""
    from relayer import config

    return config.load(path)


def unlock(config: Config, name: str) -> Key:
    """Unlock a keystore by its name.

    The password comes from where the configuration says; otherwise a person at a terminal is
    asked. Raises KeyUnavailable.
    """
    from relayer.keys import KeyStore

    store = KeyStore(config.keys_directory)
    # Fails for a name that isn't there before anybody is asked for a password.
    store.find(name)
    password = password_of(config)
    with doing(f"Unlocking the key {name}"):
        return store.unlock(name, password)


@functools.cache
def _asked() -> str:
    return str(click.prompt("Password of the keystores", hide_input=True, err=True))


def password_of(config: Config) -> str:
    """Return the keystores' password. A person is asked at most once in a process."""
    from relayer.keys import read_password

    file = config.keys.password_file
    return read_password(
        variable=config.keys.password_env,
        file=None if file is None else config.resolve(file),
        ask=_asked if sys.stdin.isatty() else None,
    )


def key_option(command: F) -> F:
    """Add `--key`, passed as `key`: the keystore to sign with."""
    return click.option(
        "--key", metavar="NAME", help="The keystore to sign with, instead of the configured one."
    )(command)


def signer_of(config: Config, chain: str, key: str | None, *, purpose: str) -> Key:
    """Unlock the key for a purpose on a chain: the one that was named, else the configured one.

    `purpose` is a key of the chain's table, `sender` or `deployer`; without it the chain's first relaying key
    is used.
    """
    return unlock(config, signer_name(config, chain, key, purpose=purpose))


def signer_name(config: Config, chain: str, key: str | None, *, purpose: str) -> str:
    """Return which keystore `signer_of` unlocks. Raises KeyUnavailable where none is named."""
    from relayer.errors import KeyUnavailable

    table = config.chain(chain)
    name: str | None = key or getattr(table, purpose) or (table.keys[0] if table.keys else None)
    if name is None:
        raise KeyUnavailable(
            f"no key to sign with on {chain}",
            f"--key, chains.{chain}.{purpose} or chains.{chain}.keys",
            "Make one with `postroad keys new NAME`, and name it.",
        )
    return name
