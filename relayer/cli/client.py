# SPDX-License-Identifier: MIT
"""`postroad client`: light clients on chain, shown and updated by hand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relayer.cli.options import config_option, json_option, key_option, load_config, signer_of
from relayer.cli.output import console, ether, hex_of, print_json, print_table, span
from relayer.cli.running import run_async

if TYPE_CHECKING:
    from relayer.config import Config


@click.group()
def client() -> None:
    """Show and update light clients. A running relayer updates them by itself."""


@client.command("status")
@config_option
@json_option
def status(config_path: Path, as_json: bool) -> None:
    """Show each chain's light client on each chain that it is joined to."""
    config = load_config(config_path)
    from relayer.consensus.registry import kind_of

    found = run_async(_read_all(config))
    if as_json:
        print_json(found)
        return
    now = time.time()
    rows = []
    for each in found:
        if each["error"] is not None:
            rows.append((each["source"], each["destination"], "-", "-", "-", "-", each["error"]))
            continue
        signers = kind_of(config.chain(each["source"])).signers
        follows = f"knows the {signers} of today" if each["current"] else f"the {signers} changed since"
        rows.append(
            (
                each["source"],
                each["destination"],
                hex_of(each["client"]),
                each["status"],
                str(each["height"]),
                span(max(0.0, each["expires_at"] - now)),
                follows,
            )
        )
    columns = ("of", "on", "client", "status", "trusted block or slot", "expires in", "")
    print_table(columns, rows, empty="No chains are joined.")


@client.command("update")
@click.argument("source")
@click.argument("destination")
@key_option
@config_option
@json_option
def update(source: str, destination: str, key: str | None, config_path: Path, as_json: bool) -> None:
    """Bring the light client of SOURCE on DESTINATION to the newest verified block.

    Every update is accepted by the same client in Python before it is sent; anybody may send one.
    """
    config = load_config(config_path)
    config.chain(source)
    signer = signer_of(config, destination, key, purpose="sender")

    async def work() -> Any:
        import relayer
        from relayer.road.deliver import update_client

        async with relayer.connect(config, signers={destination: [signer]}) as road:
            return await update_client(road.chain(source), await road.chain_to_write(destination))

    receipts = run_async(work())
    if as_json:
        print_json(
            {
                "source": source,
                "destination": destination,
                "updates": [
                    {
                        "tx_hash": bytes(each.tx_hash),
                        "block": each.block_number,
                        "gas_used": each.gas_used,
                        "fee_wei": each.fee_wei,
                    }
                    for each in receipts
                ],
            }
        )
        return
    for each in receipts:
        console().print(
            f"update {hex_of(each.tx_hash)} in block {each.block_number}: {each.gas_used:,} gas, {ether(each.fee_wei)}"
        )
    if not receipts:
        console().print("It trusts the newest block already.")


async def _read_all(config: Config) -> list[dict[str, Any]]:
    import relayer
    from light_clients.errors import Rejection
    from relayer.errors import PostroadError
    from relayer.road.deliver import client_address

    found = []
    async with relayer.connect(config) as road:
        for source in config.chains:
            for destination in config.chains:
                if source == destination:
                    continue
                shown: dict[str, Any] = {
                    "source": source,
                    "destination": destination,
                    "consensus": config.chain(source).consensus.kind,
                    "client": None,
                    "status": None,
                }
                shown |= {
                    "height": None,
                    "timestamp": None,
                    "expires_at": None,
                    "current": None,
                    "error": None,
                }
                try:
                    one, other = road.chain(source), road.chain(destination)
                    await one.prover.verify_head(await one.chain.head())
                    address = await client_address(one, other)
                    read = await one.prover.client_at(other.chain, address)
                except (PostroadError, Rejection) as error:
                    found.append(shown | {"error": str(error)})
                    continue
                shown |= {"client": bytes(address), "status": read.status.name.lower(), "height": read.height}
                shown |= {"timestamp": read.timestamp, "expires_at": read.timestamp + read.trusting_period_s}
                found.append(shown | {"current": read.current})
    return found
