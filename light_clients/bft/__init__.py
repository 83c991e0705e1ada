# SPDX-License-Identifier: MIT
"""The light client of QBFT, IBFT 2.0 and legacy Istanbul chains, whose headers carry their validators' seals.

How it works
    The extraData of a header lists the validators of its block, and carries their seals: signatures of a hash
    of the header. The client trusts one list, by its hash. It believes a header that names this list and is
    sealed by ceil(2n/3) of its members: then any two such headers have an honest member in common, as long as
    fewer than a third are hostile. A new list is let in by an update, where a quorum of the new list AND a
    quorum of the trusted one sealed headers that name it. A header declares its own list: with a lower bar,
    few stolen keys could name exactly themselves.

    A block has two hashes: the one that names it on its chain, and the one that validators seal, which in
    QBFT and IBFT 2.0 tells its round as well (`preimage`).

In which order to read it
    `validators` (what can be a list, and the quorum), `preimage` (the two hashes), `header` (a header as a
    node gives it), `reader` (a header as a proof carries it), `client` (the light client), `codec` (writes
    what it reads). `contract_mode` is the client of QBFT chains whose validators a contract chooses.
"""
