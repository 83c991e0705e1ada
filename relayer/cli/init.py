# SPDX-License-Identifier: MIT
"""`postroad init`: writes a configuration, by questions or by options."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import config_option, json_option
from relayer.cli.output import print_json, say
from relayer.cli.running import run_async

_SHAPE: Final = "NAME=CONSENSUS,URL[,URL...]"
#: A URL for a key of the consensus' table. The scheme behind the `=` tells it from a plain URL with a query.
_KEYED_URL: Final = re.compile(r"([a-z][a-z0-9_]*)=(?=[a-z][a-z0-9+.-]*://)")


@click.command()
@click.option(
    "--chain",
    "chains",
    multiple=True,
    metavar=_SHAPE,
    help="A chain, such as court=qbft,https://node:8545 (ws:// URLs are websockets), or "
    "eth=ethereum,https://node:8545,beacon=https://node:5052. Without CONSENSUS it is detected. Repeat it. Asked for without.",
)
@click.option(
    "--key", "keys", multiple=True, metavar="CHAIN=NAME", help="The key that relays to a chain. Repeat it."
)
@click.option("--journal", default="sqlite:///postroad.db", show_default=True, help="The journal's URL.")
@click.option(
    "--password-env", default="POSTROAD_PASSWORD", show_default=True, help="Where the keystores' password is."
)
@click.option("--offline", is_flag=True, help="Don't ask the chains for their ids and genesis hashes.")
@click.option(
    "--chain-id", "chain_ids", multiple=True, metavar="CHAIN=ID", help="With --offline: a chain's id."
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@config_option
@json_option
def init(
    chains: tuple[str, ...],
    keys: tuple[str, ...],
    journal: str,
    password_env: str,
    offline: bool,
    chain_ids: tuple[str, ...],
    force: bool,
    config_path: Path,
    as_json: bool,
) -> None:
    """Write a configuration with comments.

    Chain ids, genesis hashes and what the consensus needs are read from the chains themselves: compare what
    is written with what their owners publish, for afterwards it is what nodes are held to.
    """
    if config_path.exists() and not force:
        raise CommandFailed(
            ExitCode.CONFIG,
            f"{config_path} is there already",
            "a new file",
            "Name another with --config, or use --force.",
        )
    if not chains and not sys.stdin.isatty():
        raise click.UsageError(f"found no --chain and no terminal to ask at, expected --chain {_SHAPE}")
    specs = [_parse_chain(text) for text in chains] or _ask_chains()
    if len({spec["name"] for spec in specs}) != len(specs):
        raise click.UsageError("found a chain twice, expected each once")
    named = dict(_parse_pair("--key", text) for text in keys)
    for name in named:
        if name not in {spec["name"] for spec in specs}:
            raise click.UsageError(f"found --key for {name!r}, expected one of the chains")
    ids = dict(_parse_pair("--chain-id", text) for text in chain_ids)
    for spec in specs:
        spec["key"] = named.get(spec["name"])
        if spec["consensus"] is not None:
            _complete_questions(spec)
        if offline:
            _complete_offline(spec, ids)
    if not offline:
        run_async(_ask_nodes(specs), "Asking the chains")
    text = render(specs, journal=journal, password_env=password_env)
    _check_renders(text, config_path)
    config_path.parent.mkdir(parents=True, exist_ok=True)
    config_path.write_text(text, encoding="utf-8")
    _tell(specs, config_path, as_json=as_json)


def _tell(specs: Sequence[dict[str, Any]], path: Path, *, as_json: bool) -> None:
    if as_json:
        from relayer.views.configuration import WrittenChainView, WrittenConfigurationView

        chains = (
            WrittenChainView(
                name=spec["name"], chain=f"eip155:{spec['chain_id']}", consensus=spec["consensus"]
            )
            for spec in specs
        )
        print_json(WrittenConfigurationView(config=str(path), chains=tuple(chains)))
        return
    say(f"Wrote {path}.\n\nNext:")
    for spec in specs:
        if spec["to_compare"]:
            say(f"  compare {spec['to_compare']}")
        if spec["key"] is None:
            say(
                f"  postroad keys new {spec['name']}-relayer    and name it in chains.{spec['name']}.keys",
            )
    say("  postroad config check --live\n  postroad endpoint deploy")


def _complete_offline(spec: dict[str, Any], ids: Mapping[str, str]) -> None:
    """Put the chain id of `--chain-id` into a spec, which no node is asked for.

    Raises a usage error without one.
    """
    if not ids.get(spec["name"], "").isdigit():
        raise click.UsageError(
            f"found no chain id for {spec['name']}, expected --chain-id {spec['name']}=NUMBER"
        )
    if spec["consensus"] is None:
        expected = f"{spec['name']}=CONSENSUS,URL with {_known_words()}"
        raise click.UsageError(f"found --offline, and no consensus to write, expected {expected}")
    spec |= {"chain_id": int(ids[spec["name"]]), "genesis_hash": None}


def render(specs: Sequence[dict[str, Any]], *, journal: str, password_env: str) -> str:
    """Return the text of a configuration for the specs of its chains (`_spec`)."""
    from relayer.config import render_table, render_value

    lines = [
        "# Postroad's configuration. Every key is explained in docs/reference/config.md.",
        "# ${NAME} stands for an environment variable: keep credentials out of this file.",
        "",
        "[journal]",
        "# What the relayer knows, on disk. Back it up; two relayers never share one.",
        f'url = "{journal}"',
        "",
        "[keys]",
        "# Encrypted keystores (`postroad keys new`), and where their password is.",
        'directory = "keys"',
        f'password_env = "{password_env}"   # or password_file = "path"; without either it is asked for',
        "",
        "[api]",
        'listen = "127.0.0.1:9464"          # HTTP API, Prometheus metrics, probes; "" for none',
        "",
        "[batch]",
        "max_gas_share = 0.5                 # the share of a block's gas that one delivery may take",
        "max_wait_ms = 1000                  # how long a lone message waits for company",
        "",
        "[endpoints]",
        "# What `postroad endpoint deploy` deploys with; admin and guardian default to the deploying key.",
        '# admin = "0x…"',
        '# guardian = "0x…"                  # may pause at once, and nothing else',
        "admin_delay_s = 172800              # how long an admin's change waits: time to see a bad one coming",
        "",
    ]
    for spec in specs:
        name, key = spec["name"], spec["key"]
        rpc = ", ".join(f'"{url}"' for url in spec["rpc"])
        lines += [
            f"[chains.{name}]",
            f'chain = "eip155:{spec["chain_id"]}"',
            f"rpc = [{rpc}]   # several are better: none is trusted, and one may be down",
        ]
        if spec["websocket"]:
            urls = ", ".join(f'"{url}"' for url in spec["websocket"])
            lines += [f"websocket = [{urls}]"]
        if spec["genesis_hash"] is not None:
            lines += [f'genesis_hash = "{spec["genesis_hash"]}"']
        lines += [
            '# gateway = "0x…"                # written by `postroad endpoint deploy`, with consensus.bootstrap',
            f'keys = ["{key}"]' if key is not None else f'# keys = ["{name}-relayer"]',
            f'# sender = "{name}-sender"         # signs what `postroad send` sends; never the relayer\'s own key',
            f'# deployer = "{name}-deployer"     # deploys, and becomes the admin: keep it off the relayer\'s machine',
            "max_fee_gwei = 500.0                # the most for a unit of gas; messages wait while it costs more",
            "# priority_fee_gwei = 1.0         # the tip; without it what nodes suggest, up to 1 gwei",
            "max_spend_ether_per_day = 1.0       # the most in 24 hours; inf for no limit",
            "trusting_period_s = 1209600         # how long signers of headers are believed without news of them",
            "",
        ]
        # What this chain is believed by
        lines += [f"[chains.{name}.consensus]"]
        tables = {key: value for key, value in spec["consensus"].items() if isinstance(value, msgspec.Struct)}
        lines += [
            f"{key} = {render_value(value)}" for key, value in spec["consensus"].items() if key not in tables
        ]
        lines += [""]
        for key, value in tables.items():
            lines += [
                "# As the chain itself told it: compare it with what its owners publish.",
                *render_table(f"chains.{name}.consensus.{key}", value),
                "",
            ]
    lines += [
        "# Without [[lanes]] every joined pair is served both ways, on the public lane.",
        "# [[lanes]]",
        f'# source = "{specs[0]["name"]}"',
        f'# destination = "{specs[-1]["name"]}"',
        "",
    ]
    return "\n".join(lines)


def _check_renders(text: str, path: Path) -> None:
    """Raise CommandFailed unless the text can be read back: what people answered can hold anything."""
    from relayer import config
    from relayer.config import InvalidConfig

    class Everything(dict[str, str]):
        def __contains__(self, key: object) -> bool:
            return True

        def __missing__(self, key: str) -> str:
            # A variable need not be set when the file is written. A URL is valid where one is expected.
            return "http://variable"

    try:
        config.parse(text, name=str(path), directory=path.parent, environment=Everything())
    except InvalidConfig as error:
        raise CommandFailed(ExitCode.USAGE, error.found, error.expected, error.advice) from error


def _known_words() -> str:
    """Return every word that names a consensus: kinds, or their dialects where they have some."""
    from relayer.consensus.registry import kinds

    return " or ".join(word for kind in kinds() for word in (kind.dialects or {kind.name: {}}))


def _parse_chain(text: str) -> dict[str, Any]:
    from relayer.config import keys_of_word

    name, equals, rest = text.partition("=")
    first, *others = [part.strip() for part in rest.split(",")]
    if not equals or not first:
        raise click.UsageError(f"found --chain {text!r}, expected {_SHAPE}")
    if "://" in first:
        return _spec(name.strip(), None, [first, *others])
    consensus = keys_of_word(first)
    if consensus is None or not others:
        expected = f"{_SHAPE} with {_known_words()}"
        raise click.UsageError(f"found --chain {text!r}, expected {expected}")
    return _spec(name.strip(), consensus, others)


def _spec(name: str, consensus: Mapping[str, Any] | None, urls: Sequence[str]) -> dict[str, Any]:
    """Return what is known of a chain so far, from the command line or from answers.

    `consensus` has the keys of its table that are known, None where a node is to be asked. `urls` are sorted
    into `rpc`, `websocket` and, for those written `KEY=URL`, `keyed`.
    """
    rpc, websocket, keyed = list[str](), list[str](), dict[str, list[str]]()
    for url in urls:
        key = _KEYED_URL.match(url)
        if key is not None:
            keyed.setdefault(key[1], []).append(url[key.end() :])
        elif url.startswith(("ws://", "wss://")):
            websocket.append(url)
        else:
            rpc.append(url)
    if not rpc:
        raise click.UsageError(f"found no http:// or https:// URL for {name!r}, expected at least one")
    spec = {"name": name, "consensus": consensus, "rpc": rpc, "websocket": websocket}
    return spec | {"keyed": keyed, "to_compare": ""}


def _complete_questions(spec: dict[str, Any]) -> None:
    """Put the URLs that a kind asks for into its table.

    Raises a usage error for others, and for missing ones.
    """
    from relayer.consensus.registry import find_kind

    name, keyed = spec["name"], spec["keyed"]
    kind = find_kind(spec["consensus"]["kind"])
    questions = {question.key: question for question in kind.endpoint.questions}
    for key in keyed:
        if key not in questions:
            expected = " or ".join(f"{known}=" for known in questions) or "none"
            raise click.UsageError(
                f"found {key}=… for {name!r}, a chain of kind {kind.name}, expected {expected} before a URL"
            )
    for key, question in questions.items():
        if key not in keyed:
            raise click.UsageError(
                f"found no {question.missing} for {name!r}, a chain of kind {kind.name}, "
                f"expected {key}=https://… among its URLs"
            )
    spec["consensus"] = {**spec["consensus"], **keyed}


def _parse_pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise click.UsageError(f"found {option} {text!r}, expected CHAIN=VALUE")
    return name, value


def _ask_chains() -> list[dict[str, Any]]:
    from relayer.config import keys_of_word
    from relayer.consensus.registry import kinds

    questions = {question.key: question for kind in kinds() for question in kind.endpoint.questions}
    words = _known_words().split(" or ")
    specs = []
    while True:
        name = click.prompt("Name of a chain (a-z, 0-9, -)", err=True)
        word = click.prompt(
            "Its consensus", type=click.Choice([*words, "detect"]), default="detect", err=True
        )
        consensus = keys_of_word(word)
        urls = click.prompt("Its RPC URLs, separated by commas (ws:// ones too)", err=True)
        found = [url.strip() for url in urls.split(",")]
        for key, question in questions.items():
            if consensus is not None and key not in _asked_by(consensus["kind"]):
                continue
            prompt = question.prompt + (" (nothing where it has none)" if consensus is None else "")
            text = click.prompt(prompt, default="", show_default=False, err=True)
            found += [f"{key}={url.strip()}" for url in text.split(",") if url.strip()]
        specs.append(_spec(name, consensus, found))
        if not click.confirm("Another chain?", default=len(specs) == 1, err=True):
            return specs


def _asked_by(kind: str) -> set[str]:
    from relayer.consensus.registry import find_kind

    return {question.key for question in find_kind(kind).endpoint.questions}


async def _ask_nodes(specs: Sequence[dict[str, Any]]) -> None:
    """Ask each chain for its id, its genesis hash and its consensus, and put them into the specs.

    Raises ChainUnavailable, which names the chain.
    """
    import os

    from relayer.chains.evm.node import Node
    from relayer.consensus.registry import find_kind, recognise
    from relayer.errors import ChainUnavailable

    for spec in specs:
        urls = [os.path.expandvars(url) for url in spec["rpc"]]
        node = Node.over(spec["name"], urls)
        try:
            spec["chain_id"] = await node.chain_id()
            spec["genesis_hash"] = "0x" + (await node.genesis_hash()).hex()
            head = await node.block("latest")
            if spec["consensus"] is None:
                recognised = recognise(head)
                if recognised is None:
                    expected = f"{spec['name']}=CONSENSUS,URL with {_known_words()}"
                    raise click.UsageError(
                        f"found a newest block of {spec['name']!r} that is of no known consensus, expected {expected}"
                    )
                kind, keys = recognised
                spec["consensus"] = {"kind": kind.name, **keys}
                _complete_questions(spec)
            kind = find_kind(spec["consensus"]["kind"])
            if len(spec["consensus"]) == 1:
                # Only the kind was named; a block tells its dialect.
                spec["consensus"] = {**spec["consensus"], **(kind.endpoint.recognise(head) or {})}
            asked = {key: _expand(value) for key, value in spec["consensus"].items()}
            discovered = await kind.endpoint.discover(spec["name"], asked)
            spec["consensus"] = {**spec["consensus"], **discovered.keys}
            spec["to_compare"] = discovered.to_compare
        except ChainUnavailable as error:
            advice = (
                "Is the URL right, and the node up? --offline with --chain-id writes the file without asking."
            )
            raise ChainUnavailable(error.found, error.expected, advice) from error
        finally:
            await node.close()


def _expand(value: Any) -> Any:
    """Return a key's URLs with environment variables put in, for asking; the file keeps
    the variables' names.
    """
    import os

    return [os.path.expandvars(url) for url in value] if isinstance(value, list) else value
