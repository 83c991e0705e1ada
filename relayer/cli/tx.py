# SPDX-License-Identifier: MIT
"""`postroad tx`: the open transactions of the relayer and of deployments, to see and to steer."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import DurationParam, combine, config_option, json_option, load_config
from relayer.cli.output import gwei, print_json, print_table, say, span
from relayer.cli.running import run_async
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.config import Config
    from relayer.endpoint.manifest import Manifest, Pending
    from relayer.journal.rows import ChainRow, StoredTransaction, TransactionRow, Wish
    from relayer.journal.store import Journal
    from relayer.views.transaction import SignedTransactionView

_HASH: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_POLL_S: Final = 0.5
#: A daemon that has taken a wish has signed after so long, or can't.
_SIGNING_S: Final = 15.0
_FOLLOWING: Final = "Following it until it is in a block"


@click.group()
def tx() -> None:
    """List, replace and cancel the open transactions of the relayer, and of deployments that were cut short.

    A running relayer, and the next `endpoint deploy`, mend theirs by themselves. These are for what they must
    not decide alone.
    """


@tx.command("list")
@click.option("--chain", metavar="NAME", help="Those of one chain.")
@config_option
@json_option
def list_(chain: str | None, config_path: Path, as_json: bool) -> None:
    """List the signed transactions that are in no block yet, with the reason why.

    The journal is read beside the daemon, and what `endpoint deploy` has not finished in its manifest; no
    chain is asked.
    """
    config = load_config(config_path)
    if chain is not None:
        config.chain(chain)
    views = [view for view in _read_open(config) if chain in (None, view.chain)]
    if as_json:
        print_json(views)
        return
    now_s = time.time()
    print_table(
        (
            "id",
            "chain",
            "nonce",
            "account",
            "purpose",
            "hash",
            "attempts",
            "max gwei",
            "tip",
            "since",
            "waits for",
        ),
        [_row(view, now_s) for view in views],
        empty="No transaction is open.",
    )


def _row(view: SignedTransactionView, now_s: float) -> tuple[str, ...]:
    reason = "" if view.reason is None else view.reason.value
    return (
        hex_of(view.tx_hash) if view.id is None else str(view.id),
        view.chain,
        str(view.nonce),
        hex_of(view.account),
        "cancellation" if view.is_cancelled else view.step or view.purpose.value,
        hex_of(view.tx_hash),
        str(view.attempts),
        gwei(view.max_fee_wei),
        gwei(view.priority_fee_wei),
        span(max(0.0, now_s - view.since)) if view.since else "",
        f"{reason}: {view.detail}" if view.detail else reason,
    )


_steering = combine(
    click.argument("transaction", metavar="ID|HASH"),
    click.option("--wait", is_flag=True, help="Where a daemon is asked: watch until it is in a block."),
    click.option(
        "--timeout", type=DurationParam(), default="3m", show_default=True, help="How long to watch it."
    ),
    config_option,
    json_option,
)


@tx.command("replace")
@_steering
def replace(transaction: str, wait: bool, timeout: float, config_path: Path, as_json: bool) -> None:
    """Sign the transaction ID (or with this HASH) again at a higher price, under the same nonce.

    A running relayer is asked to; where none runs, it is done here, with the chain's keys. The price stays
    below max_fee_gwei. Only one of the signatures can land. One of a deployment is signed here, with the key
    that signed it before.
    """
    from relayer.journal.rows import Wish

    _steer(transaction, Wish.REPLACE, load_config(config_path), timeout, wait=wait, as_json=as_json)


@tx.command("cancel")
@_steering
def cancel(transaction: str, wait: bool, timeout: float, config_path: Path, as_json: bool) -> None:
    """Use up the nonce of the transaction ID (or with this HASH) by an empty transfer.

    What it carried is signed anew by the relayer, a step of a deployment by the next `endpoint deploy`, under
    another nonce. Either of the two may land: look afterwards.
    """
    from relayer.journal.rows import Wish

    _steer(transaction, Wish.CANCEL, load_config(config_path), timeout, wait=wait, as_json=as_json)


# --- finding ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _OpenTransaction:
    """A transaction of the journal, or of the manifest, which has it as `kept`; `chain` is a name."""

    stored: StoredTransaction
    chain: str
    kept: Pending | None = None

    def view(self) -> SignedTransactionView:
        from relayer.views.transaction import deployment_transaction_view, signed_transaction_view

        if self.kept is None:
            return signed_transaction_view(self.stored, self.chain)
        return deployment_transaction_view(self.stored, self.chain, self.kept.step)


def _open_to_read(config: Config) -> Journal:
    from relayer.journal.store import Journal

    return Journal.open(config.journal_url.reveal(), read_only=True)


def _read_open(config: Config) -> list[SignedTransactionView]:
    from relayer.endpoint.manifest import Manifest
    from relayer.journal.errors import JournalMissing
    from relayer.journal.rows import TransactionState

    found = []
    try:
        with _open_to_read(config) as journal, journal.reading() as reading:
            names = {chain.row: chain.name for chain in reading.chains()}
            found = [
                _OpenTransaction(stored, names[stored.chain])
                for stored in reading.live_transactions()
                if stored.state is TransactionState.OPEN
            ]
    except JournalMissing:
        # The owner of a chain may only have deployed.
        if not config.manifest_path.exists():
            raise
    deployed = _read_manifest(Manifest(config.manifest_path))
    return [known.view() for known in (*found, *deployed) if known.kept is None or not known.kept.is_done]


def _read_manifest(manifest: Manifest) -> Iterator[_OpenTransaction]:
    from relayer.endpoint.manifest_store import ManifestStore

    for name in manifest.names:
        store = ManifestStore(manifest, name)
        for kept, stored in zip(store.pending, store.recover(), strict=True):
            yield _OpenTransaction(stored, name, kept)


def _find_deployed(manifest: Manifest, wanted: str) -> _OpenTransaction | None:
    """Return the transaction of the manifest that has this hash; None where there is none.

    Raises CommandFailed where it is in a block.
    """
    for known in _read_manifest(manifest):
        assert known.kept is not None
        if all(made.tx_hash.hex() != wanted[2:].lower() for made in known.kept.signatures):
            continue
        if known.kept.is_done:
            raise CommandFailed(
                ExitCode.REFUSED,
                f"{wanted} is in a block",
                "one that is open",
                f"Nothing is left to steer: run `postroad endpoint deploy {known.chain}`, which finishes with it",
            )
        return known
    return None


def _find(config: Config, wanted: str) -> _OpenTransaction:
    """Return the open transaction of the journal with this id or hash.

    Raises CommandFailed where there is none, or where it is open no more.
    """
    from relayer.journal.errors import JournalMissing
    from relayer.journal.rows import TransactionRow, TransactionState

    if not wanted.isdecimal() and not _HASH.fullmatch(wanted):
        raise click.UsageError(
            f"found {wanted!r}, expected a number of `postroad tx list`, or 0x and 64 digits"
        )
    several: Sequence[StoredTransaction] = ()
    names: dict[ChainRow, str] = {}
    try:
        with _open_to_read(config) as journal, journal.reading() as reading:
            names = {chain.row: chain.name for chain in reading.chains()}
            if wanted.isdecimal():
                several = reading.transactions([TransactionRow(int(wanted))])
            else:
                several = reading.transactions_of_hash(bytes.fromhex(wanted[2:]))
    except JournalMissing:
        if not config.manifest_path.exists():
            raise
    if not several:
        raise CommandFailed(
            ExitCode.NOT_FOUND,
            f"no transaction {wanted} in the journal, nor among those of deployments",
            "the id or a hash of an open one",
            "`postroad tx list` shows those that are open",
        )
    (stored,) = several
    if stored.state is not TransactionState.OPEN:
        where = "" if stored.block_number is None else f", in block {stored.block_number}"
        raise CommandFailed(
            ExitCode.REFUSED,
            f"transaction {stored.row} is {stored.state.value}{where}",
            "one that is open",
            "Nothing is left to steer",
        )
    return _OpenTransaction(stored, names[stored.chain])


def _read(config: Config, row: TransactionRow) -> tuple[StoredTransaction, Wish | None]:
    with _open_to_read(config) as journal, journal.reading() as reading:
        (stored,) = reading.transactions([row])
        return stored, reading.wish_of(row)


# --- steering -----------------------------------------------------------------------------------------------


def _steer(wanted: str, wish: Wish, config: Config, timeout_s: float, *, wait: bool, as_json: bool) -> None:
    from relayer.endpoint.manifest import Manifest
    from relayer.journal.errors import JournalLocked
    from relayer.journal.store import Journal

    manifest = Manifest(config.manifest_path)
    if _HASH.fullmatch(wanted) and _find_deployed(manifest, wanted):
        # As for `endpoint deploy`: what another process signs meanwhile must not be lost.
        with manifest.locked():
            _steer_deployed(config, manifest, wanted, wish, timeout_s, as_json=as_json)
        return
    found = _find(config, wanted)
    # It is free where no daemon runs, and keeps one from starting until this is done.
    try:
        journal = Journal.open(config.journal_url.reveal())
    except JournalLocked:
        Journal.request(config.journal_url.reveal(), found.stored.row, wish)
        if not as_json:
            say(f"The daemon that holds the journal is asked to {wish.value} it.", stderr=True)
        after = run_async(_watch(config, found, wish, timeout_s), _FOLLOWING) if wait else found.stored
        _tell(dataclasses.replace(found, stored=after), wish, "daemon", as_json=as_json, is_waited=wait)
        return
    with journal:
        from relayer.cli.steering import steer

        after = run_async(steer(config, journal, found.chain, found.stored, wish, timeout_s))
    _tell(dataclasses.replace(found, stored=after), wish, "command", as_json=as_json, is_waited=True)


def _steer_deployed(
    config: Config, manifest: Manifest, wanted: str, wish: Wish, timeout_s: float, *, as_json: bool
) -> None:
    from relayer.cli.steering import steer_deployment

    # It is read anew under the lock: a deployment may have finished with it.
    found = _find_deployed(manifest, wanted)
    if found is None:
        raise CommandFailed(
            ExitCode.NOT_FOUND,
            f"{wanted} is in {manifest.path} no longer",
            "a hash of an open transaction",
            "`postroad tx list` shows those that are open",
        )
    after = run_async(steer_deployment(config, manifest, found.chain, found.stored, wish, timeout_s))
    if not as_json:
        say(f"Run `postroad endpoint deploy {found.chain}` afterwards: it goes on from there.", stderr=True)
    _tell(dataclasses.replace(found, stored=after), wish, "command", as_json=as_json, is_waited=True)


async def _watch(config: Config, found: _OpenTransaction, wish: Wish, timeout_s: float) -> StoredTransaction:
    """Return a transaction once it is open no more, or when the time is over.

    Raises CommandFailed where the daemon took the wish and signed nothing.
    """
    from relayer.journal.rows import TransactionState

    before, began = len(found.stored.attempts), time.monotonic()
    taken_at: float | None = None
    while True:
        stored, waiting_wish = await asyncio.to_thread(_read, config, found.stored.row)
        now = time.monotonic()
        if stored.state is not TransactionState.OPEN or now - began >= timeout_s:
            return stored
        if waiting_wish is None and len(stored.attempts) == before:
            taken_at = taken_at or now
            if now - taken_at >= _SIGNING_S:
                raise CommandFailed(
                    ExitCode.UNAVAILABLE,
                    f"the daemon did not {wish.value} transaction {stored.row}",
                    "another signature",
                    "Its log says why: a limit, the account's funds, or a chain that does not answer",
                )
        await asyncio.sleep(_POLL_S)


def _tell(
    found: _OpenTransaction,
    wish: Wish,
    by: Literal["daemon", "command"],
    *,
    as_json: bool,
    is_waited: bool,
) -> None:
    """Show a transaction, and end with the exit code that says what became of it."""
    from relayer.journal.rows import TransactionState
    from relayer.views.transaction import SteeredTransactionView

    stored, view = found.stored, found.view()
    if as_json:
        print_json(SteeredTransactionView(wish=wish.value, by=by, transaction=view))
    else:
        say(_sentence(view))
    code: Any = ExitCode.OK
    if is_waited and stored.state is TransactionState.OPEN:
        code = ExitCode.TIMEOUT
    elif stored.state in (TransactionState.DISPLACED, TransactionState.GIVEN_UP):
        code = ExitCode.REFUSED
    if code:
        raise click.exceptions.Exit(code)


def _sentence(view: SignedTransactionView) -> str:
    number = "" if view.id is None else f" {view.id}"
    what = "the cancellation of " if view.is_cancelled and view.block is not None else ""
    subject = f"{what}transaction{number} ({hex_of(view.tx_hash)}, nonce {view.nonce} on {view.chain})"
    if view.block is not None:
        return f"{subject} is in block {view.block}"
    if view.reason is None:
        return f"{subject} is {view.state.value}: its nonce went to another one, or is free again"
    detail = f": {view.detail}" if view.detail else ""
    return f"{subject} is open, attempt {view.attempts}; it waits for {view.reason.value}{detail}"
