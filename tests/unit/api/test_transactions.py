# SPDX-License-Identifier: MIT
"""Open transactions are shown, and what is asked of them waits in the journal for the relayer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relayer.journal.rows import TransactionRow, TransactionState, Wish
from relayer.views.encoding import to_plain
from relayer.views.transaction import signed_transaction_view
from tests.support.api import TOKEN, StillRelayer, serving
from tests.unit.api.relayed import Relayed, add_open

pytestmark = pytest.mark.network

WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}


async def wish_of(relayed: Relayed, row: TransactionRow) -> Wish | None:
    return await relayed.network.journal.read(lambda reading: reading.wish_of(row))


@pytest.fixture
async def still(relayed: Relayed) -> Relayed:
    """The same when its pipeline has ended: nobody takes a wish."""
    await relayed.network.pipeline.drain()
    return relayed


async def test_open_transactions_are_listed_in_pieces(still: Relayed) -> None:
    rows = await add_open(still, 3)
    async with serving(still.relayer) as client:
        page = (await client.ask("/v1/transactions?limit=2")).json
        assert [transaction["id"] for transaction in page["transactions"]] == rows[:2]
        rest = (await client.ask(f"/v1/transactions?limit=2&after={page['next']}")).json
        assert [transaction["id"] for transaction in rest["transactions"]] == rows[2:]
        assert rest["next"] is None
        assert (await client.ask("/v1/transactions?chain=a")).json == {"transactions": [], "next": None}
        (stored,) = await still.network.journal.read(lambda reading: reading.transactions(rows[:1]))
        shown = (await client.ask(f"/v1/transactions/{rows[0]}")).json
        assert shown == page["transactions"][0] == to_plain(signed_transaction_view(stored, "b"))


@pytest.mark.parametrize(("path", "wish"), [("replace", Wish.REPLACE), ("cancel", Wish.CANCEL)])
async def test_a_wish_waits_for_the_relayer(still: Relayed, path: str, wish: Wish) -> None:
    (row,) = await add_open(still)
    async with serving(still.relayer, token_env="TOKEN") as client:
        for _ in range(2):
            told = await client.ask(f"/v1/transactions/{row}/{path}", "POST", headers=WITH_TOKEN)
            assert told.status == 202
            assert (told.json["wish"], told.json["by"], told.json["transaction"]["id"]) == (
                path,
                "daemon",
                row,
            )
    assert await wish_of(still, row) is wish
    # Asked twice is asked once.
    chain = next(
        chain
        for chain in await still.network.journal.read(lambda reading: reading.chains())
        if chain.name == "b"
    )
    assert await still.network.journal.commit(lambda writing: writing.take_wishes(chain.row)) == (
        (row, wish),
    )


async def test_what_is_open_no_more_or_nobody_s_is_refused(still: Relayed) -> None:
    (row,) = await add_open(still)
    await still.network.journal.commit(
        lambda writing: writing.set_transaction_state(row, TransactionState.DISPLACED)
    )
    (former,) = await add_open(still, endpoint_id=b"f" * 32)
    async with serving(still.relayer, token_env="TOKEN") as client:

        async def refused(number: int) -> tuple[int, str, str]:
            return await client.problem(f"/v1/transactions/{number}/cancel", "POST", headers=WITH_TOKEN)

        assert await refused(row) == (
            409,
            "not_open",
            f"Transaction {row} is displaced, so nothing is left to steer.",
        )
        assert await refused(former) == (
            409,
            "not_served",
            f"Transaction {former} is of an endpoint on b that is not served any more.",
        )
        assert await refused(999) == (404, "unknown_transaction", "The journal has no transaction 999.")
        assert (await refused(2**63))[:2] == (400, "invalid_parameter")
        assert (await client.problem("/v1/transactions/999"))[:2] == (404, "unknown_transaction")
    assert await wish_of(still, row) is None
    assert await wish_of(still, former) is None


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "token_missing"),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, "token_missing"),
        ({"Authorization": "Bearer "}, "token_missing"),
        ({"Authorization": TOKEN}, "token_missing"),
        ({"Authorization": f"Bearer {TOKEN}x"}, "token_wrong"),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, "token_wrong"),
        ({"Authorization": "Bearer ümläut-token-of-some-length"}, "token_wrong"),
    ],
)
async def test_nobody_writes_without_the_token(still: Relayed, headers: dict[str, str], code: str) -> None:
    (row,) = await add_open(still)
    async with serving(still.relayer, token_env="TOKEN") as client:
        told = await client.ask(f"/v1/transactions/{row}/cancel", "POST", headers=headers)
        assert (told.status, told.json["code"]) == (401, code)
        assert told.headers["www-authenticate"].startswith('Bearer realm="postroad"')
        assert ("invalid_token" in told.headers["www-authenticate"]) == (code == "token_wrong")
    assert await wish_of(still, row) is None


async def test_the_scheme_s_name_is_alike_in_all_cases(still: Relayed, tmp_path: Path) -> None:
    (row,) = await add_open(still)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    async with serving(still.relayer, token_file=str(tmp_path / "token")) as client:
        headers = {"Authorization": f"bearer {TOKEN}"}
        assert (await client.ask(f"/v1/transactions/{row}/cancel", "POST", headers=headers)).status == 202


async def test_without_a_configured_token_nobody_writes(relayer: StillRelayer) -> None:
    async with serving(relayer) as client:
        for terms in ({}, {"headers": WITH_TOKEN}):
            found = await client.problem("/v1/transactions/1/cancel", "POST", **_any(terms))
            assert found == (
                403,
                "writes_off",
                "This relayer takes no writes: it has no token to know its operator by.",
            )
        assert (await client.ask("/v1/transactions/1/cancel")).headers["allow"] == "POST"


async def test_a_body_that_is_too_large_is_refused(relayer: StillRelayer) -> None:
    async with serving(relayer, token_env="TOKEN") as client:
        found = await client.problem(
            "/v1/transactions/1/cancel", "POST", headers=WITH_TOKEN, data=b"x" * 70_000
        )
        assert found == (413, "body_too_large", "The request's body is too large.")


def _any(terms: dict[str, Any]) -> dict[str, Any]:
    return terms
