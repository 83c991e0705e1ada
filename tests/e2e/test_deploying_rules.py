# SPDX-License-Identifier: MIT
"""Deploying where gas is free and where there is no EIP-1559; test_gas_rules relays there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from relayer import config as configuration
from relayer.chains.evm.node import Node
from relayer.contracts import load
from relayer.devnet.network.join import consensus_table, join_local, site_of
from relayer.devnet.network.network import Network
from relayer.endpoint.apply import Moment, Progress, apply_plan, created_address
from relayer.endpoint.manifest import Hex, Manifest
from relayer.endpoint.plan import make_plan
from relayer.keys import Key


async def test_chains_with_free_gas_or_without_eip_1559_are_deployed_on_and_joined(tmp_path: Path) -> None:
    """Accounts are empty where gas is free."""
    async with Network("gift=bft:4:free:unpaid@0.2,old=bft:4:legacy@0.2") as network:
        sites = [site_of(chain) for chain in network.chains.values()]
        roads = await join_local(sites, tmp_path)
        assert set(roads.endpoints) == {"gift", "old"}
        assert roads.plan.prices["gift"].max_wei == 0
        assert roads.plan.prices["old"].is_legacy
        for name in network.chains:
            record = Manifest(roads.config.manifest_path).get(name)
            assert record is not None
            assert record.pending == ()
            assert record.gateway is not None
            mined = await network.anvil_chain(name).rpc(
                "eth_getTransactionByHash", "0x" + record.gateway.tx_hash.hex()
            )
            price = int(mined["gasPrice"], 16)
            assert price == 0 if name == "gift" else (mined["type"], price > 0) == ("0x0", True)


async def test_a_tip_that_an_empty_account_can_never_pay_is_taken_back(tmp_path: Path) -> None:
    """An earlier version signed it so; the node took it, and no block ever has it."""
    async with Network("gift=bft:4:free:unpaid@0.2") as network:
        chain = network.anvil_chain("gift")
        key = Key("deployer", chain.funded_keys[0].secret)
        manifest = Manifest(tmp_path / "endpoints.json")
        node = Node.over("gift", [chain.http_url])

        async def run(on_progress: Callable[[Progress], None]) -> None:
            config = configuration.parse(
                f'[chains.gift]\nchain = "eip155:{chain.chain_id}"\nrpc = ["{chain.http_url}"]\n'
                + consensus_table("gift", chain.describe().consensus),
                directory=tmp_path,
            )
            plan = await make_plan(config, manifest, {"gift": node}, {"gift": key.address}, [])
            await apply_plan(plan, config, manifest, {"gift": node}, {"gift": key}, on_progress)

        def kill(progress: Progress) -> None:
            if progress.moment is Moment.SENDING:
                raise _Killed

        try:
            with pytest.raises(_Killed):
                await run(kill)
            record = manifest.get("gift")
            assert record is not None
            (pending,) = record.pending
            raw, tx_hash = key.sign_transaction(
                {
                    "chainId": chain.chain_id,
                    "nonce": 0,
                    "gas": pending.signatures[0].gas,
                    "to": b"",
                    "data": load("AccessManager").encode_creation(key.address),
                    "maxFeePerGas": 10**9,
                    "maxPriorityFeePerGas": 10**9,
                }
            )
            stuck = msgspec.structs.replace(
                pending.signatures[0],
                raw=Hex(raw),
                tx_hash=Hex(tx_hash),
                max_fee_wei=10**9,
                priority_fee_wei=10**9,
            )
            pending = msgspec.structs.replace(pending, signatures=(stuck,))
            manifest.put("gift", msgspec.structs.replace(record, pending=(pending,)))
            assert await chain.rpc("eth_sendRawTransaction", "0x" + raw.hex()) == "0x" + tx_hash.hex()
            told: list[Progress] = []
            await run(told.append)
        finally:
            await node.close()
        assert told[0].moment is Moment.RESUMED
        record = manifest.get("gift")
        assert record is not None
        assert record.pending == ()
        assert record.authority is not None
        assert record.authority.address == created_address(key.address, 0)
        assert bytes(record.authority.tx_hash) != tx_hash


class _Killed(BaseException):
    """As by SIGKILL."""
