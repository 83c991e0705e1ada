# SPDX-License-Identifier: MIT
"""Local Clique chains that go-ethereum's own signers execute and seal: `clique:3:geth` in a spec line.

`program` finds go-ethereum 1.13.15, the last version that seals Clique, or lets Go build it. `node` is one
process of it, and `chain` the chain that a few of them make. Nothing here imitates anything: blocks come in
whole seconds, by the turns that the signers take, and no fault acts on demand. The front (`relayer.consensus.
clique.local`) has all of that, and seals where there is neither go-ethereum nor Go.
"""
