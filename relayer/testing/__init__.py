# SPDX-License-Identifier: MIT
"""In-memory twins of a chain, its gateway and its prover, for tests of this project and of others.

    chain.py     `MemoryChain` implements relayer.chains.base.Chain; `join` registers two with each other
    gateway.py   the contracts' rules on a state in memory: outbox, inbox, light clients
    prover.py    `MemoryProver` implements relayer.consensus.base.Prover for a MemoryChain

A test makes two chains, joins them, sends, and mines block by block; `MemoryChain.faults`
says what goes wrong.
"""
