# SPDX-License-Identifier: MIT
"""From text to a configuration: strict, and every mistake told with its place."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from relayer.config.checks import check
from relayer.config.errors import InvalidConfig
from relayer.config.lines import Lines
from relayer.config.schema import (
    BootstrapConfig,
    Bytes4,
    Bytes20,
    Bytes32,
    ChainConfig,
    CheckpointConfig,
    Config,
    ForkText,
    NetworkName,
)
from relayer.config.secret_url import SecretUrl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_PATH = Path("postroad.toml")

_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\}|(?=\{))")
_SIZES: Mapping[type, int] = {Bytes4: 4, Bytes20: 20, Bytes32: 32}


def load(path: Path | str = DEFAULT_PATH, environment: Mapping[str, str] = os.environ) -> Config:
    """Read and check a configuration file. Raises InvalidConfig."""
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        advice = "Write one with `postroad init`, or name another with --config."
        raise InvalidConfig(str(path), "no such file", "a configuration file", advice) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(
            str(path), str(error), "a readable text file in UTF-8", "Check the path and its mode."
        ) from error
    return parse(text, name=str(path), directory=path.parent, environment=environment)


def parse(
    text: str,
    *,
    name: str = "postroad.toml",
    directory: Path = Path(),
    environment: Mapping[str, str] = os.environ,
) -> Config:
    """Read a configuration from text; `name` is how errors call it. Raises InvalidConfig."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        advice = "Correct the syntax; texts need quotes, and every line is `key = value` or `[table]`."
        raise InvalidConfig(name, str(error), "TOML", advice) from error
    lines = Lines(name, text)
    _refuse_unknown(raw, Config, (), lines)
    expanded = _expand(raw, (), lines, environment)
    try:
        config: Config = msgspec.convert(
            _tag_bootstraps(expanded) | {"directory": directory}, Config, dec_hook=_decode
        )
    except msgspec.ValidationError as error:
        raise _explain(error, raw, lines) from error
    check(config, lines)
    return config


def _tables_of(struct: type[msgspec.Struct]) -> dict[str, tuple[str, type[msgspec.Struct] | None]]:
    """Return a struct's keys with how each nests: "one" table, "list" or "named" tables, or "" for a plain value."""
    shapes: dict[str, tuple[str, type[msgspec.Struct] | None]] = {}
    for field in msgspec.structs.fields(struct):
        if struct is Config and field.name == "directory":
            continue
        shapes[field.name] = _shape(msgspec.inspect.type_info(field.type))
    return shapes


def _shape(kind: msgspec.inspect.Type) -> tuple[str, type[msgspec.Struct] | None]:
    if isinstance(kind, msgspec.inspect.UnionType):
        shapes = [_shape(each) for each in kind.types]
        return next((shape for shape in shapes if shape[1] is not None), ("", None))
    if isinstance(kind, msgspec.inspect.StructType):
        return "one", kind.cls
    if isinstance(kind, msgspec.inspect.DictType) and isinstance(kind.value_type, msgspec.inspect.StructType):
        return "named", kind.value_type.cls
    if isinstance(kind, msgspec.inspect.VarTupleType) and isinstance(
        kind.item_type, msgspec.inspect.StructType
    ):
        return "list", kind.item_type.cls
    return "", None


def _refuse_unknown(
    raw: object, struct: type[msgspec.Struct], path: tuple[str | int, ...], lines: Lines
) -> None:
    """Find keys that mean nothing, here rather than in msgspec, to suggest the ones that were meant."""
    if not isinstance(raw, dict):
        return
    known = _tables_of(struct)
    if struct is ChainConfig:
        known["bootstrap"] = ("one", _bootstrap_of(raw))
    for key, value in raw.items():
        if key not in known:
            _refuse_other_bootstrap(key, struct, path, lines)
            close = difflib.get_close_matches(key, known, 1, 0.5)
            advice = (
                f"Did you mean {close[0]!r}?"
                if close
                else "Remove it; docs/reference/config.md lists the keys."
            )
            raise InvalidConfig(
                lines.where((*path, key)), f"the unknown key {key!r}", f"one of {', '.join(known)}", advice
            )
        shape, inner = known[key]
        if inner is None:
            continue
        for step, nested in _nested(shape, value):
            _refuse_unknown(nested, inner, (*path, key, *step), lines)


def _bootstrap_of(chain: Mapping[str, Any]) -> type[BootstrapConfig | CheckpointConfig]:
    """Which kind of bootstrap a chain's table has: its consensus says it."""
    return CheckpointConfig if chain.get("consensus") == "ethereum" else BootstrapConfig


def _refuse_other_bootstrap(
    key: str, struct: type[msgspec.Struct], path: tuple[str | int, ...], lines: Lines
) -> None:
    """Say it plainly where a bootstrap is of the other kind."""
    other: type[msgspec.Struct]
    if struct is BootstrapConfig:
        other, expected = CheckpointConfig, "height, timestamp, validators: who seals a block of a BFT chain"
    elif struct is CheckpointConfig:
        other, expected = BootstrapConfig, "root, slot: a finalized block of the beacon chain"
    else:
        return
    if key in _tables_of(other):
        what = "the bootstrap of another consensus"
        advice = f"chains.{path[1]}.consensus decides which of the two it is: correct the one or the other."
        raise InvalidConfig(lines.where((*path, key)), f"{key!r}, a key of {what}", expected, advice)


def _tag_bootstraps(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Tell msgspec which kind of bootstrap each chain has."""
    chains = raw.get("chains")
    if not isinstance(chains, dict):
        return dict(raw)
    return dict(raw) | {"chains": {name: _tag_bootstrap(table) for name, table in chains.items()}}


def _tag_bootstrap(chain: object) -> object:
    if not isinstance(chain, dict) or not isinstance(chain.get("bootstrap"), dict):
        return chain
    tag = _bootstrap_of(chain).__struct_config__.tag
    return chain | {"bootstrap": chain["bootstrap"] | {"kind": tag}}


def _nested(shape: str, value: object) -> Iterator[tuple[tuple[str | int, ...], object]]:
    if shape == "one":
        yield (), value
    elif shape == "named" and isinstance(value, dict):
        for name, nested in value.items():
            yield (name,), nested
    elif shape == "list" and isinstance(value, list):
        for index, nested in enumerate(value):
            yield (index,), nested


def _expand(value: Any, path: tuple[str | int, ...], lines: Lines, environment: Mapping[str, str]) -> Any:
    """Put environment variables into texts; `$$` is a dollar sign."""
    if isinstance(value, dict):
        return {key: _expand(each, (*path, key), lines, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [_expand(each, (*path, index), lines, environment) for index, each in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name = match[1]
        if name is None:
            where = lines.where(path)
            raise InvalidConfig(where, "${ without a name", "${NAME}", "Write $$ for a dollar sign.")
        if name not in environment:
            raise InvalidConfig(
                lines.where(path),
                f"${{{name}}}, which is not set",
                "the name of an environment variable",
                f"Set {name} before you start, or write the value itself; $$ stands for a dollar sign.",
            )
        return environment[name]

    return _VARIABLE.sub(replace, value)


def _decode(kind: type, value: object) -> object:
    """Turn a text of the file into one of our own types; the ValueError's text says what was expected."""
    if kind is Path and isinstance(value, Path):
        return value
    if kind is SecretUrl:
        if not isinstance(value, str):
            message = "a URL in quotes"
            raise ValueError(message)
        if not re.match(r"[a-z][a-z0-9+.-]*://", value):
            message = "a URL such as https://host:port"
            raise ValueError(message)
        return SecretUrl(value)
    if kind in _SIZES:
        size = _SIZES[kind]
        if not isinstance(value, str) or not re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * size}}}", value):
            message = f"{size} bytes of hex in quotes, 0x and {2 * size} digits"
            raise ValueError(message)
        decoded: object = kind(bytes.fromhex(value[2:]))
        return decoded
    message = f"{kind.__name__} can't be read from a file"
    raise NotImplementedError(message)


def _explain(error: msgspec.ValidationError, raw: Mapping[str, Any], lines: Lines) -> InvalidConfig:
    """Turn msgspec's error into ours: the place, what is there, what should be, what to do."""
    text, _, place = str(error).partition(" - at `$")
    path = _walk(place.rstrip("`"), raw)
    value: Any = raw
    for part in path:
        value = value[part] if not isinstance(value, dict) or part in value else None
    missing = re.fullmatch(r"Object missing required field `(\w+)`", text)
    if missing:
        where = lines.where(path)
        return InvalidConfig(
            where, f"no {missing[1]!r}", "that key, which has no default", f"Add a line `{missing[1]} = …`."
        )
    expected = text.removeprefix("Expected ")
    expected = re.sub(r", got `.+`$", "", expected).replace("`", "")
    secret = any(part in {"rpc", "websocket", "beacon", "url"} for part in path)
    found = "(not shown)" if secret and isinstance(value, str) else _show(value)
    choices = re.fullmatch(r"Invalid enum value '(.*)'", text)
    if choices:
        expected = _choices(path)
    return InvalidConfig(
        lines.where(path), found, expected, "Correct the value; docs/reference/config.md explains the key."
    )


def _choices(path: tuple[str | int, ...]) -> str:
    literals = {
        "consensus": ("qbft", "ibft2", "ethereum"),
        "network": (*get_args(NetworkName), "a table [chains.NAME.network]"),
        "preset": ("mainnet", "minimal"),
        "name": get_args(ForkText),
        "level": ("debug", "info", "warning", "error"),
        "format": ("text", "json"),
    }
    return "one of " + ", ".join(literals.get(str(path[-1]), ())) if path else "another value"


def _walk(place: str, raw: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Read msgspec's path; `[...]` stands for a key of a dict or an index that msgspec doesn't name: the first bad one."""
    parts: list[str | int] = []
    for step in re.findall(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])", place):
        if step[0]:
            parts.append(step[0])
        elif step[1]:
            parts.append(int(step[1]))
        else:
            parts.append("...")
    return _resolve(tuple(parts), raw)


def _resolve(path: tuple[str | int, ...], raw: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Name the chain in whose table the mistake is: the first that can't be read by itself."""
    if len(path) < 2 or path[:2] != ("chains", "..."):
        return path
    for name, table in raw["chains"].items():
        try:
            expanded = _tag_bootstrap(_expand(table, (), Lines("", ""), _Anything()))
            msgspec.convert(expanded, ChainConfig, dec_hook=_decode)
        except (msgspec.ValidationError, InvalidConfig):
            return ("chains", name, *path[2:])
    return ("chains", *path[2:])


class _Anything(dict[str, str]):
    """An environment in which every variable is set."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> str:
        return "http://variable"


def _show(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else f"a list of {len(value)}"
    return repr(value)
