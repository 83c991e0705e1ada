# SPDX-License-Identifier: MIT
"""Kinds of consensus: what the pipeline asks of them, and one folder for each kind.

A kind says why the headers of a chain are believed. Its pure rules lie in `light_clients/<kind>/`; here is
everything else that differs from kind to kind. A kind offers roles, each in a module of the same name in
every kind's folder: configuration, prover, contract, endpoint, local chain, show (kind.py has the table).
Nothing outside of a kind's folder names the kind: the registry finds what is installed by entry points, and
loads a role's module when somebody asks for it.

- base.py: `Prover`, which the pipeline asks for verified headers, proofs and updates of a light client.
- kind.py: `ConsensusKind` and the roles of deploying, joining and checking.
- registry.py: from a name, a configured chain or a deployed contract to its kind.
- open_chain.py: a configured chain with both halves, the connection and the prover.
- findings.py: what surveys and checks report. show.py: what the demo asks of a kind.

Read base.py, then kind.py, then one kind's folder, from its prover on.
"""
