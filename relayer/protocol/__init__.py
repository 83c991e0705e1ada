# SPDX-License-Identifier: MIT
"""The protocol in pure code: identifiers, messages, batches and the states of a delivery.

    message.py           a message and its leaf, which is its id; the running head of a lane
    lane.py              the ids of endpoints and lanes, and the storage slots that proofs refer to
    batch.py             the bytes that `deliver` takes, encoded and decoded, and what their calldata costs
    delivery.py          the states of a delivery, the transitions between them, the reasons for waiting
    interop_address.py   addresses that name their chain: ERC-7930 bytes, CAIP-2 and CAIP-10 text

Nothing here has a clock, a socket, a log or an environment (`make imports` checks it): the same input always
gives the same output. docs/reference/wire-formats.md specifies the formats, and `solidity/src/libraries` has
the same rules; tests/differential holds the two together.
"""
