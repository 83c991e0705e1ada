# SPDX-License-Identifier: MIT
"""A journal in a file of its own; POSTROAD_TEST_JOURNAL_URL names an empty PostgreSQL database to use
instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from relayer.journal.schema import metadata
from relayer.journal.store import Journal


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    other = os.environ.get("POSTROAD_TEST_JOURNAL_URL")
    if other is None:
        yield f"sqlite:///{tmp_path}/journal.db"
        return
    engine = create_engine(other)
    metadata.drop_all(engine)
    yield other
    metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    with Journal.open(url) as journal:
        yield journal
