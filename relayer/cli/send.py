# SPDX-License-Identifier: MIT
"""`postroad send`: one message from a configured chain to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relayer.cli.options import (
    AddressParam,
    DurationParam,
    HexParam,
    config_option,
    json_option,
    key_option,
    load_config,
    signer_of,
)
from relayer.cli.output import describe_delivery, doing, print_json, say
from relayer.cli.running import run_async
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.road import Receipt, RoadMessage


@click.command()
@click.argument("source")
@click.argument("destination")
@click.option("--to", type=AddressParam(), required=True, help="The receiving contract on DESTINATION.")
@click.option("--payload", type=HexParam(), help="What it is given, in hex.")
@click.option("--text", help="What it is given, as text in UTF-8.")
@click.option(
    "--file", type=click.File("rb"), help="What it is given, from a file; - for the standard input."
)
@click.option(
    "--deadline", type=DurationParam(), help="How long it may be executed, such as 10m; for ever without."
)
@click.option(
    "--gas-limit", type=click.IntRange(min=0, max=2**32 - 1), help="What the recipient gets at least."
)
@click.option("--channel", type=HexParam(32), help="A lane of its own; the public lane without.")
@click.option(
    "--wait", is_flag=True, help="Wait until the delivery is proven by a light client of DESTINATION."
)
@click.option("--timeout", type=DurationParam(), help="How long to wait; until the deadline without.")
@key_option
@config_option
@json_option
def send(
    source: str,
    destination: str,
    to: bytes,
    payload: bytes | None,
    text: str | None,
    file: Any,
    deadline: float | None,
    gas_limit: int | None,
    channel: bytes | None,
    wait: bool,
    timeout: float | None,
    key: str | None,
    config_path: Path,
    as_json: bool,
) -> None:
    """Send a message from SOURCE to a contract on DESTINATION, and print its id.

    The id is the message's name everywhere: `postroad trace ID` tells its story. With --wait, exit code 6
    says that it was not delivered in the time given.
    """
    from relayer.consensus.registry import kind_of

    given = [content for content in (payload, text, file) if content is not None]
    if len(given) != 1:
        raise click.UsageError(f"found {len(given)} of --payload, --text and --file, expected one of them")
    content = payload if payload is not None else text.encode() if text is not None else file.read()
    config = load_config(config_path)
    signers = kind_of(config.chain(destination)).signers
    signer = signer_of(config, source, key, purpose="sender")

    async def work() -> None:
        import relayer

        async with relayer.connect(config, signers={source: [signer]}) as road:
            with doing(f"Sending it, and waiting for its block of {source}"):
                message = await road.send(
                    source,
                    destination,
                    to=to,
                    payload=content,
                    deadline=deadline,
                    gas_limit=gas_limit,
                    channel=channel,
                )
            if not as_json:
                say(hex_of(message.id))
                place = f"message {message.sequence} of its lane, in block {message.block_number} of {source}"
                say(place, stderr=True)
            receipt = None
            if wait:
                try:
                    receipt = await _wait(message, timeout, signers=signers, as_json=as_json)
                except BaseException:
                    if as_json:
                        # What was sent must be known even when the wait for it ends badly.
                        print_json(_shown(message, None))
                    raise
            if as_json:
                print_json(_shown(message, receipt))

    run_async(work())


async def _wait(message: RoadMessage, timeout_s: float | None, *, signers: str, as_json: bool) -> Receipt:
    from relayer.cli.exit_codes import ExitCode
    from relayer.cli.failures import CommandFailed
    from relayer.road import DeliveryTimeout

    try:
        with doing(f"Waiting until its delivery is proven on {message.destination}"):
            receipt = await message.delivered(timeout_s)
    except DeliveryTimeout as error:
        raise CommandFailed(ExitCode.TIMEOUT, error.found, error.expected, error.advice) from error
    if not as_json:
        proof = f"block {receipt.height} of {message.destination} proves its bit"
        say(f"delivered: {proof}, and enough {signers} signed that block", stderr=True)
        if receipt.delivery is not None:
            say(describe_delivery(receipt.delivery, message.destination), stderr=True)
    return receipt


def _shown(message: RoadMessage, receipt: Receipt | None) -> dict[str, Any]:
    from relayer.views.encoding import joined

    return joined(message.view(), {"receipt": None if receipt is None else receipt.view()})
