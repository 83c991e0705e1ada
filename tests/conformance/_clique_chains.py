# SPDX-License-Identifier: MIT
"""Headers that nodes of Clique chains gave: read, believed, and followed through changes of the signers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from light_clients.client import Height, Timestamp
from light_clients.clique.client import CliqueClient, CliqueParams
from light_clients.clique.codec import encode_anchor, encode_update
from light_clients.clique.header import CliqueHeader
from light_clients.clique.reader import Run
from light_clients.clique.signers import majority, set_hash
from light_clients.errors import Rejection
from tests.conformance.case import Case, expect, refuse

PERIOD_S, DRIFT_S = 1000, 15


def client_for(signers: Sequence[bytes], header: CliqueHeader, epoch: int) -> CliqueClient:
    """A client that trusts these signers behind the block before a header."""
    params = CliqueParams(epoch, 0, PERIOD_S, DRIFT_S)
    return CliqueClient.bootstrap(params, signers, Height(max(1, header.number - 1)), header.timestamp)


def check_changes(header: CliqueHeader) -> None:
    signer = header.signer
    expect("has a signer", signer is not None, True)
    for what, changed in {
        "state root": replace(header, state_root=bytes(32)),
        "number": replace(header, number=Height(header.number + 1)),
        "timestamp": replace(header, timestamp=Timestamp(header.timestamp + 1)),
        "vote": replace(header, candidate=bytes(19) + b"\x01"),
        "nonce": replace(header, add=not header.add),
        "vanity": replace(header, vanity=b"\x01" * 32),
        "tail": replace(header, tail=header.tail + b"\x01"),
        "difficulty": replace(header, difficulty=3 - header.difficulty),
    }.items():
        expect(f"another signer of another {what}", changed.signer != signer, True)


def chain_cases(
    name: str, headers: Sequence[CliqueHeader], signers: Sequence[bytes], epoch: int
) -> Iterator[Case]:
    """Consecutive headers that one set sealed are valid one after the other, and the first is believed."""
    yield Case(f"{name}: one after the other", partial(check_run, headers, signers, epoch))
    yield Case(f"{name}: believed by a client", partial(check_believed, headers, signers, epoch))


def check_run(headers: Sequence[CliqueHeader], signers: Sequence[bytes], epoch: int) -> None:
    run = Run(signers, epoch)
    for header in headers:
        run.append(header)


def check_believed(headers: Sequence[CliqueHeader], signers: Sequence[bytes], epoch: int) -> None:
    client, needed = client_for(signers, headers[0], epoch), majority(len(signers)) + 1
    now = headers[0].timestamp
    believed = client.believe(encode_anchor(signers, headers[:needed], epoch), now)
    expect("hash", believed.block_hash, headers[0].block_hash)
    short = encode_anchor(signers, headers[: needed - 1], epoch)
    refuse("a header under too few", partial(client.believe, short, now), Rejection)
    strangers = sorted(bytes(19) + bytes((place + 1,)) for place in range(len(signers)))
    other = client_for(strangers, headers[0], epoch)
    data = encode_anchor(signers, headers[:needed], epoch)
    refuse("a client of other signers", partial(other.believe, data, now), Rejection)


def check_votes(headers: Sequence[CliqueHeader], sets: Sequence[Sequence[bytes]], epoch: int) -> None:
    """Votes lead to the sets that the node told. `sets` begins with the one that seals the first header."""
    run = Run(sets[0], epoch, tallied=True)
    for header, told in zip(headers, sets[1:], strict=True):
        run.append(header)
        expect(f"signers behind block {header.number}", run.signers, tuple(told))


def check_updates(headers: Sequence[CliqueHeader], sets: Sequence[Sequence[bytes]], epoch: int) -> None:
    """A client is led over each change, by a run that begins with its votes, and believes blocks there."""
    client, trusted = client_for(sets[0], headers[0], epoch), tuple(sets[0])
    begun, changes = 0, 0
    for place, told in enumerate(sets[1:]):
        if tuple(told) == trusted:
            continue
        update = encode_update(trusted, headers[begun : place + 1 + majority(len(told))], epoch)
        client = client.update(update, headers[place].timestamp)
        trusted, begun, changes = tuple(told), place + 1, changes + 1
        expect("set", client.state.set_hash, set_hash(trusted))
        run = headers[begun : begun + majority(len(trusted)) + 1]
        believed = client.believe(encode_anchor(trusted, run, epoch), run[0].timestamp)
        expect("believed behind the change", believed.number, headers[begun].number)
    expect("that the set changes at all", changes > 0, True)


def check_epoch_update(headers: Sequence[CliqueHeader], trusted: Sequence[bytes], epoch: int) -> None:
    """A client that still trusts an earlier set is led on by an epoch block, the first of these headers."""
    listed = headers[0].listed
    client = client_for(trusted, headers[0], epoch)
    moved = client.update(encode_update(trusted, headers, epoch, listed=listed), headers[0].timestamp)
    expect("set", moved.state.set_hash, set_hash(listed))


def read_all(blocks: Sequence[Any]) -> list[CliqueHeader]:
    return [CliqueHeader.from_rpc(block) for block in blocks]
