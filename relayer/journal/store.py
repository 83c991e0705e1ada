# SPDX-License-Identifier: MIT
"""Opening, writing and reading a journal.

The daemon opens it alone, to write: `Journal.open(url)`. Others read beside it: `Journal.open(url,
read_only=True)`; all that they write is a wish: `Journal.request`.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from relayer.errors import ConfigError
from relayer.journal.errors import JournalClosed, JournalLocked, JournalMissing, JournalUnreadable
from relayer.journal.migrations import VERSION, check_version, migrate, read_version
from relayer.journal.queries import read_pending, read_story
from relayer.journal.reading import Reading
from relayer.journal.rows import (
    LaneRow,
    Micros,
    PendingMessage,
    StoredLane,
    StoredMessage,
    StoredStory,
    TransactionRow,
    Wish,
)
from relayer.journal.states import StateCache
from relayer.journal.writer import WriterThread, begin_writing
from relayer.journal.writing import Writing

T = TypeVar("T")

#: How long SQLite waits while another process holds the file. A write that fails then ends the daemon.
_BUSY_MS: Final = 10_000
#: "postroad" as a number: the key of PostgreSQL's advisory lock.
_ADVISORY_KEY: Final = int.from_bytes(b"postroad") & (2**63 - 1)


def now_micros() -> Micros:
    """Return the wall clock in microseconds since 1970."""
    return Micros(time.time_ns() // 1_000)


class Journal:
    """An open journal. Any thread may read; one thread writes, and groups the commits that wait together.

    SQLite runs in WAL mode with synchronous=FULL: what is committed survives a power cut, and readers never
    wait for the writer.

    Attributes:
        failure: why posted work failed, the first time that it did; None while none has.
    """

    def __init__(self, engine: Engine, lock: _Lock | None) -> None:
        self._engine = engine
        self._lock = lock
        self.failure: BaseException | None = None
        self._writer = WriterThread(engine) if lock is not None else None

    @classmethod
    def open(cls, url: str, *, read_only: bool = False, now: Callable[[], Micros] = now_micros) -> Self:
        """Open a journal, and create or migrate it unless `read_only`. The caller closes it.

        Raises:
            JournalLocked: another daemon writes to it.
            JournalUnreadable: it is no journal, a newer Postroad's, or absent and only to be read.
            ConfigError: the URL can't be used.
        """
        parsed = _parse(url)
        path = _sqlite_path(parsed)
        if path is not None and read_only and not path.exists():
            raise JournalMissing(f"no file {path}", "the journal of a daemon", "Start `postroad run` first")
        _require_folder(path)
        lock = None if read_only else _Lock(path)
        try:
            engine = make_engine(parsed, read_only=read_only)
            try:
                if lock is not None:
                    # Before the tables are touched: another daemon may work with them.
                    lock.take(engine)
                    with engine.begin() as connection:
                        migrate(connection, now())
                else:
                    with engine.connect() as connection:
                        check_version(_existing_version(connection), VERSION)
            except DBAPIError as error:
                raise JournalUnreadable(
                    f"the journal at {parsed.render_as_string(hide_password=True)} can't be opened: "
                    f"{error.orig}",
                    "a database that this user may read and write",
                    "Check journal.url, the file's mode and the disk",
                ) from error
            except BaseException:
                engine.dispose()
                raise
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return cls(engine, lock)

    @classmethod
    def request(
        cls, url: str, transaction: TransactionRow, wish: Wish, now: Callable[[], Micros] = now_micros
    ) -> None:
        """Ask the daemon that holds a journal for something, beside it: it takes the wish within seconds.

        Raises:
            JournalUnreadable: it is no journal of this version, or can't be written.
            ConfigError: the URL can't be used.
        """
        parsed = _parse(url)
        path = _sqlite_path(parsed)
        if path is not None and not path.exists():
            raise JournalMissing(f"no file {path}", "the journal of a daemon", "Start `postroad run` first")
        engine = make_engine(parsed, read_only=False)
        try:
            with engine.connect() as connection:
                check_version(_existing_version(connection), VERSION)
            with begin_writing(engine) as connection:
                Writing(connection, StateCache()).add_wish(transaction, wish, now())
        except DBAPIError as error:
            raise JournalUnreadable(
                f"the journal at {parsed.render_as_string(hide_password=True)} takes no wish: {error.orig}",
                "a database that this user may write",
                "Try again; check the file's mode and the disk",
            ) from error
        finally:
            engine.dispose()

    # --- writing --------------------------------------------------------------------------------------------

    async def commit(self, work: Callable[[Writing], T]) -> T:
        """Run work in the writer's next transaction, and return its result once it is on disk.

        Raises:
            JournalBroken: nothing can be written any more.
            JournalClosed: the journal was closed, or only opened to be read.
        """
        return await asyncio.wrap_future(self._open_writer().submit(work))

    def post(self, work: Callable[[Writing], object]) -> None:
        """Queue work whose result nobody waits for.

        Where it fails, `failure` is set; a closed journal drops it.
        """
        try:
            self._open_writer().submit(work).add_done_callback(self._note_failure)
        except JournalClosed:
            return

    def _note_failure(self, future: Future[Any]) -> None:
        if not future.cancelled():
            self.note(future.exception())

    def note(self, failure: BaseException | None) -> None:
        """Remember a failure that nobody waits for, until the daemon looks at it. The first one stays."""
        if self.failure is None:
            self.failure = failure

    @property
    def commits(self) -> int:
        """How many transactions were committed."""
        return 0 if self._writer is None else self._writer.commits

    def _open_writer(self) -> WriterThread:
        if self._writer is None:
            raise JournalUnreadable("a write to a journal opened to be read", "read_only=False")
        return self._writer

    # --- reading --------------------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Give a snapshot for several reads."""
        with self._engine.connect() as connection:
            yield Reading(connection)

    async def read(self, work: Callable[[Reading], T]) -> T:
        """Run reads in a thread, so that a long one does not stop the event loop, and return their result."""
        return await asyncio.to_thread(self._read_now, work)

    def _read_now(self, work: Callable[[Reading], T]) -> T:
        with self.reading() as reading:
            return work(reading)

    def story(self, message_id: bytes) -> StoredStory | None:
        """Return a message's story; None when the journal does not know the message."""
        return self._read_now(lambda reading: read_story(reading, message_id))

    def pending(self, lane: LaneRow | None = None, limit: int = 1_000) -> tuple[PendingMessage, ...]:
        """Return the messages that wait, with their reasons (INV-10), at most `limit` a lane."""
        return self._read_now(lambda reading: read_pending(reading, lane, limit))

    def held_lanes(self) -> tuple[StoredLane, ...]:
        """Return the lanes that are held up as a whole, with messages that wait or without (INV-10)."""
        lanes = self._read_now(lambda reading: reading.lanes())
        return tuple(lane for lane in lanes if lane.waiting is not None)

    def message(self, message_id: bytes) -> StoredMessage | None:
        """Return a message by its id; None when the journal does not know it."""
        return self._read_now(lambda reading: reading.message(message_id))

    # --- closing --------------------------------------------------------------------------------------------

    def free_bytes(self) -> int | None:
        """Return how much room the journal's disk has; None where no file of this machine holds it."""
        path = _sqlite_path(self._engine.url)
        return None if path is None else shutil.disk_usage(path.parent).free

    def close(self) -> None:
        """Write what is queued, then close. A second call does nothing."""
        if self._writer is not None:
            # The lock goes last, because the queue is still being written until here.
            self._writer.close()
        self._engine.dispose()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Lock:
    """Keeps a second daemon from the journal: two would sign with the same nonces.

    The operating system or the database releases it, however the daemon ends.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: int | None = None
        self._connection: Connection | None = None

    def take(self, engine: Engine) -> None:
        if self._path is not None:
            lock = f"{self._path}.lock"
            try:
                self._file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise JournalUnreadable(
                    f"{lock} can't be written: {error.strerror}",
                    "a folder that this user may write to",
                    "Correct journal.url, or the folder's mode",
                ) from error
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise self._held(str(self._path)) from None
        elif engine.dialect.name == "postgresql":
            self._connection = engine.connect()
            # The lock is the session's and ends with it, so this connection must not go back to the pool.
            self._connection.detach()
            statement = text("SELECT pg_try_advisory_lock(:key)")
            if not self._connection.execute(statement, {"key": _ADVISORY_KEY}).scalar_one():
                raise self._held("PostgreSQL")

    def release(self) -> None:
        if self._file is not None:
            # Closing gives up the lock. The file stays, for deleting it would let one daemon lock the old
            # file and another a new one.
            os.close(self._file)
            self._file = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _held(where: str) -> JournalLocked:
        return JournalLocked(
            f"another daemon writes to the journal {where}",
            "one daemon a journal",
            "Stop the other one, or give this one a journal of its own",
        )


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        # The text does not repeat the URL, which may hold a password.
        raise ConfigError(
            "a journal URL that can't be read",
            "sqlite:///FILE or postgresql+psycopg://…",
            "Correct journal.url",
        ) from error
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigError(
            "a journal in memory",
            "a file",
            "A journal that a kill forgets keeps no promise: set journal.url to a file",
        )
    return parsed


def check_url(url: str) -> None:
    """Refuse a URL by which no journal can be opened. Nothing is opened, and nothing made.

    Raises:
        ConfigError: it can't be read, its folder is not there, or its driver is not installed.
    """
    parsed = _parse(url)
    _require_folder(_sqlite_path(parsed))
    make_engine(parsed, read_only=True).dispose()


def _require_folder(path: Path | None) -> None:
    if path is not None and not path.parent.is_dir():
        raise ConfigError(
            f"no folder {path.parent}", "a folder for the journal", "Create it, or correct journal.url"
        )


def _sqlite_path(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database)


def make_engine(url: URL, *, read_only: bool) -> Engine:
    """Return an engine whose connections are set up as a journal needs them. The caller disposes of it.

    Raises:
        ConfigError: the driver is not installed.
    """
    try:
        engine = create_engine(url)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a journal at {url.drivername}:// without its driver {error.name}",
            "the driver installed",
            'For PostgreSQL: pip install "psycopg[binary]", and write postgresql+psycopg://… into journal.url',
        ) from error
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _set_up(connection: Any, _: object) -> None:
            # The driver must not begin transactions by itself: the next listener does, for reads as well.
            connection.isolation_level = None
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            # SQLite checks foreign keys only on connections that ask for it.
            cursor.execute("PRAGMA foreign_keys=ON")
            if read_only:
                cursor.execute("PRAGMA query_only=ON")
            else:
                cursor.execute("PRAGMA journal_mode=WAL")
                cursor.execute("PRAGMA synchronous=FULL")
            cursor.close()

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            # Reads of the writing process take a snapshot too. A transaction that writes takes the lock at
            # once: where it read first and somebody else wrote in between, SQLite would refuse it, and not
            # wait.
            writes = connection.get_execution_options().get("journal_writes", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _existing_version(connection: Connection) -> int:
    found = read_version(connection)
    if found is None:
        raise JournalMissing("an empty database", "the journal of a daemon", "Start `postroad run` first")
    return found
