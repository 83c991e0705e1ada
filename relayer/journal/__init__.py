# SPDX-License-Identifier: MIT
"""What the daemon knows, on disk. Every step of a message is a row, so that a killed daemon resumes from the
row (INV-6).

    store.py        `Journal`: opens, locks, commits, reads, closes
    writer.py       the one thread that writes: work that waits together is one transaction, so one fsync
    writing.py      all writes. A piece of work is a function of a `Writing`, applied whole or not at all
    reading.py      all reads of one snapshot: what a restart needs, and what people ask
    queries.py      answers put together from reads: a message's story, and what waits and why
    rows.py         what goes in and comes out, as frozen values
    schema.py       the tables; migrations.py leads older journals to them
    statements.py   INSERT of many rows at the driver's speed

A daemon opens the journal alone, to write. Any number of processes read beside it. The caller of
`Journal.commit` waits until the rows are on disk: nothing that leaves the process, such as a broadcast, may
come before that.
"""
