# SPDX-License-Identifier: MIT
"""The instants at which `make kill ARGS=--every` ends the daemon are what they are called."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from light_clients.hashing import keccak256
from relayer.chains.evm.chain import EvmChain
from relayer.journal.rows import ChainRow, Micros, Purpose, SignedAttempt
from relayer.journal.store import Journal
from relayer.journal.writing import Writing
from tests.support.mortal_daemon import AFTER, BEFORE, Broadcasts, Fate, Mortality, Writes, wrap_broadcasts

RAW = b"\x02 signed"

#: A process that commits a signature, and tells when it was told of it.
LIFE = """
import asyncio, sys
from relayer.journal.rows import Micros, Purpose, SignedAttempt
from relayer.journal.store import Journal
from tests.support.mortal_daemon import Fate, Mortality, wrap_commits

path, point, nth = sys.argv[1:]
wrap_commits(Mortality(Fate(config='', journal=path, report=path + ".log", kind="commit signature", points=(point,), nth=int(nth))))
attempt = SignedAttempt(b"h" * 32, b"raw", 1, 1, 1, Micros(1))
with Journal.open("sqlite:///" + path) as journal:
    def work(writing):
        chain = writing.put_chain(b"e" * 32, "b", scanned_height=0, at=Micros(1))
        writing.add_transaction(chain, Purpose.DELIVER, b"s" * 20, 0, attempt)
    asyncio.run(journal.commit(work))
    print("told")
"""


def live(path: Path, point: str, nth: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LIFE, str(path), point, str(nth)], capture_output=True, check=False, text=True
    )


@pytest.mark.parametrize(("point", "is_there"), [(BEFORE, False), (AFTER, True)])
def test_a_life_ends_before_or_after_the_commit_and_nobody_is_told(
    tmp_path: Path, point: str, *, is_there: bool
) -> None:
    path = tmp_path / "journal.db"
    life = live(path, point, 1)
    assert (life.returncode, life.stdout) == (-signal.SIGKILL, "")
    assert Path(f"{path}.log").read_text() == f"died\tcommit signature\t{point}\n"
    with Journal.open(f"sqlite:///{path}") as journal, journal.reading() as reading:
        assert bool(reading.live_transactions(ChainRow(1))) is is_there


def test_a_life_without_its_instant_goes_on(tmp_path: Path) -> None:
    life = live(tmp_path / "journal.db", BEFORE, 2)
    assert (life.returncode, life.stdout, life.stderr) == (0, "told\n", "")


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        ([], "start"),
        ([("SELECT 1", ()), ("INSERT INTO chains (name) VALUES (?)", ("a",))], "start"),
        ([("UPDATE chains SET verified_height=?", (1,)), ("INSERT INTO proofs VALUES (?)", (1,))], "proofs"),
        ([("UPDATE lanes SET settled=? WHERE lanes.id = ?", (1, 2))], "reason"),
        ([("UPDATE transactions SET reason=? WHERE id = ?", ("funds", 1))], "reason"),
        ([("UPDATE transactions SET state=? WHERE id = ?", ("settled", 1))], "settled"),
        ([("UPDATE transactions SET state=?", {"state": "included", "row": 1})], "included"),
        ([("INSERT INTO attempts VALUES (?)", (1,))], "replacement"),
        (
            [("INSERT INTO transactions VALUES (?)", (1,)), ("INSERT INTO attempts VALUES (?)", (1,))],
            "signature",
        ),
    ],
)
def test_a_commit_is_named_by_what_it_writes(statements: list[tuple[str, Any]], kind: str) -> None:
    writes = Writes()
    for statement, parameters in statements:
        writes.note(statement, parameters)
    assert writes.take() == kind
    assert writes.take() == "start"


def test_a_broadcast_is_named_by_what_the_journal_holds(tmp_path: Path) -> None:
    """INV-6: bytes that are not in the journal are found before they leave."""
    path, unjournalled = tmp_path / "journal.db", list[bytes]()

    def sign(raw: bytes, at: int) -> SignedAttempt:
        return SignedAttempt(keccak256(raw), raw, 1, 1, 1, Micros(at))

    with Journal.open(f"sqlite:///{path}") as journal:
        broadcasts = Broadcasts(str(path), unjournalled.append)
        later = broadcasts._began + 1  # noqa: SLF001  what was signed before it is an earlier life's

        def work(writing: Writing) -> None:
            chain = writing.put_chain(bytes(32), "b", scanned_height=0, at=Micros(1))
            writing.add_transaction(chain, Purpose.DELIVER, bytes(20), 0, sign(b"old", 1))
            row = writing.add_transaction(chain, Purpose.DELIVER, bytes(20), 1, sign(b"new", later))
            writing.add_attempt(row, sign(b"dearer", later))

        asyncio.run(journal.commit(work))
        kinds = [broadcasts.kind(raw) for raw in (b"old", b"new", b"dearer", b"new")]
        assert kinds == ["recovered", "first", "replacement", "again"]
        assert unjournalled == []
        assert broadcasts.kind(b"never signed") == "first"
        assert unjournalled == [keccak256(b"never signed")]


async def test_a_broadcast_has_three_instants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reached: list[tuple[str, str]] = []

    async def refuse(_chain: object, raw: bytes) -> None:
        reached.append(("call", raw.decode()))
        raise ValueError

    monkeypatch.setattr(EvmChain, "offer", refuse)
    mortality = Mortality(Fate(config="", journal="", report=str(tmp_path / "report")))
    monkeypatch.setattr(mortality, "reach", lambda kind, point: reached.append((kind, point)))
    broadcasts = Broadcasts("", lambda _: None)
    monkeypatch.setattr(broadcasts, "kind", lambda _: "first")
    wrap_broadcasts(mortality, broadcasts)
    with pytest.raises(ValueError):
        await EvmChain.offer(object(), b"raw")  # type: ignore[arg-type]
    kind = "broadcast first"
    assert reached == [(kind, "before"), (kind, "within"), ("call", "raw"), (kind, "after")]
