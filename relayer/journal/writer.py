# SPDX-License-Identifier: MIT
"""The one thread that writes. Work that waits together is committed together, with one fsync."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from relayer.journal.errors import JournalBroken, JournalClosed
from relayer.journal.states import StateCache
from relayer.journal.writing import Writing

T = TypeVar("T")
Work = Callable[[Writing], Any]

#: The most pieces of work in one transaction: with more, the first would wait long for the last.
_GROUP: Final = 256


@contextmanager
def begin_writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that writes: it waits for other writers before it reads anything."""
    with engine.connect().execution_options(journal_writes=True) as connection, connection.begin():
        yield connection


class WriterThread:
    """Runs work in the order in which it came. A piece of work is applied whole or not at all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._states = StateCache()
        self._closed = False
        self._lock = threading.Lock()
        self.commits = 0
        # A daemon thread keeps no process alive that ends without `close`: what was promised is on disk.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Writing], T]) -> Future[T]:
        """Queue work, and return a future that is done when the transaction with the work is on disk.

        Raises:
            JournalClosed: the thread was told to stop.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise JournalClosed("work for a closed journal", "an open one")
            # Under the lock, so that no work comes behind the end of the queue, where nobody would do it.
            self._queue.put((work, future))
        return future

    def close(self) -> None:
        """Finish what is queued, then stop. A second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            if group:
                self._commit(group)

    def _next_group(self) -> list[tuple[Work, Future[Any]]] | None:
        item = self._queue.get()
        group: list[tuple[Work, Future[Any]]] = []
        while item is not None:
            # Work whose caller was cancelled while it waited is left out.
            if item[1].set_running_or_notify_cancel():
                group.append(item)
            if len(group) == _GROUP:
                return group
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group
        if group:
            # The end is put back, to be met again after this group.
            self._queue.put(None)
            return group
        return None

    def _commit(self, group: list[tuple[Work, Future[Any]]]) -> None:
        try:
            results = self._transact([work for work, _ in group])
        except Exception as error:  # noqa: BLE001  it is handed to whoever waits for the work
            if len(group) == 1:
                group[0][1].set_exception(_translate(error))
                return
            # One piece rolled the whole group back. Each is run by itself now, so that only that one fails.
            for piece in group:
                self._commit([piece])
            return
        # Only after the commit: whoever waits for a result may broadcast at once (INV-6).
        for (_, future), result in zip(group, results, strict=True):
            future.set_result(result)

    def _transact(self, works: list[Work]) -> list[Any]:
        with begin_writing(self._engine) as connection:
            writing = Writing(connection, self._states)
            results = [work(writing) for work in works]
        # Only what is on disk: work that was rolled back has moved nothing.
        self._states.take(writing.states)
        self.commits += 1
        return results


def _translate(error: Exception) -> Exception:
    # An error of the work itself, such as NonceConflict, is its caller's, and the journal goes on.
    if not isinstance(error, DBAPIError):
        return error
    broken = JournalBroken(
        f"the journal refused to write: {error.orig}",
        "a disk with space and a file that is there",
        "Make room or restore the file, then start again: nothing unjournalled was broadcast",
    )
    broken.__cause__ = error
    return broken
