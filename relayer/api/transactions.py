# SPDX-License-Identifier: MIT
"""Transactions of the relayer that are in no block yet, and what its operator may ask of them."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Final

import msgspec

from relayer.api.params import Limit, RowNumber
from relayer.api.problem import RequestRefused
from relayer.api.route import Asked, Route
from relayer.journal.reading import Reading
from relayer.journal.rows import StoredTransaction, TransactionRow, TransactionState, Wish
from relayer.journal.store import now_micros
from relayer.views.transaction import (
    OpenTransactionsView,
    SignedTransactionView,
    SteeredTransactionView,
    signed_transaction_view,
)


class OpenParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which open transactions.

    Attributes:
        chain: the configured name of their chain.
        limit: the most of one answer.
        after: `next` of the answer before.
    """

    chain: str | None = None
    limit: Limit = 50
    after: RowNumber | None = None


class TransactionParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One transaction.

    Attributes:
        id: its number in the journal.
    """

    id: RowNumber


async def list_transactions(asked: Asked[OpenParams]) -> OpenTransactionsView:
    """Give the open transactions, the oldest first, as `postroad tx list` does of the journal's."""
    params = asked.params
    views = await asked.served.read(read_open)
    found = [
        view
        for row, view in views.items()
        if row > (params.after or 0) and params.chain in {None, view.chain}
    ]
    shown = found[: params.limit]
    return OpenTransactionsView(
        transactions=tuple(shown), next=shown[-1].id if len(found) > len(shown) else None
    )


async def show_transaction(asked: Asked[TransactionParams]) -> SignedTransactionView:
    """Give one transaction, open or not."""
    stored, chain, _ = await asked.served.read(partial(_require, number=asked.params.id))
    return signed_transaction_view(stored, chain)


async def replace_transaction(asked: Asked[TransactionParams]) -> SteeredTransactionView:
    """Ask the relayer to sign a transaction again at a higher price."""
    return await _ask(asked, Wish.REPLACE)


async def cancel_transaction(asked: Asked[TransactionParams]) -> SteeredTransactionView:
    """Ask the relayer to use up a transaction's nonce by an empty transfer."""
    return await _ask(asked, Wish.CANCEL)


async def _ask(asked: Asked[TransactionParams], wish: Wish) -> SteeredTransactionView:
    relayer = asked.served.relayer
    stored, chain, endpoint_id = await asked.served.read(partial(_require, number=asked.params.id))
    if stored.state is not TransactionState.OPEN:
        raise RequestRefused(
            HTTPStatus.CONFLICT,
            "not_open",
            f"Transaction {stored.row} is {stored.state.value}, so nothing is left to steer.",
            "/v1/transactions has those that are open.",
        )
    if endpoint_id not in {served.endpoint_id for served in relayer.view().chains}:
        raise RequestRefused(
            HTTPStatus.CONFLICT,
            "not_served",
            f"Transaction {stored.row} is of an endpoint on {chain} that is not served any more.",
            "Nobody follows it. Serve a lane of that endpoint again.",
        )
    waiting = await asked.served.read(lambda reading: reading.wish_of(stored.row))
    # Asked twice before the relayer looked is asked once.
    if waiting is not wish:
        await relayer.journal.commit(lambda writing: writing.add_wish(stored.row, wish, now_micros()))
    return SteeredTransactionView(
        wish=wish.value, by="daemon", transaction=signed_transaction_view(stored, chain)
    )


def read_open(reading: Reading) -> dict[int, SignedTransactionView]:
    """Return all open transactions by their number, the oldest first."""
    names = {chain.row: chain.name for chain in reading.chains()}
    return {
        stored.row: signed_transaction_view(stored, names[stored.chain])
        for stored in reading.live_transactions()
        if stored.state is TransactionState.OPEN
    }


def _require(reading: Reading, number: int) -> tuple[StoredTransaction, str, bytes]:
    """Return a transaction, and the name and the id of its endpoint."""
    several = reading.transactions([TransactionRow(number)])
    if not several:
        raise RequestRefused(
            HTTPStatus.NOT_FOUND,
            "unknown_transaction",
            f"The journal has no transaction {number}.",
            "/v1/transactions has those that are open.",
        )
    (stored,) = several
    chain = next(chain for chain in reading.chains() if chain.row == stored.chain)
    return stored, chain.name, chain.endpoint_id


ROUTES: Final = (
    Route(
        "/v1/transactions",
        "list_transactions",
        "The relayer's transactions that are in no block yet, the oldest first.",
        list_transactions,
        views=(OpenTransactionsView,),
        params=OpenParams,
    ),
    Route(
        "/v1/transactions/{id}",
        "show_transaction",
        "One transaction of the relayer.",
        show_transaction,
        views=(SignedTransactionView,),
        params=TransactionParams,
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    Route(
        "/v1/transactions/{id}/replace",
        "replace_transaction",
        "Asks for another signature at a higher price, under the same nonce.",
        replace_transaction,
        views=(SteeredTransactionView,),
        params=TransactionParams,
        method="POST",
        status=HTTPStatus.ACCEPTED,
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    Route(
        "/v1/transactions/{id}/cancel",
        "cancel_transaction",
        "Asks for an empty transfer that uses up the nonce. Either of the two may land.",
        cancel_transaction,
        views=(SteeredTransactionView,),
        params=TransactionParams,
        method="POST",
        status=HTTPStatus.ACCEPTED,
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
)
