# SPDX-License-Identifier: MIT
"""The light client of a QBFT chain whose validators are chosen by a contract (docs/adr/0020).

How it works
    The headers of such a chain list nobody: who seals block N is what the contract's storage holds after
    block N - 1. The client trusts one list, by its hash. It believes a header that ceil(2n/3) of the list
    sealed, and with which its parent comes, and a proof that under the parent the contract held that list. An
    update adds a proof of what the contract holds under the header itself: that set seals from the next block
    on, and becomes the trusted one.

    Why the parent is needed: a header names its own set no more, so without it the client could not tell
    whether the quorum that it counts is one of those whose turn it was. A set that has grown since can leave
    behind a block that enough of its older members sealed and that was never decided.

In which order to read it
    `validator_contract` (the list in storage, and its proof), `header` (a header as a node gives it),
    `reader` (a sealed block as a proof carries it), `client` (the light client), `codec` (writes what it
    reads).
"""
