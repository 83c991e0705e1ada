# SPDX-License-Identifier: MIT
"""`postroad verify`: whether a message was sent, by a file and a light client; no relayer is trusted."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from relayer.cli.options import config_option, json_option, load_config
from relayer.cli.output import moment, print_json, say
from relayer.cli.running import run_async
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.config import Config
    from relayer.road.evidence import ProvenSent, SentEvidence

#: A proof has some kilobytes, a payload some more.
_MOST_BYTES: Final = 16 << 20


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--follow", is_flag=True, help="Ask the source's providers for the newest signers first.")
@config_option
@json_option
def verify(file: Path, follow: bool, config_path: Path, as_json: bool) -> None:
    """Check that a message was sent, by the evidence in FILE (- for standard input).

    FILE is what a relayer's API gives at /v1/messages/ID/proof. Trust begins with the configuration's
    bootstrap, and nothing else is believed: no relayer, no journal. Without --follow no network is used; then
    the bootstrap's signers have to be those of the header in the file.
    """
    from relayer.road.evidence import read_evidence

    config = load_config(config_path)
    with click.open_file(str(file), "rb") as stream:
        evidence = read_evidence(stream.read(_MOST_BYTES))
    proven = run_async(_check(config, evidence, follow=follow))
    if as_json:
        from relayer.views.proof import VerifiedView

        print_json(
            VerifiedView(
                id=proven.message.id,
                source=evidence.source,
                destination=evidence.destination,
                height=proven.height,
                timestamp=proven.timestamp,
            )
        )
        return
    _show(evidence, proven)


async def _check(config: Config, evidence: SentEvidence, *, follow: bool) -> ProvenSent:
    from light_clients.client import Timestamp
    from relayer.consensus.open_chain import open_chain
    from relayer.protocol.lane import PUBLIC_CHANNEL, Lane
    from relayer.road.evidence import check_evidence

    source, destination = open_chain(config, evidence.source), open_chain(config, evidence.destination)
    try:
        if follow:
            await source.prover.verify_head(await source.chain.head())
        channels = {PUBLIC_CHANNEL, *(lane.channel_bytes for lane in config.served_lanes())}
        lanes = [
            Lane(source.chain.endpoint_id, destination.chain.endpoint_id, channel)
            for channel in sorted(channels)
        ]
        wanted = next((lane for lane in lanes if "0x" + lane.id.hex() == evidence.lane), lanes[0])
        return check_evidence(
            evidence,
            wanted,
            source.chain.gateway,
            source.prover.client_of_proofs,
            Timestamp(int(time.time())),
        )
    finally:
        await source.close()
        await destination.close()


def _show(evidence: SentEvidence, proven: ProvenSent) -> None:
    message, hold = proven.message, partial(say, mark="✓", style="green")
    hold(hex_of(message.id))
    say(f"  its fields hash to that id: {len(message.payload)} bytes of payload,")
    say(f"  from {hex_of(message.sender[12:])} on {evidence.source}")
    say(f"  to   {hex_of(message.recipient[12:])} on {evidence.destination}")
    hold(f"it is message {message.sequence} of the lane between the configured gateways")
    block = f"block {proven.height} of {evidence.source}, {moment(proven.timestamp)}"
    hold(f"the head of its lane stands in {block}:")
    say("  a light client that began with the configured bootstrap accepts the header and the storage proof")
