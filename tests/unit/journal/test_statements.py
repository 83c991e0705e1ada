# SPDX-License-Identifier: MIT
"""Statements of many rows, as the dialects spell them."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from relayer.journal import schema
from relayer.journal.statements import BulkInsert


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_the_bulk_statements_are_plain_sql_in_both_dialects(name: str) -> None:
    dialect = make_url(f"{name}://").get_dialect()()
    columns = [column.name for column in schema.messages.columns]
    replacing = BulkInsert(schema.messages, columns, replace=True).sql(dialect)
    assert "ON CONFLICT (lane, sequence) DO UPDATE SET leaf" in replacing
    plain = BulkInsert(schema.transitions, ["lane", "page"]).sql(dialect)
    assert "INSERT INTO transitions (lane, page)" in plain
    assert "CONFLICT" not in plain
