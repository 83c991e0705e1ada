# SPDX-License-Identifier: MIT
"""Conformance with real data: one module a folder of the shared vectors.

A module says which folder it reads and yields that folder's cases:

    FOLDER = "mpt_rlp"
    def cases(folder: Path) -> Iterator[Case]: ...

Nothing needs to be registered: every module of this package that has a FOLDER is run by `python -m tests.conformance`.
"""
