# SPDX-License-Identifier: MIT
"""Reads a text into a configuration. It is strict, and tells every mistake with its place."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from relayer.config.checks import check
from relayer.config.consensus import ConsensusConfig, config_of, keys_of_word, kind_names, kinds_with
from relayer.config.errors import InvalidConfig
from relayer.config.lines import Lines
from relayer.config.schema import ChainConfig, Config
from relayer.config.shapes import Shape, Steps, choices_at, is_secret, shapes_of
from relayer.config.values import decode_value
from relayer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PATH: Final = Path("postroad.toml")

#: `$$`, `${NAME}`, or `${` that is not closed and is refused.
_VARIABLE: Final = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\}|(?=\{))")

#: What msgspec calls types, and what people call them.
_TYPES: Final = {
    "str": "text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list in square brackets",
    "object": "a table",
    "null": "",
}
_LIMITS: Final = {">=": "of at least", "<=": "of at most", ">": "above", "<": "below"}
#: Where the type alone would lead somebody astray.
_EXPECTED_AT: Final[Mapping[Steps, str]] = {
    ("journal", "url"): 'a database URL such as "sqlite:///postroad.db"'
}


def load(path: Path | str = DEFAULT_PATH, environment: Mapping[str, str] = os.environ) -> Config:
    """Read and check a configuration file.

    Args:
        path: the file; relative paths in it count from its folder.
        environment: what `${NAME}` in the file stands for.

    Raises:
        InvalidConfig: the file can't be read, or it has a mistake.
    """
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
    """Read and check a configuration that is given as text.

    Args:
        text: TOML.
        name: how errors call the text.
        directory: the folder that relative paths in it count from.
        environment: what `${NAME}` in it stands for.

    Raises:
        InvalidConfig: the text has a mistake.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        advice = "Correct the syntax; texts need quotes, and every line is `key = value` or `[table]`."
        raise InvalidConfig(name, str(error), "TOML", advice) from error
    lines = Lines(name, text)
    # This comes before variables are put in, so a key in the wrong place is told before its variable.
    _refuse_unknown(raw, Config, (), lines)
    expanded = _expand(raw, (), lines, environment)
    decoded = _decode_consensus(expanded, lines)
    try:
        config: Config = msgspec.convert(decoded | {"directory": directory}, Config, dec_hook=decode_value)
    except msgspec.ValidationError as error:
        raise _explain(error, Config, (), raw, lines) from error
    check(config, lines)
    return config


def _refuse_unknown(raw: object, struct: type[msgspec.Struct], path: Steps, lines: Lines) -> None:
    """Raise InvalidConfig for a key that no type has, with the one that was probably meant.

    msgspec would refuse it as well, but without a suggestion.
    """
    if not isinstance(raw, dict):
        return
    known = shapes_of(struct)
    if struct is Config:
        del known["directory"]
    if struct is ChainConfig and "consensus" in raw:
        known["consensus"] = Shape("one", _consensus_type(raw["consensus"], (*path, "consensus"), lines))
    for key, value in raw.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, 1, 0.5)
            advice = (
                _find_home(key, struct, known, path)
                or (f"Did you mean {close[0]!r}?" if close else None)
                or "Remove it; docs/reference/config.md lists the keys."
            )
            raise InvalidConfig(
                lines.where((*path, key)), f"the unknown key {key!r}", f"one of {', '.join(known)}", advice
            )
        inner = known[key].struct
        if inner is None:
            continue
        for steps, nested in known[key].nested(value):
            _refuse_unknown(nested, inner, (*path, key, *steps), lines)


def _consensus_type(table: object, path: Steps, lines: Lines) -> type[msgspec.Struct]:
    """Return the type that a table `[chains.NAME.consensus]` is decoded to, by its kind.

    Raises InvalidConfig.
    """
    where, dotted = lines.where(path), ".".join(map(str, path))
    if isinstance(table, str):
        keys = keys_of_word(table)
        shown = "its kind" if keys is None else ", ".join(f'{key} = "{value}"' for key, value in keys.items())
        advice = f"Write [{dotted}] with {shown}; the keys of the consensus, such as bootstrap, belong there."
        raise InvalidConfig(where, repr(table), f"a table [{dotted}]", advice)
    if not isinstance(table, dict):
        raise InvalidConfig(where, _show(table), f"a table [{dotted}]", "Write the table, with a kind.")
    kind, installed = table.get("kind"), kind_names()
    if not isinstance(kind, str):
        found = "no 'kind'" if kind is None else f"the kind {_show(kind)}"
        advice = f'Add a line `kind = "{installed[0] if installed else "..."}"`.'
        raise InvalidConfig(where, found, f"one of {', '.join(installed)}", advice)
    if kind not in installed:
        keys, close = keys_of_word(kind), difflib.get_close_matches(kind, installed, 1, 0.5)
        if keys is not None:
            advice = "Write " + " and ".join(f'{key} = "{value}"' for key, value in keys.items()) + "."
        else:
            advice = f"Did you mean {close[0]!r}?" if close else "Install the distribution that offers it."
        where = lines.where((*path, "kind"))
        raise InvalidConfig(where, f"the kind {kind!r}", f"one of {', '.join(installed)}", advice)
    try:
        found_type = config_of(kind)
    except ConfigError as error:
        raise InvalidConfig(where, error.found, error.expected, error.advice) from error
    assert issubclass(found_type, msgspec.Struct)
    return found_type


def _find_home(key: str, struct: type[msgspec.Struct], known: Mapping[str, Shape], path: Steps) -> str | None:
    """Return advice for a key that has another name now, or stands in the wrong table of a chain.

    None where no table has it.
    """
    if (key, path) == ("metrics", ()):
        return "[metrics] is called [api] now: rename the table, `listen` stays."
    if path[:1] != ("chains",):
        return None
    consensus = known.get("consensus")
    if struct is ChainConfig and consensus is not None and consensus.struct is not None:
        if key in shapes_of(consensus.struct):
            return f"It belongs to [{'.'.join(map(str, path))}.consensus]."
        return None
    if path[2:3] != ("consensus",):
        return None
    if key in shapes_of(ChainConfig):
        return f"It belongs to [chains.{path[1]}], above the first table below that."
    for kind in kinds_with(key, path[3:]):
        return f"It is a key of kind = {kind!r}: chains.{path[1]}.consensus.kind decides, correct one or the other."
    return None


def _decode_consensus(raw: Mapping[str, Any], lines: Lines) -> dict[str, Any]:
    """Let each chain's kind decode its own table. Raises InvalidConfig."""
    chains = raw.get("chains")
    if not isinstance(chains, dict):
        return dict(raw)
    decoded: dict[str, Any] = {}
    for name, chain in chains.items():
        decoded[name] = chain
        if not isinstance(chain, dict) or "consensus" not in chain:
            continue
        path = ("chains", name, "consensus")
        table = chain["consensus"]
        kind = _consensus_type(table, path, lines)
        try:
            consensus = msgspec.convert(table, kind, dec_hook=decode_value)
        except msgspec.ValidationError as error:
            raise _explain(error, kind, path, table, lines) from error
        decoded[name] = chain | {"consensus": consensus}
    return dict(raw) | {"chains": decoded}


def _expand(value: Any, path: Steps, lines: Lines, environment: Mapping[str, str]) -> Any:
    """Return a value with environment variables put into its texts; `$$` is a dollar sign."""
    if isinstance(value, dict):
        return {key: _expand(below, (*path, key), lines, environment) for key, below in value.items()}
    if isinstance(value, list):
        return [_expand(below, (*path, index), lines, environment) for index, below in enumerate(value)]
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


def _explain(
    error: msgspec.ValidationError, struct: type[msgspec.Struct], prefix: Steps, raw: Any, lines: Lines
) -> InvalidConfig:
    """Return our error for one of msgspec: the place, what is there, what should be, and what to do.

    `raw` is what was decoded to `struct`, and stands at `prefix` in the file.
    """
    text, _, place = str(error).partition(" - at `$")
    path = _resolve(_read_place(place.rstrip("`")), raw)
    value: Any = raw
    for part in path:
        value = value[part] if not isinstance(value, dict) or part in value else None
    where = lines.where((*prefix, *path))
    missing = re.fullmatch(r"Object missing required field `(\w+)`", text)
    if missing:
        advice = f"Add a line `{missing[1]} = …`."
        if (struct, path[:1], missing[1]) == (Config, ("chains",), "consensus"):
            advice = f"Add a table [{'.'.join(map(str, path))}.consensus] with its kind."
        return InvalidConfig(where, f"no {missing[1]!r}", "that key, which has no default", advice)
    expected = text.removeprefix("Expected ")
    expected = _in_words(re.sub(r", got `.+`$", "", expected).replace("`", ""))
    if struct is Config:
        expected = _EXPECTED_AT.get(path, expected)
    found = "(not shown)" if is_secret(struct, path) and isinstance(value, str) else _show(value)
    if re.fullmatch(r"Invalid enum value '(.*)'", text):
        expected = "one of " + ", ".join(choices_at(struct, path))
    return InvalidConfig(
        where, found, expected, "Correct the value; docs/reference/config.md explains the key."
    )


def _in_words(expected: str) -> str:
    """Return what msgspec expected in words that need no knowledge of types."""
    match = re.match(rf"(?:(?:{'|'.join(_TYPES)})(?: \| |(?= |$)))+", expected)
    if match is None:
        return expected
    names = [name.strip() for name in match[0].split("|")]
    words = " or ".join(_TYPES[name] for name in names if name != "null")
    rest = expected[match.end() :]
    for sign, word in _LIMITS.items():
        rest = re.sub(rf"(?<=\s){sign} (?=[-\d])", f"{word} ", rest)
    rest = re.sub(r"(\d)\.0$", r"\1", rest)
    return f"{words} {rest.strip()}".strip()


def _read_place(place: str) -> Steps:
    """Read msgspec's path; `...` stands for a key of a dict or an index that msgspec doesn't name."""
    parts: list[str | int] = []
    for step in re.findall(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])", place):
        if step[0]:
            parts.append(step[0])
        elif step[1]:
            parts.append(int(step[1]))
        else:
            parts.append("...")
    return tuple(parts)


def _resolve(path: Steps, raw: Mapping[str, Any]) -> Steps:
    """Name the chain in whose table the mistake is: the first that can't be read by itself."""
    if len(path) < 2 or path[:2] != ("chains", "..."):
        return path
    for name, table in raw["chains"].items():
        try:
            expanded = _expand(table, (), Lines("", ""), _Anything())
            rest = {key: value for key, value in expanded.items() if key != "consensus"}
            unread = {"consensus": ConsensusConfig()} if "consensus" in expanded else {}
            msgspec.convert(rest | unread, ChainConfig, dec_hook=decode_value)
        except (msgspec.ValidationError, InvalidConfig, AttributeError):
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
