# SPDX-License-Identifier: MIT
"""A Clique chain and a BFT chain, with real seals and contracts, and the daemon as operators run it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from light_clients.clique.signers import set_hash
from relayer.chains.evm.contract_reader import ContractReader, address_of
from relayer.consensus.clique.local.chain import LocalCliqueChain
from relayer.consensus.clique.local.faults import ForeignSeal, ForgedRoot
from relayer.devnet.network.network import Network
from tests.support.daemon_process import DaemonProcess
from tests.support.journal import gas_totals
from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE, RelayNet, access_of, join_network

SETTINGS = '[metrics]\nlisten = ""\n\n[batch]\nmax_wait_ms = 100\n'


@asynccontextmanager
async def relayed(spec: str, folder: Path) -> AsyncIterator[tuple[LocalCliqueChain, RelayNet, DaemonProcess]]:
    """The chain `court` of the spec, joined with `port`, and a running daemon."""
    async with Network(spec) as network:
        net = await join_network(
            folder, [access_of(chain) for chain in network.chains.values()], extra=SETTINGS
        )
        daemon = DaemonProcess(net.config_path)
        await daemon.start()
        try:
            yield network.chain_of("court", LocalCliqueChain), net, daemon
        except BaseException:
            print(daemon.log_end(60))
            raise
        finally:
            if daemon.is_running():
                await daemon.kill()
            await net.close()


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)


async def both_ways(net: RelayNet, count: int, total: int) -> None:
    """Send so many more messages either way, and wait until all of `total` were delivered."""
    await net.send_counted("court", "port", count, 10 * total)
    await net.send_counted("port", "court", count, 10 * total)
    await net.await_delivered("court", "port", total)
    await net.await_delivered("port", "court", total)


async def trusted_set(net: RelayNet) -> bytes:
    """The hash of the set that the light client of `court` on `port` trusts."""
    place = net.places["port"]
    reader = ContractReader(place.node)
    client, *_ = await reader.ask(place.gateway, "Gateway", "remote", net.places["court"].endpoint)
    trusted, *_ = await reader.ask(address_of(client), "CliqueLightClient", "trustedState")
    return bytes(trusted)


async def test_messages_both_ways_while_signers_are_voted_in_and_out(tmp_path: Path) -> None:
    """INV-1, INV-2, INV-5, INV-6, INV-10: three signers become four and three again, one is down, and the
    daemon is killed meanwhile.
    """
    async with relayed("court=clique:3@0.3,port=bft:4@0.3", tmp_path) as (court, net, daemon):
        await both_ways(net, 5, 5)

        added = court.add_signer()
        await both_ways(net, 5, 10)
        assert added in court.signers

        court.remove_signer(court.signers[0])
        await daemon.kill()
        await asyncio.sleep(1)
        assert len(court.signers) == 3
        # Two signers are more than half of three and not of four, and the chain goes on without the third:
        # what is sent from here on can only be proven to a light client that was led behind the change.
        court.stop_signer(court.signers[1])
        await net.send_counted("court", "port", 5, 500)
        await daemon.start()
        await net.await_delivered("court", "port", 15)
        assert await trusted_set(net) == set_hash(court.signers)

        await net.send_counted("court", "port", 5, 600)
        await net.await_delivered("court", "port", 20)

        await net.await_settled("court", "port", 20)
        assert await daemon.stop() == 0
        receipts = await net.receipts_by_id("port")
        assert len(receipts) == 20
        assert set(receipts.values()) == {1}
        with net.open_journal() as journal, journal.reading() as reading:
            assert gas_totals(reading)[1] == 0


async def test_an_epoch_block_leads_on_where_votes_lie_too_far_back(tmp_path: Path) -> None:
    """INV-6: both votes are on chain before the daemon is started, under an epoch block by then."""
    async with relayed("court=clique:2:epoch20@0.2,port=bft:4@0.3", tmp_path) as (court, net, daemon):
        await both_ways(net, 2, 2)
        assert await daemon.stop() == 0
        court.add_signer()
        await court.wait_for(court.head.number + 45)
        assert len(court.signers) == 3
        await daemon.start()
        await both_ways(net, 2, 4)
        assert await trusted_set(net) == set_hash(court.signers)


async def test_a_provider_that_forges_is_not_believed(tmp_path: Path) -> None:
    """INV-5, INV-7: strangers' seals and invented roots, for blocks that nobody else serves, delay; they
    never deliver.
    """
    async with relayed("court=clique:3@0.3,port=bft:4@0.3", tmp_path) as (court, net, _):
        await both_ways(net, 2, 2)
        with court.faults.on(ForeignSeal()):
            await net.send_counted("court", "port", 2, 100)
            await asyncio.sleep(3)
            assert await net.delivered_count("court", "port", 4) == 2
        with court.faults.on(ForgedRoot()):
            await asyncio.sleep(2)
            assert await net.delivered_count("court", "port", 4) == 2
        await net.await_delivered("court", "port", 4)
