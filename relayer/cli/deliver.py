# SPDX-License-Identifier: MIT
"""`postroad deliver`: one message by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import HexParam, config_option, json_option, key_option, load_config, signer_of
from relayer.cli.output import doing, ether, print_json, say
from relayer.cli.running import run_async
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.road import RoadMessage
    from relayer.road.deliver import HandOutcome


@click.command()
@click.argument("message_id", metavar="ID", type=HexParam(32))
@key_option
@config_option
@json_option
def deliver(message_id: bytes, key: str | None, config_path: Path, as_json: bool) -> None:
    """Deliver the message ID by hand, with no relayer needed: header and proof are verified here, then sent.

    Relaying is permissionless, so any funded key will do. Delivering what is delivered already is no error.
    Exit code 5 says that the recipient refuses it, or that its deadline is over.
    """
    config = load_config(config_path)

    async def work() -> tuple[RoadMessage, HandOutcome]:
        import relayer
        from relayer.road import MessageUnknown
        from relayer.road.deliver import deliver_by_hand

        async with relayer.connect(config) as road:
            try:
                with doing("Looking for the message"):
                    message = await road.message(message_id)
            except MessageUnknown as error:
                raise CommandFailed(ExitCode.NOT_FOUND, error.found, error.expected, error.advice) from error
        # Only the message tells its destination, so the key is unlocked between two connections.
        signer = signer_of(config, message.destination, key, purpose="sender")
        async with relayer.connect(config, signers={message.destination: [signer]}) as road:
            with doing(f"Proving it, and delivering it to {message.destination}"):
                destination = await road.chain_to_write(message.destination)
                found = await road.message(message_id)
                return found, await deliver_by_hand(found, road.chain(message.source), destination)

    message, outcome = run_async(work())
    if as_json:
        print_json(outcome.view(message.id))
    else:
        _show(message, outcome)
    if outcome.result.value in {"failed", "expired"}:
        raise click.exceptions.Exit(ExitCode.REFUSED)


def _show(message: RoadMessage, outcome: HandOutcome) -> None:
    receipt = outcome.receipt
    said = {
        "executed": "executed",
        "already_delivered": "delivered already; nothing was sent"
        if receipt is None
        else "delivered by somebody else just before",
        "failed": f"refused by its recipient {hex_of(message.recipient)}",
        "expired": "its deadline is over",
    }[outcome.result.value]
    say(f"{hex_of(message.id)}: {said}")
    if receipt is not None:
        say(
            f"transaction {hex_of(receipt.tx_hash)} in block {receipt.block_number} of {message.destination}: "
            f"{receipt.gas_used:,} gas, {ether(receipt.fee_wei)}; proven by block {outcome.header.number} of {message.source}"
        )
    if outcome.reason:
        say(f"it said: {hex_of(outcome.reason)}")
