# SPDX-License-Identifier: MIT
"""Light clients: pure verification of headers and proofs, one package for each kind of consensus.

How it works
    A light client holds a small trusted state: who signs (a hash of the validators, or the roots of two sync
    committees), up to which height, and since when. It is an immutable value. Whoever has bytes from a node
    asks it a question, and gets a proven answer, a new client whose trusted state has moved, or a `Rejection`
    that says which rule does not hold, what was found and what was expected.

    Nothing here reads a clock, a socket, a log or the environment (an import contract checks it): time is
    always the argument `now`. So the same bytes get the same verdict everywhere, and the contracts in
    `solidity/src/light_clients` are held to exactly these verdicts (INV-8).

In which order to read it
    1. `client.py`   the seam: what every light client can be asked.
    2. `errors.py`   every reason for a rejection.
    3. `trust.py`    what the clients of all kinds share: how long trust lasts, the anchor, a proof's front.
    4. the packages of the kinds, one each, whose heads tell their rules.
    5. `proofs/`     Merkle-Patricia tries: that an account and a storage slot are in a state.
    6. `codec/`      RLP, SSZ and binary Merkle trees. `bls/`, `ecdsa.py`, `hashing.py`: cryptography.
    7. `cursor.py`   how our own byte formats are read (docs/reference/wire-formats.md).

    Imports go one way (a kind, trust, proofs, codec, hashing), and kinds do not know each other.
"""
