# SPDX-License-Identifier: MIT
"""`postroad trace`: a message's story."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import HexParam, config_option, json_option, load_config
from relayer.cli.output import console, describe_delivery, moment, print_json
from relayer.cli.running import run_async
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.road import RoadMessage, Story


@click.command()
@click.argument("message_id", metavar="ID", type=HexParam(32))
@config_option
@json_option
def trace(message_id: bytes, config_path: Path, as_json: bool) -> None:
    """Tell the story of the message ID: every step, and why it waits if it does.

    A relayer's journal beside the configuration tells most: every step's time, block and transaction. Without
    one, the chains tell its sending and its delivery. The transaction that executed it is told, and, apart
    from it, what a light client of the destination proves now.
    """
    config = load_config(config_path)

    async def work() -> tuple[RoadMessage, Story]:
        import relayer
        from relayer.road import MessageUnknown

        async with relayer.connect(config) as road:
            try:
                message = await road.message(message_id)
            except MessageUnknown as error:
                raise CommandFailed(ExitCode.NOT_FOUND, error.found, error.expected, error.advice) from error
            return message, await message.story()

    message, story = run_async(work())
    if as_json:
        from relayer.views.encoding import joined

        print_json(joined(message.view(), story))
        return
    _show(message, story)


def _show(message: RoadMessage, story: Story) -> None:
    out = console()
    out.print(f"[bold]{hex_of(message.id)}[/]")
    out.print(
        f"{message.source} → {message.destination}, message {message.sequence} of lane {hex_of(message.lane_id)}"
    )
    out.print(
        f"from {hex_of(message.sender)} to {hex_of(message.recipient)}, {len(message.payload)} bytes of payload"
    )
    out.print(
        f"sent in block {message.block_number} of {message.source}, transaction {hex_of(message.tx_hash)}"
    )
    if message.deadline:
        out.print(f"deadline {moment(message.deadline)} ({message.deadline})")
    out.print()
    _show_steps(story)
    out.print()
    if story.delivery is not None:
        out.print(describe_delivery(story.delivery, message.destination), markup=False)
    if story.proven is not None:
        state = "set" if story.proven.is_delivered else "clear"
        out.print(
            f"proven now: its bit is {state} at height {story.proven.height} of {message.destination}, "
            f"{moment(story.proven.timestamp)}"
        )
    if story.waiting is not None:
        out.print(f"waiting for {story.waiting}", markup=False)
    if story.told_by == "chains":
        out.print("Told by the chains: no relayer's journal here knows this message.")


def _show_steps(story: Story) -> None:
    from relayer.views.encoding import to_plain

    started = next((step.at_s for step in story.steps if step.at_s is not None), None)
    for step in story.steps:
        at = "" if step.at_s is None else moment(step.at_s)
        since = "" if step.at_s is None or started is None else f"{step.at_s - started:+.2f} s"
        detail = ", ".join(f"{key} {to_plain(value)}" for key, value in step.detail.items())
        tx_hash = "" if step.tx_hash is None else f"  tx {hex_of(step.tx_hash)}"
        console().print(f"{at:19}  {since:>10}  {step.state.value:10} {detail}{tx_hash}", markup=False)
