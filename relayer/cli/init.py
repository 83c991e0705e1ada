# SPDX-License-Identifier: MIT
"""`postroad init`: write a configuration, by questions or by options."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import config_option, json_option
from relayer.cli.output import console, fields, hex_of, print_json
from relayer.cli.running import run_async

_SHAPE = "NAME=CONSENSUS,URL[,URL...]"
_CONSENSUS = ("qbft", "ibft2", "ethereum")
_ANY_CONSENSUS = "qbft or ibft2 or ethereum"
_BEACON = "beacon="


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

    Chain ids and genesis hashes are read from the chains themselves, and a beacon chain's network from its Beacon API: compare
    what is written with what their owners publish, for afterwards it is what nodes are held to.
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
    specs = [_parse_chain(each) for each in chains] or _ask_chains()
    if len({spec["name"] for spec in specs}) != len(specs):
        raise click.UsageError("found a chain twice, expected each once")
    named = dict(_parse_pair("--key", each) for each in keys)
    for name in named:
        if name not in {spec["name"] for spec in specs}:
            raise click.UsageError(f"found --key for {name!r}, expected one of the chains")
    ids = dict(_parse_pair("--chain-id", each) for each in chain_ids)
    for spec in specs:
        spec["key"] = named.get(spec["name"])
        if spec["consensus"] == "ethereum" and not spec["beacon"]:
            raise _no_beacon(spec["name"])
        if offline:
            _complete_offline(spec, ids)
    if not offline:
        run_async(_ask_nodes(specs))
    text = render(specs, journal=journal, password_env=password_env)
    _check_renders(text, config_path)
    config_path.parent.mkdir(parents=True, exist_ok=True)
    config_path.write_text(text, encoding="utf-8")
    _tell(specs, config_path, as_json=as_json)


def _tell(specs: Sequence[dict[str, Any]], path: Path, *, as_json: bool) -> None:
    from relayer.config import network_of

    if as_json:
        shown = [
            {
                "name": spec["name"],
                "chain": f"eip155:{spec['chain_id']}",
                "consensus": spec["consensus"],
                "network": fields(spec["network"]),
            }
            for spec in specs
        ]
        print_json({"config": path, "chains": shown})
        return
    out = console()
    out.print(f"Wrote {path}.\n\nNext:")
    for spec in specs:
        if spec["network"] is not None:
            root = hex_of(network_of(spec["network"]).genesis_validators_root)
            what = f"chains.{spec['name']}.network with what the network publishes"
            out.print(f"  compare {what} (genesis validators' root {root})", markup=False)
        if spec["key"] is None:
            out.print(
                f"  postroad keys new {spec['name']}-relayer    and name it in chains.{spec['name']}.keys",
                markup=False,
            )
    out.print("  postroad config check --live\n  postroad endpoint deploy")


def _complete_offline(spec: dict[str, Any], ids: Mapping[str, str]) -> None:
    """What nobody is asked for has to be told."""
    if not ids.get(spec["name"], "").isdigit():
        raise click.UsageError(
            f"found no chain id for {spec['name']}, expected --chain-id {spec['name']}=NUMBER"
        )
    if spec["consensus"] is None:
        expected = f"{spec['name']}=CONSENSUS,URL with {_ANY_CONSENSUS}"
        raise click.UsageError(f"found --offline, and no consensus to write, expected {expected}")
    spec |= {"chain_id": int(ids[spec["name"]]), "genesis_hash": None}


def render(specs: Sequence[dict[str, Any]], *, journal: str, password_env: str) -> str:
    """Return the text of a configuration."""
    from relayer.config import render_network

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
        "[metrics]",
        'listen = "127.0.0.1:9464"          # Prometheus; "" for none',
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
        lines += [f'consensus = "{spec["consensus"]}"']
        if spec["beacon"]:
            urls = ", ".join(f'"{url}"' for url in spec["beacon"])
            lines += [f"beacon = [{urls}]"]
        if isinstance(spec["network"], str):
            lines += [f'network = "{spec["network"]}"   # compare it with what you meant']
        if spec["consensus"] == "ethereum":
            lines += [
                "# threshold = 400                   # members of the sync committee that must sign; two thirds without"
            ]
        if spec["genesis_hash"] is not None:
            lines += [f'genesis_hash = "{spec["genesis_hash"]}"']
        lines += [
            '# gateway = "0x…"                  written by `postroad endpoint deploy`, with [bootstrap]',
            f'keys = ["{key}"]' if key is not None else f'# keys = ["{name}-relayer"]',
            f'# sender = "{name}-sender"           signs what `postroad send` sends; never the relayer\'s own key',
            f'# deployer = "{name}-deployer"       deploys, and becomes the admin: keep it off the relayer\'s machine',
            "max_fee_gwei = 500.0                # the most for a unit of gas; messages wait while it costs more",
            "priority_fee_gwei = 1.0",
            "# max_spend_ether_per_day = 1.0",
            "trusting_period_s = 1209600         # how long validators or a committee are believed without news of them",
            "",
        ]
        if spec["network"] is not None and not isinstance(spec["network"], str):
            lines += [
                "# As the Beacon API told it: compare it with what the network's owners publish.",
                *render_network(name, spec["network"]),
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
    """Answers can hold anything; what can't be read back is told, not written."""
    from relayer import config
    from relayer.config import InvalidConfig

    class Everything(dict[str, str]):
        def __contains__(self, key: object) -> bool:
            return True

        def __missing__(self, key: str) -> str:
            return "http://variable"

    try:
        config.parse(text, name=str(path), directory=path.parent, environment=Everything())
    except InvalidConfig as error:
        raise CommandFailed(ExitCode.USAGE, error.found, error.expected, error.advice) from error


def _parse_chain(text: str) -> dict[str, Any]:
    name, equals, rest = text.partition("=")
    first, *others = [each.strip() for each in rest.split(",")]
    if not equals or not first:
        raise click.UsageError(f"found --chain {text!r}, expected {_SHAPE}")
    if "://" in first:
        return _spec(name.strip(), None, [first, *others])
    if first not in _CONSENSUS or not others:
        expected = f"{_SHAPE} with {_ANY_CONSENSUS}"
        raise click.UsageError(f"found --chain {text!r}, expected {expected}")
    return _spec(name.strip(), first, others)


def _spec(name: str, consensus: str | None, urls: Sequence[str]) -> dict[str, Any]:
    beacon = [url.removeprefix(_BEACON) for url in urls if url.startswith(_BEACON)]
    sockets = [url for url in urls if url.startswith(("ws://", "wss://"))]
    rpc = [url for url in urls if url not in sockets and not url.startswith(_BEACON)]
    if not rpc:
        raise click.UsageError(f"found no http:// or https:// URL for {name!r}, expected at least one")
    spec = {"name": name, "consensus": consensus, "rpc": rpc, "websocket": sockets}
    return spec | {"beacon": beacon, "network": None}


def _no_beacon(name: str) -> click.UsageError:
    return click.UsageError(
        f"found no Beacon API for the proof-of-stake chain {name!r}, expected {_BEACON}https://… among its URLs"
    )


def _parse_pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise click.UsageError(f"found {option} {text!r}, expected CHAIN=VALUE")
    return name, value


def _ask_chains() -> list[dict[str, Any]]:
    specs = []
    while True:
        name = click.prompt("Name of a chain (a-z, 0-9, -)", err=True)
        consensus = click.prompt(
            "Its consensus", type=click.Choice([*_CONSENSUS, "detect"]), default="detect", err=True
        )
        urls = click.prompt("Its RPC URLs, separated by commas (ws:// ones too)", err=True)
        found = [url.strip() for url in urls.split(",")]
        if consensus in {"ethereum", "detect"}:
            text = "Its Beacon APIs, separated by commas (nothing for a BFT chain)"
            beacon = click.prompt(text, default="", show_default=False, err=True)
            found += [_BEACON + url.strip() for url in beacon.split(",") if url.strip()]
        specs.append(_spec(name, None if consensus == "detect" else consensus, found))
        if not click.confirm("Another chain?", default=len(specs) == 1, err=True):
            return specs


async def _ask_nodes(specs: Sequence[dict[str, Any]]) -> None:
    """Read chain ids, genesis hashes, and what consensus and network it is. Raises ChainUnavailable, which names the chain."""
    import os

    from relayer.chains.evm.node import Node
    from relayer.config import setting_of
    from relayer.consensus.ethereum.discovery import discover_network
    from relayer.consensus.registry import detect_consensus
    from relayer.errors import ChainUnavailable

    for spec in specs:
        urls = [os.path.expandvars(url) for url in spec["rpc"]]
        node = Node.over(spec["name"], urls)
        try:
            spec["chain_id"] = await node.chain_id()
            spec["genesis_hash"] = "0x" + (await node.genesis_hash()).hex()
            if spec["consensus"] is None:
                spec["consensus"] = detect_consensus(await node.block("latest"))
            if spec["consensus"] is None:
                expected = f"{spec['name']}=CONSENSUS,URL with {_ANY_CONSENSUS}"
                raise click.UsageError(
                    f"found a newest block of {spec['name']!r} that is of no known consensus, expected {expected}"
                )
            if spec["consensus"] == "ethereum":
                if not spec["beacon"]:
                    raise _no_beacon(spec["name"])
                beacon = [os.path.expandvars(url) for url in spec["beacon"]]
                spec["network"] = setting_of(await discover_network(spec["name"], beacon))
        except ChainUnavailable as error:
            advice = (
                "Is the URL right, and the node up? --offline with --chain-id writes the file without asking."
            )
            raise ChainUnavailable(error.found, error.expected, advice) from error
        finally:
            await node.close()
