# SPDX-License-Identifier: MIT
"""Join local chains, and write what `postroad` needs to use them: a configuration, keys, a password.

For chains that guard nothing: the keystores are cheap to open, and their password lies beside them.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relayer import config as configuration
from relayer.chains.base import Address, Call
from relayer.chains.evm.node import Node
from relayer.chains.evm.open_evm import open_evm
from relayer.config import Config
from relayer.config.rendering import render_value
from relayer.contracts import load
from relayer.devnet.chain.local_chain import LocalChain
from relayer.devnet.network.spec import local_kind
from relayer.endpoint.apply import Progress, apply_plan, mend_earlier
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.one_by_one import OneByOne, StepFailed, created_address
from relayer.endpoint.plan import DeploymentPlan, found_endpoint, make_plan
from relayer.endpoint.steps import locate
from relayer.keys import SCRYPT_N_DEVNET, Key, KeyStore
from relayer.sending.price import PricePolicy
from relayer.sending.store import MemoryStore

CONFIG_FILE: Final = "postroad.toml"
PASSWORD_FILE: Final = "password"  # noqa: S105  a file's name
KEYS_FOLDER: Final = "keys"
MANIFEST_FILE: Final = "endpoints.json"
JOURNAL_FILE: Final = "postroad.db"

DEPLOYER, RELAYER, SENDER = "deployer", "relayer", "sender"


@dataclass(frozen=True, slots=True)
class LocalSite:
    """A running chain that is to be joined with others.

    Attributes:
        name: of the chain, in the configuration too.
        consensus: the keys of `[chains.NAME.consensus]`, `kind` included.
        chain_id: EIP-155's.
        http_url, ws_url: of an RPC provider.
        deployer, relayer, sender: private keys of 32 bytes, each used for one purpose, so that nonces never
            clash.
    """

    name: str
    consensus: Mapping[str, Any]
    chain_id: int
    http_url: str
    ws_url: str
    deployer: bytes
    relayer: bytes
    sender: bytes


@dataclass(frozen=True, slots=True)
class LocalEndpoint:
    """What was put on a local chain: addresses of 20 bytes, the endpoint's id of 32."""

    gateway: bytes
    endpoint_id: bytes
    postbox: bytes
    multisender: bytes


@dataclass(frozen=True, slots=True)
class LocalRoads:
    """Local chains that are joined: every one with every other, both ways."""

    config_path: Path
    config: Config
    plan: DeploymentPlan
    endpoints: Mapping[str, LocalEndpoint]


def site_of(chain: LocalChain) -> LocalSite:
    """Return a started chain of this process as a site.

    Its first three funded keys deploy, relay and send.
    """
    deployer, relayer, sender = (account.secret for account in chain.funded_keys[:3])
    return LocalSite(
        name=chain.name,
        consensus=chain.describe().consensus,
        chain_id=chain.chain_id,
        http_url=chain.http_url,
        ws_url=chain.ws_url,
        deployer=deployer,
        relayer=relayer,
        sender=sender,
    )


async def join_local(
    sites: Sequence[LocalSite],
    directory: Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
    *,
    on_wait: Callable[[str, str], None] = lambda *_: None,
    poll_interval_ms: int = 250,
) -> LocalRoads:
    """Deploy an endpoint on every chain, join all of them, and write the files.

    A run that was cut short resumes.

    `on_wait` is told a chain's name and what it waits for, where trust can't begin yet. Raises what planning
    and applying raise, and ChainUnavailable where trust can't begin.
    """
    path = _write_files(sites, directory, poll_interval_ms)
    config = configuration.load(path)
    await asyncio.gather(*(_await_trust(site, on_wait) for site in sites))
    manifest = Manifest(config.manifest_path)
    nodes = {site.name: Node.over(site.name, [site.http_url]) for site in sites}
    keys = {site.name: Key(DEPLOYER, site.deployer) for site in sites}
    try:
        joins = [(one.name, other.name) for one in sites for other in sites if one is not other]
        deployers = {name: key.address for name, key in keys.items()}
        await mend_earlier(config, manifest, nodes, keys, on_progress)
        plan = await make_plan(config, manifest, nodes, deployers, joins)
        await apply_plan(plan, config, manifest, nodes, keys, on_progress)
        for site in sites:
            config = configuration.save_endpoint(
                path, site.name, found_endpoint(plan, config, manifest, site.name)
            )
        endpoints = await asyncio.gather(
            *(put_applications(config, manifest, site.name, keys[site.name]) for site in sites)
        )
    finally:
        for node in nodes.values():
            await node.close()
    named = {site.name: endpoint for site, endpoint in zip(sites, endpoints, strict=True)}
    return LocalRoads(path, config, plan, named)


def remove_files(directory: Path) -> None:
    """Remove what `join_local` wrote and what a relayer leaves beside it; anything else stays."""
    shutil.rmtree(directory / KEYS_FOLDER, ignore_errors=True)
    suffixes = ("", "-wal", "-shm", ".lock")
    names = [CONFIG_FILE, PASSWORD_FILE, MANIFEST_FILE, *(JOURNAL_FILE + suffix for suffix in suffixes)]
    for name in names:
        (directory / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()


async def _await_trust(site: LocalSite, tell: Callable[[str, str], None]) -> None:
    local = local_kind(site.consensus["kind"])
    await local.await_trust(site.name, site.consensus, lambda what: tell(site.name, what))


async def put_applications(config: Config, manifest: Manifest, name: str, key: Key) -> LocalEndpoint:
    """Deploy a recipient, and a sender of many messages at once, to try things with."""
    located, record = locate(config, manifest, name), manifest.get(name)
    assert located is not None
    assert record is not None
    assert record.gateway is not None
    build = record.gateway.build
    table = config.chain(name)
    chain = open_evm(name, table, located.genesis_hash, [key])
    try:
        sending = OneByOne(chain, MemoryStore(), PricePolicy(table.max_fee_wei, table.priority_fee_wei))
        addresses = [
            await _create(sending, load(contract, build).encode_creation(located.gateway))
            for contract in ("Postbox", "Multisender")
        ]
    finally:
        await chain.close()
    return LocalEndpoint(located.gateway, located.endpoint_id, *addresses)


async def _create(sending: OneByOne, data: bytes) -> bytes:
    """Deploy a contract, and return its address. Raises StepFailed, and what sending raises."""
    known = await sending.execute(Call(Address(b""), data))
    assert known.receipt is not None
    if not known.receipt.succeeded:
        raise StepFailed(f"0x{known.receipt.tx_hash.hex()} reverted on {sending.chain.name}", "a contract")
    return created_address(known.sender, known.nonce)


def _write_files(sites: Sequence[LocalSite], directory: Path, poll_interval_ms: int) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    password_path = directory / PASSWORD_FILE
    if not password_path.exists():
        # The mode is set before the password is in the file.
        password_path.touch(mode=0o600)
        password_path.write_text(secrets.token_urlsafe(18) + "\n", encoding="utf-8")
    password = password_path.read_text(encoding="utf-8").splitlines()[0]
    store = KeyStore(directory / KEYS_FOLDER)
    known = {stored.name for stored in store.list()}
    for site in sites:
        for name, secret in ((DEPLOYER, site.deployer), (RELAYER, site.relayer), (SENDER, site.sender)):
            if key_name(site, name) not in known:
                store.import_private_key(
                    key_name(site, name), secret.hex(), password, scrypt_n=SCRYPT_N_DEVNET
                )
    path = directory / CONFIG_FILE
    if not path.exists():
        path.write_text(_config_text(sites, poll_interval_ms), encoding="utf-8")
    return path


def key_name(site: LocalSite, purpose: str) -> str:
    """Return what a key is called in the folder of keystores."""
    return f"{site.name}-{purpose}"


def _config_text(sites: Sequence[LocalSite], poll_interval_ms: int) -> str:
    lines = [
        "# Local chains, joined with each other. Written by `postroad devnet up`; docs/reference/config.md explains the keys.",
        "",
        "[journal]",
        f'url = "sqlite:///{JOURNAL_FILE}"',
        "",
        "[keys]",
        f'directory = "{KEYS_FOLDER}"',
        f'password_file = "{PASSWORD_FILE}"   # these keys guard nothing',
        "",
        "[api]",
        # The default port would clash with another relayer on this machine.
        f'listen = "127.0.0.1:{_free_port()}"',
        "",
        "[batch]",
        "max_wait_ms = 200",
        "",
    ]
    for site in sites:
        lines += [
            f"[chains.{site.name}]",
            f'chain = "eip155:{site.chain_id}"',
            f'rpc = ["{site.http_url}"]',
            f'websocket = ["{site.ws_url}"]',
            f"poll_interval_ms = {poll_interval_ms}",
            "max_spend_ether_per_day = inf",
            f'keys = ["{key_name(site, RELAYER)}"]',
            f'sender = "{key_name(site, SENDER)}"',
            f'deployer = "{key_name(site, DEPLOYER)}"',
            "",
            consensus_table(site.name, site.consensus),
        ]
    return "\n".join(lines)


def consensus_table(name: str, keys: Mapping[str, Any]) -> str:
    """Return the table `[chains.NAME.consensus]` with these keys, as it stands in a configuration file."""
    lines = [f"[chains.{name}.consensus]", *(f"{key} = {render_value(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
