# SPDX-License-Identifier: MIT
"""The two runs of `make live-ethereum`: which clients, how long, and what has to be seen."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from light_clients.ethereum.config import ForkName
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.ethereum.discovery import discover_network
from relayer.contracts import load
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.network.join import LocalRoads, LocalSite, join_local, site_of
from relayer.endpoint.manifest import Manifest
from relayer.errors import NonceConflict, Retryable
from relayer.keys import Key
from tests.live import following
from tests.live.beacon import BeaconNode, run_lodestar, run_specification
from tests.live.execution import CHAIN_ID, Client, Execution, ask, genesis, run_execution
from tests.live.following import Followed
from tests.live.journey import Journal, Say, daemon, send_for
from tests.live.oracle import ask_lodestar, judge, require_oracle

_SETTLE_S = 600.0
_JOIN_TRIES = 5
_MESSAGE_EVERY_S = 5.0


class NotSeenError(AssertionError):
    """Something that the run is for was not seen."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Secret keys on the real chain, each for one purpose."""

    deployer: bytes
    relayer: bytes
    sender: bytes

    @classmethod
    def make(cls) -> Accounts:
        """New ones."""
        return cls(*(secrets.token_bytes(31).rjust(32, b"\x01") for _ in range(3)))

    def addresses(self) -> list[bytes]:
        """20 bytes each."""
        return [Key("", secret).address for secret in (self.deployer, self.relayer, self.sender)]


async def run_fulu(folder: Path, client: Client, periods: int, say: Say) -> None:
    """The executable specification from Electra into Fulu, over a real execution client, joined with a QBFT
    chain both ways.

    Raises:
        NotSeenError: periods, a fork or messages are missing.
        ProgramError: a client ended or did not start.
    """
    accounts = Accounts.make()
    slot_ms, fulu_epoch, slots_per_epoch = 1000, 12, 8
    genesis_time = int(time.time()) + 15
    osaka_time = genesis_time + fulu_epoch * slots_per_epoch * slot_ms // 1000
    # Fulu's execution rules are Osaka's; EthereumJS goes on with Prague's, which Fulu's blocks can carry as
    # well.
    given = genesis(accounts.addresses(), forks="prague", osaka_time=osaka_time if client == "geth" else None)
    async with contextlib.AsyncExitStack() as stack:
        execution = await stack.enter_async_context(run_execution(client, folder / "execution", given))
        node = await stack.enter_async_context(
            run_specification(
                folder / "beacon",
                execution,
                genesis_time=genesis_time,
                slot_ms=slot_ms,
                fulu_epoch=fulu_epoch,
                last_slot=(periods + 8) * 64,
                seed=secrets.randbelow(2**32),
            )
        )
        say(f"{node.version} over {execution.version}; Fulu begins at slot {fulu_epoch * slots_per_epoch}")
        court = await stack.enter_async_context(
            LocalBftChain("court", ChainOptions(block_time_s=0.5), validators=4)
        )
        site = site_of_node("eth", execution, node, accounts)
        await travel(
            folder,
            node,
            execution,
            [site, site_of(court)],
            periods,
            {ForkName.ELECTRA, ForkName.FULU},
            say,
        )


async def run_capella(folder: Path, client: Client, periods: int, say: Say) -> None:
    """Lodestar's beacon node and validators over a real execution client, Capella from genesis, joined with a
    QBFT chain both ways.

    The execution client knows no more than Capella does, so this chain gets the baseline build.

    Raises:
        NotSeenError: periods or messages are missing.
        ProgramError: a client ended or did not start.
    """
    accounts = Accounts.make()
    async with contextlib.AsyncExitStack() as stack:
        given = genesis(accounts.addresses(), forks="shanghai")
        execution = await stack.enter_async_context(run_execution(client, folder / "execution", given))
        node = await stack.enter_async_context(run_lodestar(folder / "beacon", execution, slot_s=2))
        say(f"{node.version} over {execution.version}")
        court = await stack.enter_async_context(
            LocalBftChain("court", ChainOptions(block_time_s=0.5), validators=4)
        )
        sites = [site_of_node("eth", execution, node, accounts), site_of(court)]
        await travel(folder, node, execution, sites, periods, {ForkName.CAPELLA}, say)


async def travel(
    folder: Path,
    node: BeaconNode,
    execution: Execution,
    sites: list[LocalSite],
    periods: int,
    forks: set[ForkName],
    say: Say,
) -> None:
    """Follow the chain, join it with the other, carry messages both ways for so many periods,
    and check what was seen.
    """
    config = await discover_network("eth", [node.url])
    seen = await following.begin(node, config)
    first = seen.finalized_period
    say(f"first finality at slot {seen.store.finalized_header.beacon.slot}; following from period {first}")
    follower = asyncio.create_task(following.follow(node, seen))
    try:
        roads = await _join_again(sites, folder / "roads", say)
        say("endpoints are deployed and joined both ways")
        async with daemon(roads.config_path) as relaying:

            def watch() -> None:
                node.program.check()
                execution.program.check()
                if follower.done():
                    follower.result()
                if not relaying.is_running():
                    raise NotSeenError(f"the daemon ended:\n{relaying.log_end()}")

            def enough() -> bool:
                return seen.finalized_period >= first + periods and forks <= seen.forks

            began = time.monotonic()
            try:
                async with asyncio.timeout(_SETTLE_S + periods * node.slots_per_period * node.slot_ms / 1000):
                    journal = await send_for(
                        roads,
                        [("eth", "court"), ("court", "eth")],
                        every_s=_MESSAGE_EVERY_S,
                        enough=enough,
                        watch=watch,
                        say=lambda text: say(f"{_where(seen)}; {text}"),
                    )
            except BaseException:
                say(f"the daemon's last words:\n{relaying.log_end(30)}")
                raise
            usage = relaying.usage()
            say(
                f"the daemon used {usage.cpu_s:.1f} s of CPU in {time.monotonic() - began:.0f} s, {usage.peak_mb:.0f} MB at most"
            )
        contract_period = await contract_finalized_slot(roads) // node.slots_per_period
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
    report(seen, journal, node, execution, first, contract_period, say)
    if contract_period < first + periods - 1 or seen.rejections or len(seen.periods) < periods:
        raise NotSeenError(
            f"found periods {sorted(seen.periods)}, the contract in {contract_period}, rejections {seen.rejections}"
        )
    confirm_with_lodestar(seen, say)


async def _join_again(sites: list[LocalSite], directory: Path, say: Say) -> LocalRoads:
    """Join as an operator does who runs the command again where it says so:
    EthereumJS counts a transaction before it shows it.
    """
    for _ in range(_JOIN_TRIES - 1):
        try:
            return await join_local(sites, directory)
        except (Retryable, NonceConflict) as error:
            say(f"joining again after: {error}")
            await asyncio.sleep(3.0)
    return await join_local(sites, directory)


def report(
    seen: Followed,
    journal: Journal,
    node: BeaconNode,
    execution: Execution,
    first: int,
    contract_period: int,
    say: Say,
) -> None:
    """Say what was seen."""
    kinds = [kind for kind, _ in seen.steps]
    forks = ", ".join(fork.label for fork in sorted(seen.forks))
    signers = (
        f"{min(seen.participants)} to {max(seen.participants)} of {seen.config.preset.sync_committee_size}"
    )
    say(
        f"our light client followed {forks} from period {first} to {seen.finalized_period}: {kinds.count('update')} updates and "
        f"{kinds.count('finality')} finality updates accepted, {len(seen.rejections)} rejected; {signers} signed"
    )
    say(f"EthereumLightClient on the other chain trusts a slot of period {contract_period}")
    for source in ("eth", "court"):
        times = journal.seconds(source)
        if not times:
            raise NotSeenError(f"no message from {source} arrived")
        say(
            f"{len(times)} messages from {source} proven as executed, each after {times[0]:.1f} to {times[-1]:.1f} s, "
            f"half of them within {times[len(times) // 2]:.1f} s"
        )
    say(
        f"memory at most: {node.program.name} {node.program.peak_mb():.0f} MB, {execution.client} {execution.program.peak_mb():.0f} MB"
    )


def confirm_with_lodestar(seen: Followed, say: Say) -> None:
    """Let Lodestar's light client judge everything that ours was given."""
    require_oracle()
    current = max(int(given["data"]["signature_slot"]) for _, given in seen.steps)
    case = seen.case("live", current)
    _, [theirs] = ask_lodestar([case], seen.config.preset.name)
    ours = judge(case)
    if ours.decisions() != theirs.decisions():
        raise NotSeenError(f"Lodestar's light client differs:\n    ours   {ours}\n    theirs {theirs}")
    say(f"@lodestar/light-client gives the same verdict on all {len(seen.steps)} objects")


async def contract_finalized_slot(roads: LocalRoads) -> int:
    """The slot that the contract on `court` trusts."""
    record = Manifest(roads.config.manifest_path).get("court")
    if record is None:
        raise NotSeenError("court has no endpoint")
    client = load("EthereumLightClient")
    url = roads.config.chain("court").rpc[0].reveal()
    call = {
        "to": "0x" + bytes(record.clients["eth"].contract.address).hex(),
        "data": "0x" + client.encode_call("trustedState").hex(),
    }
    state = client.decode_result(
        "trustedState", bytes.fromhex((await ask(url, "eth_call", call, "latest"))[2:])
    )
    return int(state[0])


def site_of_node(name: str, execution: Execution, node: BeaconNode, accounts: Accounts) -> LocalSite:
    """The real chain, as joining wants it."""
    return LocalSite(
        name=name,
        consensus={"kind": "ethereum", "beacon": [node.url]},
        chain_id=CHAIN_ID,
        http_url=execution.http_url,
        ws_url=execution.ws_url,
        deployer=accounts.deployer,
        relayer=accounts.relayer,
        sender=accounts.sender,
    )


def _where(seen: Followed) -> str:
    slot = seen.store.finalized_header.beacon.slot
    return (
        f"finalized slot {slot} ({seen.config.fork_at_slot(slot).name.label}, period {seen.finalized_period})"
    )
