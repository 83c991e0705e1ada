# SPDX-License-Identifier: MIT
"""`postroad trace`: a message's story."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import HexParam, config_option, json_option, load_config
from relayer.cli.output import describe_delivery, moment, print_json, say
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

    message, story = run_async(work(), "Looking for the message and what is proven of it")
    if as_json:
        from relayer.views.encoding import joined

        print_json(joined(message.view(), story))
        return
    _show(message, story)


def _show(message: RoadMessage, story: Story) -> None:
    say(hex_of(message.id), style="bold")
    say(
        f"{message.source} → {message.destination}, message {message.sequence} of lane {hex_of(message.lane_id)}"
    )
    say(
        f"from {hex_of(message.sender)} to {hex_of(message.recipient)}, {len(message.payload)} bytes of payload"
    )
    say(f"sent in block {message.block_number} of {message.source}, transaction {hex_of(message.tx_hash)}")
    if message.deadline:
        say(f"deadline {moment(message.deadline)} ({message.deadline})")
    say()
    _show_steps(story)
    say()
    if story.delivery is not None:
        say(describe_delivery(story.delivery, message.destination))
    if story.proven is not None:
        state = "set" if story.proven.is_delivered else "clear"
        say(
            f"proven now: its bit is {state} at height {story.proven.height} of {message.destination}, "
            f"{moment(story.proven.timestamp)}"
        )
    if story.waiting is not None:
        say(f"waiting for {story.waiting}")
    if story.told_by == "chains":
        say("Told by the chains: no relayer's journal here knows this message.")


def _show_steps(story: Story) -> None:
    started = next((step.at_s for step in story.steps if step.at_s is not None), None)
    for step in story.steps:
        at = "" if step.at_s is None else moment(step.at_s)
        since = "" if step.at_s is None or started is None else f"{step.at_s - started:+.2f} s"
        detail = describe_detail(step.detail)
        tx_hash = "" if step.tx_hash is None else f"  tx {hex_of(step.tx_hash)}"
        say(f"{at:19}  {since:>10}  {step.state.value:10} {detail}{tx_hash}")


def describe_detail(detail: Mapping[str, Any]) -> str:
    """Return what made a step of a story, in words; what is 0 and says nothing is left out."""
    from relayer.views.encoding import to_plain

    words = []
    for key, value in detail.items():
        plain = to_plain(value)
        if key == "blocks" and isinstance(plain, list):
            low, high = plain
            words.append(f"block {low}" if low == high else f"blocks {low} to {high}")
        elif key == "final":
            words += [] if plain else ["not final yet"]
        elif key == "messages":
            words.append("alone" if plain == 1 else f"with {plain} messages in one transaction")
        elif key == "simulated_failures":
            words += [f"{plain} of them refused in the simulation"] if plain else []
        elif key == "gas_used":
            words.append(f"{plain:,} gas")
        elif key == "why":
            words.append(str(plain))
        else:
            words.append(f"{key.replace('_', ' ')} {plain}")
    return ", ".join(words)
