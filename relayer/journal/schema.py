# SPDX-License-Identifier: MIT
"""The journal's tables (docs/adr/0004-storage-layer.md), in SQLAlchemy Core so that SQLite and PostgreSQL
share them.

Times are microseconds since 1970 in UTC. Hashes, addresses and bitmaps are raw bytes. Numbers that can
outgrow a signed 64-bit integer (wei, and what senders choose freely) are decimal text. A *range* is (lane,
page, first, last). A batch never crosses a page, so neither does a range, and one row tells the same step of
up to 256 messages.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

metadata = MetaData()

#: SQLite numbers rows by itself only in a column that is called INTEGER.
_RowId = BigInteger().with_variant(Integer, "sqlite")

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at", BigInteger, nullable=False),
)

#: A row is an endpoint, not a name: a reset chain under the same name is a new row with its own cursors.
chains = Table(
    "chains",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("endpoint_id", LargeBinary(32), nullable=False, unique=True),
    Column("name", String(64), nullable=False),
    Column("trusted_state", LargeBinary, nullable=True),
    Column("verified_height", BigInteger, nullable=False),
    Column("verified_timestamp", BigInteger, nullable=False),
    Column("scanned_height", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

#: `proven` counts the messages that a verified header vouches for; rows of `messages` beyond it are hearsay.
#: `settled`: every message below it is confirmed or expired. The reason is why the lane as a whole waits.
lanes = Table(
    "lanes",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("lane_id", LargeBinary(32), nullable=False, unique=True),
    Column("source", ForeignKey("chains.id"), nullable=False),
    Column("destination", ForeignKey("chains.id"), nullable=False),
    Column("channel", LargeBinary(32), nullable=False),
    Column("flags", SmallInteger, nullable=False),
    Column("proven", BigInteger, nullable=False),
    Column("proven_head", LargeBinary(32), nullable=False),
    Column("proven_block", BigInteger, nullable=False),
    Column("settled", BigInteger, nullable=False),
    Column("reason", String(32), nullable=True),
    Column("reason_detail", Text, nullable=True),
    Column("reason_since", BigInteger, nullable=True),
)

messages = Table(
    "messages",
    metadata,
    Column("lane", ForeignKey("lanes.id"), primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary(32), nullable=False),
    Column("head", LargeBinary(32), nullable=False),
    Column("sender", LargeBinary(32), nullable=False),
    Column("recipient", LargeBinary(32), nullable=False),
    # Senders choose these numbers: 78 digits hold all below 2^256, 20 digits all below 2^64.
    Column("gas_limit", String(78), nullable=False),
    Column("deadline", String(20), nullable=False),
    Column("fee_wei", String(78), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("block_hash", LargeBinary(32), nullable=False),
    Column("tx_hash", LargeBinary(32), nullable=False),
    Column("log_index", Integer, nullable=False),
    # When the journal first had a message in this place. The other values are written anew when it is proven.
    Column("observed_at", BigInteger, nullable=False, server_default="0"),
    Index("messages_by_leaf", "leaf"),
    Index("messages_by_transaction", "tx_hash"),
    # They end in the order in which searches go on (search.py).
    Index("messages_by_time", "observed_at", "lane", "sequence"),
    Index("messages_by_lane", "lane", "observed_at", "sequence"),
    Index("messages_by_sender", "sender", "observed_at", "lane", "sequence"),
    Index("messages_by_recipient", "recipient", "observed_at", "lane", "sequence"),
)

#: Append-only: the story of every message, told once for all messages of a range. `mask` restricts the range:
#: bit i stands for sequence (page << 8) + i; null is the whole range.
transitions = Table(
    "transitions",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("lane", ForeignKey("lanes.id"), nullable=False),
    Column("page", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("mask", LargeBinary(32), nullable=True),
    Column("step", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("batch", ForeignKey("batches.id"), nullable=True),
    Column("detail", Text, nullable=True),
    Index("transitions_by_page", "lane", "page"),
)

#: The messages of a page that nothing more happens to, by bit: proven to be executed, or to be past the
#: deadline.
pages = Table(
    "pages",
    metadata,
    Column("lane", ForeignKey("lanes.id"), primary_key=True, autoincrement=False),
    Column("page", BigInteger, primary_key=True, autoincrement=False),
    Column("delivered", LargeBinary(32), nullable=False),
    Column("expired", LargeBinary(32), nullable=False),
    Column("height", BigInteger, nullable=False),
)

#: The newest proof of each page's head. `last` is the sequence that the proven head ends with.
proofs = Table(
    "proofs",
    metadata,
    Column("lane", ForeignKey("lanes.id"), primary_key=True, autoincrement=False),
    Column("page", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("head", LargeBinary(32), nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("proof", LargeBinary, nullable=False),
)

#: Why one message waits, where the reason is its own and not its lane's.
waits = Table(
    "waits",
    metadata,
    Column("lane", ForeignKey("lanes.id"), primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", BigInteger, nullable=False),
)

#: One account's use of one nonce. `state`: open (may still land), included, settled, displaced (the nonce
#: went elsewhere), given up. `reserved_wei` is what it counts in `spending`: the most that it can cost, then
#: what it did cost. `reason` is why an open one is in no block yet.
transactions = Table(
    "transactions",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("chain", ForeignKey("chains.id"), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("sender", LargeBinary(20), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("signed_at", BigInteger, nullable=False),
    Column("block_number", BigInteger, nullable=True),
    Column("block_hash", LargeBinary(32), nullable=True),
    Column("included_hash", LargeBinary(32), nullable=True),
    Column("succeeded", SmallInteger, nullable=True),
    Column("gas_used", BigInteger, nullable=True),
    Column("fee_wei", String(78), nullable=True),
    Column("wasted_gas", BigInteger, nullable=True),
    Column("reserved_wei", String(78), nullable=True),
    Column("reason", String(32), nullable=True),
    Column("reason_detail", Text, nullable=True),
    Index("transactions_by_state", "chain", "state"),
)

#: Of an account's transactions that may still land, no two have one nonce.
Index(
    "transactions_by_nonce",
    transactions.c.chain,
    transactions.c.sender,
    transactions.c.nonce,
    unique=True,
    sqlite_where=transactions.c.state.in_(["open", "included"]),
    postgresql_where=transactions.c.state.in_(["open", "included"]),
)

#: What the transactions signed in an hour have cost, or can cost, on a chain. `hour` counts from 1970.
spending = Table(
    "spending",
    metadata,
    Column("chain", ForeignKey("chains.id"), primary_key=True, autoincrement=False),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("wei", String(78), nullable=False),
)

#: What an operator asks of a transaction while a daemon holds the journal; the daemon takes and deletes it.
wishes = Table(
    "wishes",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("transaction", ForeignKey("transactions.id"), nullable=False),
    Column("wish", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
)

#: Every signature made for that nonce: the first, then its replacements. Committed before broadcast (INV-6).
#: What was given up may be signed again, and the same call with the same nonce and price has the same bytes.
attempts = Table(
    "attempts",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("transaction", ForeignKey("transactions.id"), nullable=False),
    Column("tx_hash", LargeBinary(32), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("gas", BigInteger, nullable=False),
    Column("max_fee_wei", String(78), nullable=False),
    Column("priority_fee_wei", String(78), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("is_cancellation", SmallInteger, nullable=False, server_default="0"),
    Index("attempts_by_transaction", "transaction"),
    Index("attempts_by_hash", "tx_hash"),
)

#: The full messages of one deliver transaction: `mask` by bit of the page, between `first` and `last`.
batches = Table(
    "batches",
    metadata,
    Column("id", _RowId, primary_key=True),
    Column("lane", ForeignKey("lanes.id"), nullable=False),
    Column("page", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("mask", LargeBinary(32), nullable=False),
    Column("proof_height", BigInteger, nullable=False),
    Column("transaction", ForeignKey("transactions.id"), nullable=False),
    Index("batches_by_page", "lane", "page"),
    Index("batches_by_transaction", "transaction"),
)
