# SPDX-License-Identifier: MIT
"""Copy the journal while the relayer runs: `python backup.py JOURNAL FOLDER [KEEP]`.

SQLite's own backup is used, because a copy of the file alone lacks what stands in the write-ahead log. A
backup appears whole or not at all, is checked, and the newest KEEP (14) stay. Python's standard library is
all that it needs. To restore, stop the relayer, put a backup in the journal's place, remove `-wal` and `-shm`
beside it, and start: what the backup does not know yet is found on the chains again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from pathlib import Path

KEEP = 14
#: How long to wait while the relayer commits.
BUSY_S = 30.0


def main(words: list[str]) -> int:
    """Make a backup and print its name; return 0, or 1 with the reason on stderr, 2 for a wrong call."""
    if len(words) not in {2, 3} or not (words[2:] or ["1"])[0].isdecimal():
        print("usage: backup.py JOURNAL FOLDER [KEEP]", file=sys.stderr)
        return 2
    try:
        print(back_up(Path(words[0]), Path(words[1]), int((words[2:] or [KEEP])[0])))
    except (OSError, sqlite3.Error) as error:
        print(f"backup: {error}", file=sys.stderr)
        return 1
    return 0


def back_up(journal: Path, folder: Path, keep: int) -> Path:
    """Copy a journal into a folder and return the copy; all but the newest `keep` are removed.

    Raises:
        OSError: a file can't be read, written or removed.
        sqlite3.Error: it is no database, or the copy is damaged.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = folder / f"{journal.stem}-{stamp}.db"
    unfinished = target.with_suffix(".part")
    try:
        # `mode=rw`: a name that is wrong makes no empty journal.
        source = sqlite3.connect(f"{journal.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_S)
        with contextlib.closing(source), contextlib.closing(sqlite3.connect(unfinished)) as copy:
            source.backup(copy)
            # One file, with no log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
            verdict = copy.execute("PRAGMA integrity_check").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"the copy is damaged: {verdict}")
        unfinished.chmod(0o600)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    for old in sorted(folder.glob(f"{journal.stem}-*.db"))[: -max(keep, 1)]:
        old.unlink()
    return target


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
