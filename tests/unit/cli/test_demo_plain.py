# SPDX-License-Identifier: MIT
"""A kind of consensus that has no show is demonstrated all the same, and the demo says what is missing."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from light_clients.client import Height
from light_clients.trust import encode_claim
from relayer.chains.base import Address
from relayer.cli.demo.console import DemoConsole
from relayer.cli.demo.forgeries import Attempt
from relayer.cli.demo.plain import PlainRole
from relayer.cli.demo.scenario import role_of
from relayer.consensus.kind import ConsensusKind
from relayer.consensus.registry import kinds
from relayer.consensus.show import ConsensusShow, Delivered
from tests.support.trie import AccountEntry, State

GATEWAY = Address(b"\x42" * 20)
SLOT = b"\x07" * 32
STATE = State({GATEWAY: AccountEntry(storage={SLOT: b"\x99" * 32})})
KIND = ConsensusKind("mute", "tests.no.such.package", "MuteClient", "stewards", "Stewards lied.")


def make_show(state_root: bytes = STATE.root) -> ConsensusShow:
    async def block(height: Height) -> object:
        assert height == 7
        return {"stateRoot": "0x" + state_root.hex()}

    opened = SimpleNamespace(name="court", chain=SimpleNamespace(block=block))
    return PlainRole(KIND).open(None, cast("Any", opened))


def test_a_kind_without_a_show_gets_the_plain_one() -> None:
    assert isinstance(role_of(KIND), PlainRole)
    assert "mute, which has no show" in role_of(KIND).begin(None)


def test_the_kinds_of_the_house_have_a_show() -> None:
    own = [kind for kind in kinds() if kind.package.startswith("relayer.")]
    assert len(own) >= 2
    assert not [kind.name for kind in own if isinstance(role_of(kind), PlainRole)]


@pytest.mark.parametrize(("state_root", "holds"), [(STATE.root, True), (b"\x01" * 32, False)])
async def test_the_state_root_is_compared_and_the_rest_is_said_to_be_missing(
    state_root: bytes, holds: bool
) -> None:
    found = STATE.prove(GATEWAY, SLOT)
    claim = encode_claim(found.storage, found.account, GATEWAY, SLOT, anchored=False)
    delivered = Delivered(
        destination=cast("Any", None),
        client=Address(bytes(20)),
        account=GATEWAY,
        slot=SLOT,
        proof=claim + b"a header",
        height=Height(7),
        block=Height(9),
    )
    explanation = await make_show(state_root).explain_delivery(delivered)
    assert explanation.carried.state_root == STATE.root
    out = io.StringIO()
    assert explanation.explain(DemoConsole(Console(file=out, width=400), is_live=False)) is holds
    assert f"8 bytes: 0x{b'a header'.hex()}" in out.getvalue()
    assert "the kind of consensus mute has no show" in out.getvalue()


async def test_trust_is_told_in_the_words_of_the_kind() -> None:
    text = await make_show().describe_trust(cast("Any", None), Address(bytes(20)))
    assert text.startswith("its stewards;")


@pytest.mark.parametrize(
    ("python", "solidity", "is_tried", "is_refused"),
    [
        ("no", "no", True, True),
        (None, "no", True, False),
        ("no", None, True, False),
        (None, "no", False, True),
        (None, None, False, False),
    ],
)
def test_a_forgery_is_refused_when_everybody_refuses_who_was_asked(
    python: str | None, solidity: str | None, is_tried: bool, is_refused: bool
) -> None:
    assert Attempt("a lie", python, solidity, is_tried_in_python=is_tried).is_refused is is_refused
