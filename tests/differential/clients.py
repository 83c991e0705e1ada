# SPDX-License-Identifier: MIT
"""A light client twice, in Python and on anvil, asked the same:
what every consensus's comparison has in common.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import decode, encode

from light_clients.client import LightClient, Timestamp
from light_clients.errors import Rejection
from light_clients.trust import Anchor
from relayer.contracts import load
from tests.differential.evm import Anvil, Outcome, compile_probe, probe, selector

ACCOUNT, SLOT = b"\xaa" * 20, b"\x05" * 32


@dataclass(frozen=True)
class Case:
    """A call of a client: the argument, and the calldata's bytes behind it that do not belong to it."""

    method: str
    data: bytes
    behind: bytes = b""
    now: int = 0


def cut_at_times(rng: random.Random, chance: float, case: Case) -> Case:
    """The case, or at this chance the case cut short: what is missing lies in calldata behind the argument,
    where it must not be read.
    """
    if rng.random() >= chance:
        return case
    kept = rng.randrange(len(case.data) + 1)
    return replace(case, data=case.data[:kept], behind=case.data[kept:])


@dataclass(frozen=True)
class Consensus:
    """What differs between clients: the contract's name, its trusted state's types,
    and that state in Python.
    """

    contract: str
    trusted_types: Sequence[str]
    trusted: Callable[[Any], tuple[Any, ...]]


def trusting_a_set(contract: str) -> Consensus:
    """A client that trusts a set of signers, a height and its time, until it is frozen."""

    def trusted(client: Any) -> tuple[bytes, int, int, bool]:
        state = client.state
        return state.set_hash, state.height, state.timestamp, state.frozen

    return Consensus(contract, ["bytes32", "uint64", "uint64", "bool"], trusted)


@dataclass(frozen=True)
class Deployed:
    """A client in Python, and on chain: `place` has its storage and the probe's code,
    `implementation` its own code.
    """

    consensus: Consensus
    client: Any
    place: bytes
    implementation: bytes


def deploy(
    anvil: Anvil, consensus: Consensus, client: Any, creation: bytes, story: Sequence[Case], now: int
) -> Deployed:
    """Deploy the real contract twice, let one of them and the Python client live through the same story, then
    put the probe in its place."""
    artifact = load(consensus.contract)
    implementation, place = anvil.transact(None, creation, now), anvil.transact(None, creation, now)
    for case in story:
        anvil.transact(place, artifact.encode_call(case.method, case.data), case.now)
        answer = ask_python(client, case)
        assert answer is not None, f"{case.method} is no part of a story: {case.data.hex()}"
        client = answer[1]
    anvil.set_code(place, compile_probe().runtime)
    return Deployed(consensus, client, place, implementation)


def live_on(anvil: Anvil, deployed: Deployed, case: Case) -> tuple[Deployed, int]:
    """Let both live through one more call that both believe. Returns the gas of its transaction, too."""
    answer = ask_python(deployed.client, case)
    assert answer is not None
    anvil.set_code(deployed.place, anvil.code_at(deployed.implementation))
    receipt = anvil.send(deployed.place, encode_call(case), case.now)
    anvil.set_code(deployed.place, compile_probe().runtime)
    after = Deployed(deployed.consensus, answer[1], deployed.place, deployed.implementation)
    return after, int(receipt["gasUsed"], 16)


def is_known(outcome: Outcome, errors: Sequence[bytes]) -> bool:
    """Whether a rejection is one of the contract's own: not a panic, not a lack of gas, not silence."""
    return outcome.accepted or outcome.result[:4] in errors


def encode_call(case: Case) -> bytes:
    """The call's data, spelled out: the argument's bytes may be followed by others that are not its own."""
    tail = len(case.data).to_bytes(32, "big") + case.data + case.behind
    tail += bytes(-len(tail) % 32)
    if case.method == "storageAt":
        head = (96).to_bytes(32, "big") + ACCOUNT.rjust(32, b"\0") + SLOT
        return selector("storageAt(bytes,address,bytes32)") + head + tail
    return selector(f"{case.method}(bytes)") + (32).to_bytes(32, "big") + tail


def ask_python(client: LightClient, case: Case) -> tuple[bytes, LightClient] | None:
    """What a call returns and the client afterwards; None for a rejection."""
    now = Timestamp(case.now)
    try:
        if case.method == "storageAt":
            found = client.storage_at(case.data, ACCOUNT, SLOT, now)
            return encode(
                ["bytes32", "uint64", "uint64"], [found.value, found.height, found.timestamp]
            ), client
        if case.method == "update":
            return b"", client.update(case.data, now)
        if case.method == "anchor":
            return b"", client.anchor(case.data, now)
        return b"", client.freeze(case.data)
    except Rejection:
        return None


def compare(anvil: Anvil, deployed: Deployed, cases: Sequence[Case], seed: str) -> Counter[tuple[str, bool]]:
    """Ask both sides every case. Returns how often each method was believed and not."""
    errors = list(load(deployed.consensus.contract).errors)
    verdicts: Counter[tuple[str, bool]] = Counter()
    for now in sorted({case.now for case in cases}):
        some = [case for case in cases if case.now == now]
        outcomes = probe(anvil, deployed.place, deployed.implementation, list(map(encode_call, some)), now)
        for case, outcome in zip(some, outcomes, strict=True):
            found = ask_python(deployed.client, case)
            told = f"{seed}, {case.method} at {now}: {case.data.hex()} behind it {case.behind.hex()}"
            assert outcome.accepted == (found is not None), f"{outcome.result.hex()[:200]} {told}"
            assert is_known(outcome, errors), f"{told}: {outcome.result.hex()}"
            result, after = (outcome.result, deployed.client) if found is None else found
            assert outcome.result == result, told
            assert _on_chain(outcome, deployed.consensus) == _in_python(after, deployed.consensus), told
            verdicts[case.method, found is not None] += 1
    return verdicts


def check_both_ways(verdicts: Counter[tuple[str, bool]], share: int = 20) -> None:
    """Cases that only ever go one way compare nothing: more than this share of each method's goes either."""
    for method in ("storageAt", "update", "anchor", "freeze"):
        believed, refused = verdicts[method, True], verdicts[method, False]
        assert min(believed, refused) > (believed + refused) // share, verdicts


def _in_python(client: Any, consensus: Consensus) -> tuple[Any, ...]:
    anchor: Anchor | None = client.state.anchor
    kept = (bytes(32), 0, 0) if anchor is None else (anchor.state_root, anchor.height, anchor.timestamp)
    return consensus.trusted(client), kept


def _on_chain(outcome: Outcome, consensus: Consensus) -> tuple[Any, ...]:
    trusted = decode(consensus.trusted_types, outcome.trusted)
    return trusted, decode(["bytes32", "uint64", "uint64"], outcome.anchored)
