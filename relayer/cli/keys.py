# SPDX-License-Identifier: MIT
"""`postroad keys`: makes, imports and lists encrypted signing keys.

Secrets are asked for or piped in. They are never words of the command line, which other users
of the machine see.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import config_option, json_option
from relayer.cli.output import doing, print_json, print_table
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.keys import KeyStore, StoredKey

_ENCRYPTING: Final = "Encrypting the key, which is slow on purpose"


@click.group()
def keys() -> None:
    """Make, import and list encrypted signing keys."""


@keys.command("new")
@click.argument("name")
@config_option
@json_option
def new(name: str, config_path: Path, as_json: bool) -> None:
    """Make a random key and keep it encrypted."""
    store, password = _open(config_path, confirm=True)
    with doing(_ENCRYPTING):
        key = store.new(name, password)
    _show(key, as_json)


@keys.command("import")
@click.argument("name")
@click.option(
    "--keystore",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Import a keystore file of another wallet (its password is asked for, or POSTROAD_OLD_PASSWORD).",
)
@config_option
@json_option
def import_(name: str, keystore: Path | None, config_path: Path, as_json: bool) -> None:
    """Import a private key, or another wallet's keystore file.

    A private key is asked for without an echo, or read from a pipe.
    """
    from relayer.keys import read_password

    store, password = _open(config_path, confirm=True)
    if keystore is None:
        secret = _read_secret("Private key (64 hex digits)")
        with doing(_ENCRYPTING):
            key = store.import_private_key(name, secret, password)
        _show(key, as_json)
        return
    old = read_password(variable="POSTROAD_OLD_PASSWORD") if _is_set("POSTROAD_OLD_PASSWORD") else ""
    old = old or _read_secret(f"Password of {keystore}")
    with doing(_ENCRYPTING):
        key = store.import_keystore(name, keystore, old, password)
    _show(key, as_json)


@keys.command("list")
@config_option
@json_option
def list_(config_path: Path, as_json: bool) -> None:
    """List the keys and their addresses. Nothing is unlocked."""
    found = _store(config_path).list()
    if as_json:
        from relayer.views.account import key_view

        print_json([key_view(key) for key in found])
        return
    rows = [(key.name, hex_of(key.address), str(key.path)) for key in found]
    print_table(("name", "address", "file"), rows, empty="No keys yet: `postroad keys new NAME` makes one.")


def _store(config_path: Path) -> KeyStore:
    """Return the store of keys; without a configuration file it is the folder `keys` beside where
    that would be.
    """
    from relayer import config
    from relayer.keys import KeyStore

    directory = (
        config.load(config_path).keys_directory if config_path.exists() else config_path.parent / "keys"
    )
    return KeyStore(directory)


def _open(config_path: Path, *, confirm: bool) -> tuple[KeyStore, str]:
    from relayer import config
    from relayer.keys import read_password

    store = _store(config_path)
    settings = config.load(config_path).keys if config_path.exists() else config.KeysConfig(password_env=None)
    variable = settings.password_env or ("POSTROAD_PASSWORD" if _is_set("POSTROAD_PASSWORD") else None)
    file = None if settings.password_file is None else config_path.parent / settings.password_file
    if settings.password_file is not None:
        variable = None

    def ask() -> str:
        prompt = "Password for the keystore"
        return str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))

    return store, read_password(variable=variable, file=file, ask=ask if sys.stdin.isatty() else None)


def _read_secret(prompt: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=True, err=True))
    line = sys.stdin.readline().strip()
    if not line:
        raise CommandFailed(
            ExitCode.CONFIG, "nothing on the standard input", prompt, "Pipe it in, or use a terminal."
        )
    return line


def _is_set(variable: str) -> bool:
    import os

    return bool(os.environ.get(variable))


def _show(key: StoredKey, as_json: bool) -> None:
    if as_json:
        from relayer.views.account import key_view

        print_json(key_view(key))
        return
    click.echo(f"{key.name}  {hex_of(key.address)}  {key.path}")
