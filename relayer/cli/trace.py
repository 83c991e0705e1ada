# SPDX-License-Identifier: MIT
"""`postroad trace`: a message's story."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import HexParam, config_option, json_option, load_config
from relayer.cli.output import console, hex_of, print_json
from relayer.cli.running import run_async

if TYPE_CHECKING:
    from relayer.road import RoadMessage, Story, StoryStep


@click.command()
@click.argument("message_id", metavar="ID", type=HexParam(32))
@config_option
@json_option
def trace(message_id: bytes, config_path: Path, as_json: bool) -> None:
    """Tell the story of the message ID: every step with its time, block and transaction, and why it waits if it does.

    A relayer's journal beside the configuration tells most; without one, the chains tell its sending and its delivery.
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
        from relayer.cli.send import message_json

        print_json(message_json(message) | story_json(story))
        return
    _show(message, story)


def story_json(story: Story) -> dict[str, Any]:
    """Return a story as `--json` shows it."""
    waiting = story.waiting
    return {
        "state": story.state.value,
        "waiting": None if waiting is None else {"reason": waiting.reason.value, "detail": waiting.detail},
        "told_by": story.told_by,
        "steps": [
            {
                "state": step.state.value,
                "at": step.at_s,
                "tx_hash": step.tx_hash,
                "detail": plain_detail(step),
            }
            for step in story.steps
        ],
    }


def plain_detail(step: StoryStep) -> dict[str, Any]:
    """Return a step's detail with bytes as hex."""
    return {key: hex_of(value) if isinstance(value, bytes) else value for key, value in step.detail.items()}


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
        out.print(f"deadline {_moment(message.deadline)} ({message.deadline})")
    out.print()
    started = next((step.at_s for step in story.steps if step.at_s is not None), None)
    for step in story.steps:
        at = "" if step.at_s is None else _moment(step.at_s)
        since = "" if step.at_s is None or started is None else f"+{step.at_s - started:.2f} s"
        detail = ", ".join(f"{key} {value}" for key, value in plain_detail(step).items())
        tx_hash = "" if step.tx_hash is None else f"  tx {hex_of(step.tx_hash)}"
        out.print(f"{at:19}  {since:>10}  {step.state.value:10} {detail}{tx_hash}", markup=False)
    if story.waiting is not None:
        out.print(f"\nwaiting for {story.waiting}", markup=False)
    if story.told_by == "chains":
        out.print("\nTold by the chains: no relayer's journal here knows this message.")


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
