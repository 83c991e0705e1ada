# SPDX-License-Identifier: MIT
"""Two joined chains on which an endpoint is administrated, and what is done to them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relayer import config as configuration
from relayer.chains.base import Address, Call, GasPrice
from relayer.chains.evm.node import Node
from relayer.chains.evm.open_evm import open_evm
from relayer.cli import main
from relayer.config import Config
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.network.join import consensus_table
from relayer.devnet.network.spec import local_kind
from relayer.endpoint.administration.decisions import Act
from relayer.endpoint.administration.remotes import pause_remote
from relayer.endpoint.administration.run import (
    AdministrationPlan,
    apply_administration,
    finish_earlier,
    make_administration_plan,
)
from relayer.endpoint.administration.site import Site as Administrated
from relayer.endpoint.administration.site import Want, read_site
from relayer.endpoint.apply import Progress, apply_plan
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.plan import make_plan
from relayer.endpoint.view import RemoteView, view_endpoint
from relayer.keys import Key, KeyStore

OPTIONS = ChainOptions(block_time_s=0.1)
DELAY_S = 3
CHANNEL = b"\x07" * 32


class Killed(BaseException):
    """As by SIGKILL: nothing after it runs."""


@dataclass
class Site:
    """Two joined chains whose admin is behind a short delay, with everything to administrate them."""

    folder: Path
    chains: Mapping[str, LocalBftChain | LocalEthereumChain]
    nodes: dict[str, Node] = field(default_factory=dict)
    told: list[Progress] = field(default_factory=list)

    @property
    def text(self) -> str:
        head = f'[endpoints]\nadmin_delay_s = {DELAY_S}\n[keys]\npassword_file = "password"\n'
        return head + "".join(
            f'[chains.{name}]\nchain = "eip155:{chain.chain_id}"\nrpc = ["{chain.http_url}"]\n'
            f'deployer = "{name}-admin"\n' + consensus_table(name, chain.describe().consensus)
            for name, chain in self.chains.items()
        )

    @property
    def config(self) -> Config:
        return configuration.parse(self.text, directory=self.folder, environment={})

    @property
    def manifest(self) -> Manifest:
        return Manifest(self.config.manifest_path)

    def key(self, number: int = 0, name: str = "court") -> Key:
        """The admin's (who deploys), or another funded one."""
        return Key("key", self.chains[name].funded_keys[number].secret)

    def write_files(self, **keys: int) -> None:
        """Write what commands read; `keys` are funded ones of court by their names."""
        (self.folder / "postroad.toml").write_text(self.text)
        (self.folder / "password").write_text("secret\n")
        store = KeyStore(self.config.keys_directory)
        court = self.chains["court"].funded_keys
        secrets = {f"{name}-admin": chain.funded_keys[0].secret for name, chain in self.chains.items()}
        secrets |= {name: court[number].secret for name, number in keys.items()}
        for name, secret in secrets.items():
            store.import_private_key(name, secret.hex(), "secret", scrypt_n=2)

    async def deploy(self) -> None:
        pairs = [("court", "port"), ("port", "court")]
        deployers = {name: self.key(0, name).address for name in self.chains}
        plan = await make_plan(self.config, self.manifest, self.nodes, deployers, pairs)
        keys = {name: self.key(0, name) for name in self.chains}
        await apply_plan(plan, self.config, self.manifest, self.nodes, keys)

    async def look(self, name: str = "court") -> Administrated:
        return await read_site(self.config, self.manifest, self.nodes, name)

    async def plan(
        self, want: Want, *, key: Key | None = None, cancel: bool = False, name: str = "court"
    ) -> AdministrationPlan:
        site = await self.look(name)
        account = (key or self.key(0, name)).address
        return await make_administration_plan(site, await want(site), account, cancel=cancel)

    async def run(
        self,
        want: Want,
        *,
        key: Key | None = None,
        cancel: bool = False,
        name: str = "court",
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> AdministrationPlan:
        """What a command does: earlier transactions, then what is next. A deployment is planned on."""

        def tell(progress: Progress) -> None:
            self.told.append(progress)
            on_progress(progress)

        signer = key or self.key(0, name)
        await finish_earlier(self.config, self.manifest, self.nodes, name, signer, tell)
        plan = await self.plan(want, key=signer, cancel=cancel, name=name)
        assert not plan.is_refused, plan.findings
        await apply_administration(plan, signer, tell)
        if plan.is_deploying:
            return await self.run(want, key=signer, cancel=cancel, name=name, on_progress=on_progress)
        return plan

    async def wait(self, want: Want, *, name: str = "court", key: Key | None = None) -> None:
        """Until the delay of what is scheduled is over."""
        for _ in range(150):
            (decision,) = (await self.plan(want, name=name, key=key)).decisions
            if decision.act is not Act.WAIT:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("it waits for ever")

    async def remote(self) -> RemoteView:
        view = await view_endpoint(self.config, self.manifest, self.nodes["court"], "court")
        assert view is not None
        found = view.remote("port")
        assert found is not None
        return found

    async def send(self, key: Key, to: bytes, data: bytes) -> None:
        """Send these bytes with another account on court, as a multisig would, and see them succeed."""
        chain = open_evm("court", self.config.chain("court"), self.chains["court"].genesis_hash, [key])
        try:
            price = (await chain.market()).base_fee_wei or 0
            (nonce,) = await chain.count_transactions(Address(key.address))
            call = Call(Address(to), data)
            gas_price = GasPrice(2 * price + 10**9, 10**9)
            signed = chain.sign(Address(key.address), nonce, call, 500_000, gas_price)
            assert (await chain.offer(signed.raw)).is_taken
            for _ in range(100):
                receipt = await chain.receipt(signed.tx_hash)
                if receipt is not None:
                    assert receipt.succeeded
                    return
                await asyncio.sleep(0.1)
            raise AssertionError("it is in no block")
        finally:
            await chain.close()

    async def next_change(self, words: Sequence[str]) -> Any:
        """Run a command that makes one change, and tell what it did of it."""
        (change,) = (await self.cli(*words, "--yes"))["changes"]
        return change

    async def cli(self, *words: str, code: int = 0) -> Any:
        """Run a command with --json; what it prints, or its error where the code is another one."""
        out, err = io.StringIO(), io.StringIO()

        def run() -> object:
            # A process each would take longer to start than to work.
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    main([*words, "--json", "--config", str(self.folder / "postroad.toml")])
                except SystemExit as stop:
                    return stop.code
            return "no exit"

        found = await asyncio.wait_for(asyncio.to_thread(run), 120)
        assert found == code, f"{words}: {found}\n{out.getvalue()}\n{err.getvalue()}"
        return json.loads(out.getvalue() or err.getvalue())


@contextlib.asynccontextmanager
async def open_site(folder: Path, port: LocalBftChain | LocalEthereumChain) -> AsyncIterator[Site]:
    """The chain `court`, joined with this one."""
    async with LocalBftChain("court", OPTIONS, validators=4) as court, port:
        site = Site(folder, {"court": court, "port": port})
        site.nodes = {name: Node.over(name, [chain.http_url]) for name, chain in site.chains.items()}
        consensus = port.describe().consensus
        await local_kind(consensus["kind"]).await_trust("port", consensus, lambda _: None)
        await site.deploy()
        yield site
        for node in site.nodes.values():
            await node.close()


def acts(plan: AdministrationPlan) -> list[Act]:
    """What a plan does, decision by decision."""
    return [decision.act for decision in plan.decisions]


def pausing(*, pause: bool) -> Want:
    """`remote pause` and `remote unpause`."""
    return lambda site: pause_remote(site, "port", pause=pause)
