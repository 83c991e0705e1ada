# SPDX-License-Identifier: MIT
"""The daemon, which SIGKILLs itself at a chosen instant.

An instant has a kind and a point. The kinds are what a commit of the journal writes (`COMMITS`, by the SQL
that was run in it) and what is broadcast (`BROADCASTS`). The points are `before`, `within` and `after` it. A
commit is the driver's COMMIT: before it all rows are written, after it they are on disk and nobody was told
yet. `within` is up to 3 ms after `before`, from another thread: the COMMIT or the request is under way then,
or just over.

`MortalDaemon` starts lives. They are forks of one process that has imported everything, because the imports
take longer than many a life (`python -m tests.support.mortal_daemon` is that process). A life has a `Fate`,
and appends to the fate's report what others have to know, with tabs between words: `died KIND POINT`, and
`unjournalled HASH` for bytes that are about to leave while another connection does not see them in the
journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import random
import re
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect

from light_clients.hashing import keccak256
from relayer.chains.base import Offered
from relayer.chains.evm.chain import EvmChain

BEFORE, WITHIN, AFTER = POINTS = ("before", "within", "after")
#: What commits write, in the order in which they are named where one commit writes several.
COMMITS: Final = (
    "signature",
    "replacement",
    "included",
    "settled",
    "displaced",
    "given up",
    "open",
    "proofs",
    "messages",
    "header",
    "reason",
    "start",
)
#: `first`: bytes signed in this life; `replacement`: of a nonce that was signed before; `recovered`: bytes of
#: an earlier life; `again`: bytes that this life has offered before.
BROADCASTS: Final = ("first", "replacement", "recovered", "again")

#: What the daemon imports while it starts.
_IMPORTS: Final = (
    "eth_keyfile.keyfile",
    "relayer.api",
    "relayer.cli.run",
    "relayer.daemon",
    "relayer.consensus.bft.prover",
    "relayer.consensus.ethereum.prover",
)
_WITHIN_S: Final = 0.003
_WRITE: Final = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s+\"?(\w+)", re.IGNORECASE)
_TABLES: Final = {
    "proofs": "proofs",
    "messages": "messages",
    "pages": "settled",
    "chains": "header",
    "lanes": "reason",
    "waits": "reason",
    "transitions": "reason",
}


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """When a life ends.

    Attributes:
        config: the daemon's configuration file.
        journal: the journal's file.
        report: the file that lines are appended to.
        kind: the kind of instant that counts, such as `commit signature`; None for all.
        points: the points that count.
        nth: the life ends at this one of them; 0 for never.
    """

    config: str
    journal: str
    report: str
    kind: str | None = None
    points: tuple[str, ...] = (BEFORE, AFTER)
    nth: int = 0


class Mortality:
    """Counts the instants that count, in whatever thread they come, and ends the process at one."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self._count = 0
        self._lock = threading.Lock()

    def reach(self, kind: str, point: str) -> None:
        """Tell that this instant is now. Does not return where it is the chosen one."""
        if point not in self._fate.points or self._fate.kind not in {None, kind}:
            return
        with self._lock:
            self._count += 1
            if self._count != self._fate.nth:
                return
        if point == WITHIN:
            threading.Thread(target=self._die, args=(kind, point, random.uniform(0, _WITHIN_S))).start()
        else:
            self._die(kind, point, 0.0)

    def _die(self, kind: str, point: str, delay_s: float) -> None:
        self.report("died", kind, point)
        time.sleep(delay_s)
        os.kill(os.getpid(), signal.SIGKILL)

    def report(self, *words: str) -> None:
        """Append a line for the parent. It outlives the process, for it is the system's at once."""
        descriptor = os.open(self._fate.report, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, "\t".join(words).encode() + b"\n")
        os.close(descriptor)


class Writes(threading.local):
    """What the SQL of this thread's transaction has written so far: members of COMMITS."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()

    def note(self, statement: str, parameters: Any) -> None:
        """Take note of a statement before it is run."""
        found = _WRITE.match(statement)
        if found is None:
            return
        verb, table = found[1].upper(), found[2]
        if table == "attempts":
            self.kinds.add("replacement")
        elif table == "transactions" and verb == "INSERT INTO":
            self.kinds.add("signature")
        elif table == "transactions":
            values = parameters.values() if isinstance(parameters, dict) else parameters
            states = {value for value in values if isinstance(value, str)} & set(COMMITS)
            self.kinds |= states or {"reason"}
        elif table in _TABLES and not (table in {"chains", "lanes"} and verb == "INSERT INTO"):
            self.kinds.add(_TABLES[table])

    def take(self) -> str:
        """Return the kind of the commit that is about to be done, and begin anew."""
        kinds, self.kinds = self.kinds, set()
        return next((kind for kind in COMMITS if kind in kinds), COMMITS[-1])


class Broadcasts:
    """Tells the kind of a broadcast from the journal, by a connection that only sees what is committed."""

    def __init__(self, journal: str, unjournalled: Callable[[bytes], None]) -> None:
        self._journal = journal
        self._unjournalled = unjournalled
        self._began = time.time_ns() // 1_000
        self._offered: set[bytes] = set()

    def kind(self, raw: bytes) -> str:
        """Return which of BROADCASTS it is."""
        digest = keccak256(raw)
        query = (
            'SELECT at, (SELECT count(*) FROM attempts b WHERE b."transaction" = a."transaction" AND b.id < a.id)'
            " FROM attempts a WHERE tx_hash = ? ORDER BY id DESC"
        )
        with contextlib.closing(sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True)) as connection:
            row = connection.execute(query, (digest,)).fetchone()
        if row is None:
            self._unjournalled(digest)
        is_again = digest in self._offered
        self._offered.add(digest)
        if is_again:
            return "again"
        if row is not None and row[0] < self._began:
            return "recovered"
        return "replacement" if row is not None and row[1] else "first"


def wrap_commits(mortality: Mortality) -> None:
    """Make every COMMIT of SQLAlchemy three instants."""
    writes = Writes()
    do_commit: Callable[[DefaultDialect, Any], None] = DefaultDialect.do_commit

    @event.listens_for(Engine, "begin")
    def _begin(_: Any) -> None:
        # What was written before, and not committed, was rolled back.
        writes.take()

    @event.listens_for(Engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        writes.note(statement, parameters)

    def mortal(dialect: DefaultDialect, connection: Any) -> None:
        kind = f"commit {writes.take()}"
        mortality.reach(kind, BEFORE)
        mortality.reach(kind, WITHIN)
        do_commit(dialect, connection)
        mortality.reach(kind, AFTER)

    DefaultDialect.do_commit = mortal  # type: ignore[method-assign]


def wrap_broadcasts(mortality: Mortality, broadcasts: Broadcasts) -> None:
    """Make every broadcast of a chain three instants."""
    offer = EvmChain.offer

    async def mortal(chain: EvmChain, raw: bytes) -> Offered:
        kind = f"broadcast {broadcasts.kind(raw)}"
        mortality.reach(kind, BEFORE)
        mortality.reach(kind, WITHIN)
        try:
            return await offer(chain, raw)
        finally:
            mortality.reach(kind, AFTER)

    EvmChain.offer = mortal  # type: ignore[method-assign, assignment]


class MortalDaemon:
    """Lives of the daemon, one after the other. `open` it, and `close` it.

    Args:
        log: the file that all of them log to.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._mother: asyncio.subprocess.Process | None = None
        self._pid: int | None = None

    async def open(self) -> None:
        """Start the process that lives are forked from."""
        with self.log.open("ab") as log:
            self._mother = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.support.mortal_daemon",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )

    async def start(self, fate: Fate) -> None:
        """Begin a life; the one before has ended."""
        assert self._pid is None
        assert self._mother is not None
        assert self._mother.stdin is not None
        self._mother.stdin.write(msgspec.json.encode(fate) + b"\n")
        await self._mother.stdin.drain()
        self._pid = await self._read()

    async def wait(self) -> int:
        """Wait for the life's end; the exit code, or minus the signal that ended it."""
        code = await self._read()
        self._pid = None
        return code

    async def end(self, number: signal.Signals) -> int:
        """Send a signal, and wait for the life's end."""
        assert self._pid is not None
        # It may have ended by itself a moment ago.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)
        return await self.wait()

    async def close(self) -> None:
        """End the life that there is, and the process that it comes from."""
        if self._pid is not None:
            await self.end(signal.SIGKILL)
        if self._mother is not None:
            self._mother.kill()
            await self._mother.wait()

    async def _read(self) -> int:
        assert self._mother is not None
        assert self._mother.stdout is not None
        line = await self._mother.stdout.readline()
        if not line:
            raise AssertionError(f"the process that lives are forked from has ended:\n{self.log.read_text()}")
        return int(line)


def main() -> None:
    """Fork a life for each fate, a line of JSON on stdin; print its process id, then its exit code."""
    for name in _IMPORTS:
        importlib.import_module(name)
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            _live(msgspec.json.decode(line, type=Fate))
            return
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _live(fate: Fate) -> None:
    """Wrap, then be the command line, which exits."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    mortality = Mortality(fate)
    wrap_commits(mortality)
    wrap_broadcasts(
        mortality,
        Broadcasts(fate.journal, lambda digest: mortality.report("unjournalled", digest.hex())),
    )
    from relayer.cli import main as command_line

    command_line(["run", "--config", fate.config])


if __name__ == "__main__":
    main()
