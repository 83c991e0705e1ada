# SPDX-License-Identifier: MIT
"""The commands of an endpoint's administration on real local chains: planned, sent, delayed, taken back,
printed, done twice, and cut short.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from light_clients.bft.preimage import BftKind
from relayer import config as configuration
from relayer.chains.evm.contract_reader import ContractReader
from relayer.chains.evm.node import Node
from relayer.cli import main
from relayer.config import Config
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.consensus.findings import Severity
from relayer.contracts import load
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.network.join import consensus_table
from relayer.devnet.network.spec import local_kind
from relayer.endpoint.access import PUBLIC_ROLE
from relayer.endpoint.administration.channels import (
    accept_channel,
    allow_sender,
    open_channel,
    transfer_channel,
)
from relayer.endpoint.administration.clients import bootstrap_client, replace_client
from relayer.endpoint.administration.decisions import Act, printed_calls
from relayer.endpoint.administration.lanes import pause_lane
from relayer.endpoint.administration.remotes import pause_remote, reinstate_remote, retire_remote
from relayer.endpoint.administration.roles import grant_role, revoke_role
from relayer.endpoint.administration.run import (
    AdministrationPlan,
    apply_administration,
    finish_earlier,
    make_administration_plan,
)
from relayer.endpoint.administration.site import NotAdministrable, Want, read_site
from relayer.endpoint.administration.site import Site as Administrated
from relayer.endpoint.apply import Moment, Progress, apply_plan
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.plan import make_plan
from relayer.endpoint.steps import ADMIN_ROLE, GUARDIAN_ROLE
from relayer.endpoint.view import RemoteView, view_endpoint
from relayer.keys import Key, KeyStore
from relayer.protocol.lane import Lane
from relayer.protocol.message import EndpointId
from tests.support.relaynet import count_pending

OPTIONS = ChainOptions(block_time_s=0.1)
DELAY_S = 3


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
    async with LocalBftChain("court", OPTIONS, validators=4) as court, port:
        site = Site(folder, {"court": court, "port": port})
        site.nodes = {name: Node.over(name, [chain.http_url]) for name, chain in site.chains.items()}
        consensus = port.describe().consensus
        await local_kind(consensus["kind"]).await_trust("port", consensus, lambda _: None)
        await site.deploy()
        yield site
        for node in site.nodes.values():
            await node.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    port = LocalBftChain("port", OPTIONS, protocol=BftKind.IBFT2, validators=4)
    async with open_site(tmp_path, port) as site:
        yield site


def acts(plan: AdministrationPlan) -> list[Act]:
    return [decision.act for decision in plan.decisions]


def pausing(*, pause: bool) -> Want:
    async def want(site: Administrated) -> Any:
        return await pause_remote(site, "port", pause=pause)

    return want


async def test_a_guardian_pauses_at_once_and_an_admin_lifts_it_after_the_delay(site: Site) -> None:
    pause, unpause = pausing(pause=True), pausing(pause=False)
    assert acts(await site.run(pause)) == [Act.CALL]
    assert (await site.remote()).is_paused
    # Twice is a no-op that says so.
    again = await site.run(pause)
    assert acts(again) == [Act.NOTHING]
    assert "paused on court already" in again.findings[0].found
    scheduled = await site.run(unpause)
    assert acts(scheduled) == [Act.SCHEDULE]
    assert scheduled.decisions[0].permission.delay_s == DELAY_S
    assert acts(await site.run(unpause)) == [Act.WAIT]
    # Somebody who may not is told who may, and schedules nothing.
    stranger = await site.plan(unpause, key=site.key(3))
    assert acts(stranger) == [Act.REFUSED]
    assert site.key().address.hex() in stranger.findings[0].expected
    await site.wait(unpause)
    assert acts(await site.run(unpause)) == [Act.EXECUTE]
    assert not (await site.remote()).is_paused
    assert acts(await site.run(unpause)) == [Act.NOTHING]


async def test_what_is_scheduled_is_taken_back_and_is_nothing_to_execute_afterwards(site: Site) -> None:
    pause, unpause = pausing(pause=True), pausing(pause=False)
    await site.run(pause)
    assert acts(await site.run(unpause, cancel=True)) == [Act.NOTHING]
    await site.run(unpause)
    assert acts(await site.plan(unpause, cancel=True, key=site.key(3))) == [Act.REFUSED]
    assert acts(await site.run(unpause, cancel=True)) == [Act.CANCEL]
    assert not (await site.look()).access.operations
    await asyncio.sleep(DELAY_S + 1)
    assert acts(await site.plan(unpause)) == [Act.SCHEDULE]
    assert (await site.remote()).is_paused


@pytest.mark.parametrize("inbound", [False, True])
async def test_a_lane_is_paused_at_either_end(site: Site, inbound: bool) -> None:
    def want(*, pause: bool) -> Want:
        async def inner(site: Administrated) -> Any:
            return await pause_lane(site, "port", pause=pause, inbound=inbound)

        return inner

    assert acts(await site.plan(want(pause=False))) == [Act.NOTHING]
    assert acts(await site.run(want(pause=True))) == [Act.CALL]
    assert acts(await site.run(want(pause=True))) == [Act.NOTHING]
    administrated = await site.look()
    own, other = EndpointId(administrated.view.own_id), EndpointId((await site.remote()).endpoint_id)
    lane = await administrated.reader.ask(
        administrated.gateway, "Gateway", "outboundLane", Lane(own, other).id
    )
    assert lane[2] is not inbound
    assert acts(await site.run(want(pause=False))) == [Act.SCHEDULE]
    await site.wait(want(pause=False))
    assert acts(await site.run(want(pause=False))) == [Act.EXECUTE]
    assert acts(await site.plan(want(pause=False))) == [Act.NOTHING]


async def test_a_lane_that_is_not_open_can_not_be_paused(site: Site) -> None:
    with pytest.raises(NotAdministrable, match="no lane"):
        await pause_lane(await site.look(), "port", pause=True, channel=b"\x01" * 32)
    with pytest.raises(NotAdministrable, match="not registered"):
        await pause_remote(await site.look(), "0x" + "77" * 32, pause=True)


def granting(role: str, account: bytes, delay_s: int | None = None) -> Want:
    async def want(site: Administrated) -> Any:
        return await grant_role(site, role, account, delay_s)

    return want


def revoking(role: str, account: bytes, *, force: bool = False) -> Want:
    async def want(site: Administrated) -> Any:
        return await revoke_role(site, role, account, force=force)

    return want


async def test_a_printed_call_sent_by_another_account_with_the_role_has_the_effect(site: Site) -> None:
    other = site.key(1)
    grant = granting("admin", other.address)
    assert acts(await site.run(grant)) == [Act.SCHEDULE]
    await site.wait(grant)
    assert acts(await site.run(grant)) == [Act.EXECUTE]
    admins = (await site.look()).access.role(ADMIN_ROLE).members
    assert {member.account: member.delay_s for member in admins}[other.address] == DELAY_S
    assert acts(await site.run(grant)) == [Act.NOTHING]

    # As a multisig: only the printed bytes are sent, and not by us.
    await site.run(pausing(pause=True))
    plan = await site.plan(pausing(pause=False), key=other)
    assert acts(plan) == [Act.SCHEDULE]
    schedule, execute = printed_calls(plan.decisions[0], plan.site.view.authority, other.address)
    await send_raw(site, other, schedule.target, schedule.data)
    # The first admin finds it scheduled, and schedules nothing beside it.
    waiting = await site.plan(pausing(pause=False))
    assert acts(waiting) == [Act.WAIT]
    assert other.address.hex() in waiting.findings[0].found
    await site.wait(pausing(pause=False), key=other)
    await send_raw(site, other, execute.target, execute.data)
    assert not (await site.remote()).is_paused


async def send_raw(site: Site, key: Key, to: bytes, data: bytes) -> None:
    from relayer.chains.base import Address, Call
    from relayer.chains.evm.open_evm import open_evm

    chain = open_evm("court", site.config.chain("court"), site.chains["court"].genesis_hash, [key])
    try:
        price = (await chain.market()).base_fee_wei or 0
        from relayer.chains.base import GasPrice

        (nonce,) = await chain.count_transactions(Address(key.address))
        call = Call(Address(to), data)
        signed = chain.sign(Address(key.address), nonce, call, 500_000, GasPrice(2 * price + 10**9, 10**9))
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


async def test_the_last_admin_stays_and_nobody_is_granted_what_everybody_has(site: Site) -> None:
    mine = site.key().address
    last = await site.plan(revoking("admin", mine))
    assert last.is_refused
    assert not last.steps
    assert not (await site.plan(revoking("admin", mine, force=True))).is_refused
    assert (await site.plan(granting(str(PUBLIC_ROLE), mine))).is_refused
    # A guardian is another matter: it is revoked after the delay, and a second time nothing is left.
    revoke = revoking("guardian", mine)
    await site.run(revoke)
    await site.wait(revoke)
    assert acts(await site.run(revoke)) == [Act.EXECUTE]
    assert acts(await site.run(revoke)) == [Act.NOTHING]
    assert acts(await site.plan(pausing(pause=True))) == [Act.REFUSED]


async def test_a_role_without_functions_gets_them_with_its_first_member(site: Site) -> None:
    grant = granting("channel-opener", site.key(1).address)
    plan = await site.run(grant)
    assert acts(plan) == [Act.SCHEDULE, Act.SCHEDULE]
    for _ in range(100):
        if acts(await site.plan(grant)) == [Act.EXECUTE, Act.EXECUTE]:
            break
        await asyncio.sleep(0.1)
    assert acts(await site.run(grant)) == [Act.EXECUTE, Act.EXECUTE]
    assert acts(await site.run(grant)) == [Act.NOTHING]
    administrated = await site.look()
    selector = load("Gateway").selector("openChannel")
    can = await administrated.reader.ask(
        administrated.view.authority,
        "AccessManager",
        "canCall",
        site.key(1).address,
        administrated.gateway,
        selector,
    )
    assert can == (True, 0)


@pytest.mark.parametrize("moment", [Moment.SENDING, Moment.DONE])
async def test_a_command_that_is_killed_goes_on_where_it_was_and_sends_nothing_twice(
    site: Site, moment: Moment
) -> None:
    def kill(progress: Progress) -> None:
        if progress.moment is moment:
            raise Killed

    pause, unpause = pausing(pause=True), pausing(pause=False)
    await site.run(pause)
    before = await count_pending(site.nodes["court"], site.key().address)
    with pytest.raises(Killed):
        await site.run(unpause, on_progress=kill)
    record = site.manifest.get("court")
    assert record is not None
    (kept,) = record.pending
    assert kept.step.startswith("administer:schedule remote unpause")
    # The same command again takes it up, and finds what it did on the chain.
    assert acts(await site.run(unpause)) == [Act.WAIT]
    record = site.manifest.get("court")
    assert record is not None
    assert record.pending == ()
    # The process is gone between schedule and execute; the next one executes.
    await site.wait(unpause)
    with pytest.raises(Killed):
        await site.run(unpause, on_progress=kill)
    assert acts(await site.run(unpause)) == [Act.NOTHING]
    assert not (await site.remote()).is_paused
    assert await count_pending(site.nodes["court"], site.key().address) == before + 2


def retiring(last_height: int | None = None, *, cancel: bool = False) -> Want:
    async def want(site: Administrated) -> Any:
        return await retire_remote(site, "port", last_height, cancel=cancel)

    return want


async def reinstating(site: Administrated) -> Any:
    return await reinstate_remote(site, "port")


async def test_a_remote_is_retired_at_a_height_and_reinstated(site: Site) -> None:
    # A height is chosen by people; what is scheduled or done needs none.
    with pytest.raises(NotAdministrable, match="trusts block"):
        await site.plan(retiring())
    assert acts(await site.run(retiring(40))) == [Act.SCHEDULE]
    assert acts(await site.plan(retiring())) == [Act.WAIT]
    other = await site.plan(retiring(41))
    assert acts(other) == [Act.REFUSED]
    assert "lastHeight: 40" in other.findings[0].found
    assert acts(await site.run(retiring(cancel=True), cancel=True)) == [Act.CANCEL]
    scheduled = await site.run(retiring(41))
    assert "From court to port: 0 of 0 messages" in " ".join(scheduled.decisions[0].change.compare)
    await site.wait(retiring())
    assert acts(await site.run(retiring())) == [Act.EXECUTE]
    retired = await site.remote()
    assert (retired.is_retired, retired.last_height) == (True, 41)
    assert acts(await site.plan(retiring())) == [Act.NOTHING]
    # Another height is another retirement.
    assert acts(await site.plan(retiring(42))) == [Act.SCHEDULE]
    await site.run(reinstating)
    await site.wait(reinstating)
    assert acts(await site.run(reinstating)) == [Act.EXECUTE]
    assert not (await site.remote()).is_retired
    assert acts(await site.plan(reinstating)) == [Act.NOTHING]


async def test_a_remote_with_a_successor_is_retired_for_good(site: Site) -> None:
    look = await site.look()
    remote = replace(await site.remote(), is_retired=True, is_succeeded=True, last_height=40)
    look = replace(look, view=replace(look.view, remotes=(remote,)))
    assert (await retire_remote(look, "port", 40)).changes[0].done
    with pytest.raises(NotAdministrable, match="another endpoint is registered"):
        await retire_remote(look, "port", 41)
    with pytest.raises(NotAdministrable, match="another endpoint is registered"):
        await reinstate_remote(look, "port")


CHANNEL = b"\x07" * 32


async def test_a_channel_is_opened_for_its_owner_who_allows_and_hands_it_over(site: Site) -> None:
    owner, heir, sender = site.key(1), site.key(2), b"\x55" * 20

    async def opening(site: Administrated) -> Any:
        return await open_channel(site, "port", CHANNEL, owner.address)

    def allowing(*, allow: bool) -> Want:
        async def want(site: Administrated) -> Any:
            return await allow_sender(site, "port", CHANNEL, sender, allow=allow)

        return want

    def offering(account: bytes) -> Want:
        async def want(site: Administrated) -> Any:
            return await transfer_channel(site, "port", CHANNEL, account)

        return want

    async def accepting(site: Administrated) -> Any:
        return await accept_channel(site, "port", CHANNEL)

    async def ask(function: str, *arguments: object) -> Any:
        look = await site.look()
        lane = Lane(EndpointId(look.view.own_id), EndpointId((await site.remote()).endpoint_id), CHANNEL)
        return await look.reader.ask(look.gateway, "Gateway", function, lane.id, *arguments)

    def shown(*accounts: bytes) -> tuple[str, ...]:
        return tuple("0x" + account.hex() for account in accounts)

    with pytest.raises(NotAdministrable, match="no channel"):
        await site.plan(allowing(allow=True))
    with pytest.raises(NotAdministrable, match="public lane"):
        await open_channel(await site.look(), "port", bytes(32), owner.address)
    # Through the manager, which calls in the end: the channel belongs to whom its opener names all the same.
    assert acts(await site.run(opening)) == [Act.SCHEDULE]
    await site.wait(opening)
    assert acts(await site.run(opening)) == [Act.EXECUTE]
    assert await ask("laneOwner") == shown(owner.address, bytes(20))
    assert acts(await site.run(opening)) == [Act.NOTHING]

    # Nobody but the owner, whom nothing delays.
    refused = await site.plan(allowing(allow=True))
    assert acts(refused) == [Act.REFUSED]
    assert owner.address.hex() in refused.findings[0].expected
    assert acts(await site.run(allowing(allow=True), key=owner)) == [Act.CALL]
    assert await ask("isSenderAllowed", sender)
    assert acts(await site.run(allowing(allow=True), key=owner)) == [Act.NOTHING]
    assert acts(await site.run(allowing(allow=False), key=owner)) == [Act.CALL]
    assert not await ask("isSenderAllowed", sender)

    assert acts(await site.run(offering(sender), key=owner)) == [Act.CALL]
    assert acts(await site.run(offering(owner.address), key=owner)) == [Act.CALL]
    assert await ask("laneOwner") == shown(owner.address, bytes(20))
    assert acts(await site.run(offering(owner.address), key=owner)) == [Act.NOTHING]
    assert acts(await site.run(offering(heir.address), key=owner)) == [Act.CALL]
    assert acts(await site.run(offering(heir.address), key=owner)) == [Act.NOTHING]
    assert acts(await site.plan(accepting, key=owner)) == [Act.REFUSED]
    # As a multisig: the printed bytes, and nothing else.
    plan = await site.plan(accepting, key=heir)
    (call,) = printed_calls(plan.decisions[0], plan.site.view.authority, heir.address)
    await send_raw(site, heir, call.target, call.data)
    assert await ask("laneOwner") == shown(heir.address, bytes(20))
    assert acts(await site.plan(accepting, key=heir)) == [Act.NOTHING]


def replacing(**options: Any) -> Want:
    async def want(site: Administrated) -> Any:
        return await replace_client(site, "port", **options)

    return want


async def test_a_light_client_is_deployed_judged_and_replaces_the_registered_one(site: Site) -> None:
    good = await site.plan(replacing())
    assert acts(good) == [Act.NOTHING]
    assert not good.steps
    former = (await site.remote()).client_address

    def kill(progress: Progress) -> None:
        # Deployed and written down, and nothing scheduled.
        if progress.moment is Moment.DONE and progress.step.creates:
            raise Killed

    force = replacing(force=True)
    first = await site.plan(force)
    assert first.is_deploying
    assert first.decisions[0].change.is_provisional
    # What a person compares: who seals.
    assert any("validators" in line for line in first.decisions[0].change.compare)
    with pytest.raises(Killed):
        await site.run(force, on_progress=kill)
    record = site.manifest.get("court")
    assert record is not None
    deployed = bytes(record.clients["port"].contract.address)
    assert deployed != former
    # The one that was deployed is found, and no other is.
    plan = await site.run(force)
    assert acts(plan) == [Act.SCHEDULE]
    assert not plan.is_deploying
    assert deployed in plan.decisions[0].data
    await site.wait(force)
    assert acts(await site.run(force)) == [Act.EXECUTE]
    assert (await site.remote()).client_address == deployed
    # The former one is named, judged, and goes back in; one of strangers is refused.
    back = await site.plan(replacing(address=former))
    assert acts(back) == [Act.SCHEDULE]
    assert acts(await site.plan(replacing(address=deployed))) == [Act.NOTHING]
    stranger = await site.plan(replacing(address=(await site.look()).gateway))
    assert stranger.is_refused
    assert not stranger.steps


def bootstrapping(**options: Any) -> Want:
    async def want(site: Administrated) -> Any:
        return await bootstrap_client(site, "port", **options)

    return want


async def test_a_beacon_client_is_bootstrapped_and_replaced_likewise(tmp_path: Path) -> None:
    chain = LocalEthereumChain("port", ChainOptions(block_time_s=0.2))
    async with open_site(tmp_path, chain) as site:
        assert acts(await site.plan(bootstrapping())) == [Act.NOTHING]
        force = bootstrapping(force=True)
        scheduled = await site.run(force)
        assert acts(scheduled) == [Act.SCHEDULE]
        assert any("Compare" in line for line in scheduled.decisions[0].change.compare)
        call = load("EthereumLightClient").decode_call(scheduled.decisions[0].data)
        assert call is not None
        await site.wait(force)
        assert acts(await site.run(force)) == [Act.EXECUTE]
        former = await site.remote()
        reader = ContractReader(site.nodes["court"])
        slot, _, committee, following, _ = await reader.ask(
            former.client_address, "EthereumLightClient", "trustedState"
        )
        assert (slot, committee, following) == tuple(call.arguments.values())

        force = replacing(force=True)
        assert acts(await site.run(force)) == [Act.SCHEDULE]
        await site.wait(force)
        assert acts(await site.run(force)) == [Act.EXECUTE]
        assert (await site.remote()).client_address != former.client_address


async def test_a_bootstrap_is_executed_as_it_was_scheduled_and_can_be_taken_back(site: Site) -> None:
    assert acts(await site.plan(bootstrapping())) == [Act.NOTHING]
    force = bootstrapping(force=True)
    await site.run(force)
    assert acts(await site.run(bootstrapping(cancel=True), cancel=True)) == [Act.CANCEL]
    assert not (await site.look()).access.operations
    scheduled = await site.run(force)
    call = load("BftLightClient").decode_call(scheduled.decisions[0].data)
    assert call is not None
    await site.wait(force)
    # The chain went on: what is executed is what was compared then.
    assert acts(await site.run(force)) == [Act.EXECUTE]
    client = (await site.remote()).client_address
    reader = ContractReader(site.nodes["court"])
    _, height, timestamp, _ = await reader.ask(client, "BftLightClient", "trustedState")
    assert (height, timestamp) == (call.arguments["height"], call.arguments["timestamp"])


async def test_the_commands_speak_json_and_exit_as_they_say(site: Site) -> None:
    site.write_files(other=3)
    admin = "0x" + site.key().address.hex()

    roles = await site.cli("roles", "list", "court")
    assert {
        (function, rule["role"], member["account"], member["delay_s"])
        for rule in roles["rules"]
        for function in rule["functions"]
        for member in rule["members"]
        if function in {"replaceClient", "pauseRemote"}
    } == {("replaceClient", ADMIN_ROLE, admin, DELAY_S), ("pauseRemote", GUARDIAN_ROLE, admin, 0)}
    # Nobody is there to ask; a dry run asks nobody and sends nothing.
    assert (await site.cli("remote", "pause", "court", "port", code=2))["error"]["expected"] == "--yes"
    dry = await site.cli("remote", "pause", "court", "port", "--dry-run")
    assert (dry["applied"], dry["changes"][0]["act"], dry["changes"][0]["role"]) == (
        False,
        "call",
        GUARDIAN_ROLE,
    )
    assert not (await site.remote()).is_paused
    done = await site.cli("remote", "pause", "court", "port", "--yes")
    assert (done["applied"], len(done["transactions"])) == (True, 1)
    again = await site.cli("remote", "pause", "court", "port", "--yes")
    assert (again["applied"], again["changes"][0]["act"]) == (False, "nothing")

    # Without a key: the only admin is who will send it.
    printed = await site.cli("remote", "unpause", "court", "port", "--print-call")
    assert printed["account"] == admin
    assert [call["name"] for call in printed["calls"]] == ["schedule", "execute"]
    batch = printed["calls"][0]["batch"]
    assert batch["chainId"] == str(site.chains["court"].chain_id)
    (transaction,) = batch["transactions"]
    assert (transaction["to"], transaction["value"]) == (printed["calls"][0]["target"], "0")
    assert transaction["data"] == printed["calls"][0]["data"]
    scheduled = await site.cli("remote", "unpause", "court", "port", "--yes")
    assert scheduled["changes"][0]["act"] == "schedule"
    assert scheduled["changes"][0]["ready_at"] > 0
    stranger = await site.cli("remote", "unpause", "court", "port", "--yes", "--key", "other", code=5)
    assert stranger["refused"]
    cancelled = await site.cli("remote", "unpause", "court", "port", "--cancel", "--yes")
    assert cancelled["changes"][0]["act"] == "cancel"
    lane = await site.cli("lane", "pause", "port", "court", "--inbound", "--yes")
    assert (lane["chain"], lane["changes"][0]["act"]) == ("court", "call")
    assert (await site.cli("client", "replace", "port", "court", "--force", "--print-call", code=2))["error"]
    deployed = await site.cli(
        "client", "replace", "port", "court", "--force", "--deploy-only", "--key", "other", "--yes"
    )
    assert deployed["applied"]
    named = await site.cli("client", "replace", "port", "court", "--force", "--print-call")
    assert [call["name"] for call in named["calls"]] == ["schedule", "execute"]
    assert await site.cli("client", "bootstrap", "port", "court", "--yes")
    await site.cli("remote", "pause", "court", "nowhere", "--yes", code=3)
    await site.cli("roles", "grant", "court", "emperor", admin, "--yes", code=5)
    revoked = await site.cli("roles", "revoke", "court", "admin", admin, "--yes", code=5)
    assert any(finding["severity"] == Severity.REFUSAL.value for finding in revoked["findings"])


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "administrate-an-endpoint.md"


async def test_the_how_to_can_be_followed_word_for_word(site: Site) -> None:
    site.write_files(**{"on-call": 1, "app-owner": 2})
    addresses = {"ON_CALL": site.key(1), "APP_OWNER": site.key(2), "SAFE": site.key(3), "APP": site.key(4)}
    words = {name: "0x" + key.address.hex() for name, key in addresses.items()}
    words["CHANNEL"] = "0x" + CHANNEL.hex()
    lines = [line.strip() for line in PAGE.read_text().splitlines() if line.startswith("    postroad ")]
    assert len(lines) > 30
    for line in lines:
        command, _, comment = line.partition("#")
        given = [words.get(word.removeprefix("$"), word) for word in command.split()[1:]]
        is_reading = given[1] in {"list", "status"} or "--print-call" in given
        if is_reading:
            await site.cli(*given)
            continue
        change = await site.next_change(given)
        for _ in range(20):
            if change["act"] != "wait" or not comment.strip().startswith("after the delay"):
                break
            await asyncio.sleep(0.5)
            change = await site.next_change(given)
        assert change["act"] == expected_act(line), (line, change)
    # What the page says that it did.
    look, remote = await site.look(), await site.remote()
    assert remote.is_paused
    assert not remote.is_retired
    assert {member.account for member in look.access.role(ADMIN_ROLE).members} >= {addresses["SAFE"].address}
    assert [member.account for member in look.access.role(GUARDIAN_ROLE).members] == [site.key().address]
    lane = Lane(EndpointId(look.view.own_id), EndpointId(remote.endpoint_id), CHANNEL)
    owner, _ = await look.reader.ask(look.gateway, "Gateway", "laneOwner", lane.id)
    assert owner == words["ON_CALL"]


def expected_act(line: str) -> str:
    """What a line of the page does, by what the page says of it, and whose it is."""
    command, _, comment = line.partition("#")
    if comment.strip().startswith("after the delay"):
        return "execute"
    if "nothing to do" in comment:
        return "nothing"
    if "--cancel" in command:
        return "cancel"
    of_an_owner = "channel" in command and " open " not in command
    return "call" if of_an_owner or " pause " in command else "schedule"
