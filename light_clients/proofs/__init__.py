# SPDX-License-Identifier: MIT
"""Proofs that an account is in a state, and a storage slot in an account: Merkle-Patricia tries (yellow
paper, app. D).

How it works
    Chains prove by a list of trie nodes from the root downwards (`eth_getProof`, EIP-1186). `mpt` verifies
    such a list against a trusted root; this is what the relayer asks of a node's answer. Contracts get a
    compact form of the same proof (docs/reference/wire-formats.md §5): `descent` takes the list apart,
    `compact` writes the parts, and reads them back by rebuilding every node from the end upwards, which
    yields the root.

    Absence is proven as strictly as presence: the nodes have to show the place where the key would be.

Read `node` first, then `mpt`, then `descent` and `compact`. Binary trees over SHA-256, which SSZ uses, are
another thing: `light_clients.codec.merkle_branch`.
"""
