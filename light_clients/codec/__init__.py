# SPDX-License-Identifier: MIT
"""Encodings that chains define: RLP and execution headers (yellow paper), SSZ and its Merkle trees
(consensus-specs).

All of them are strict: a value has exactly one encoding, and any other bytes are rejected. Read `rlp` before
`execution_header`, and `merkle_branch` before `ssz`; the two pairs do not depend on each other. Nothing here
knows what a proof or a light client is.
"""
