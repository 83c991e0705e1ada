# SPDX-License-Identifier: MIT
"""Local chains for tests, demonstrations and first steps.

A local chain is one anvil, which executes, and what stands before it in this process: it decides when a block
is made, signs or finalizes the block as the chain's consensus does, and serves it to clients. State,
receipts, logs, proofs and gas are anvil's and real; hashes, seals and finality are those of the consensus
that is played. Clients never talk to anvil, and no answer holds a hash that only anvil knows (ADR 0003).

The floors, from the ground up; every floor imports only those below it:

`rules`, below all floors, says what a chain has beside its consensus: what gas costs, what its nodes take,
when a block is made.

- `process`: anvil as a child that never outlives its parent (`anvil`, `child_guard`, `process_identity`,
  `toolchain`), how it is talked to (`upstream`), its blocks (`anvil_blocks`), and what keeps reads and
  execution apart (`read_gate`).
- `state`: what a chain knows: its blocks and the map from anvil's hashes to its own (`ledger`), headers as
  anvil makes them (`anvil_header`), keys and addresses from a seed (`identities`), and what goes wrong on
  purpose (`faults`).
- `rpc`: what clients are answered. `rpc_server` is one port with faults of its own; `methods` is the table of
  what is served, with `params`, `logs`, `subscriptions` and `jsonrpc`; `pool`, with `raw_transaction`, stands
  before anvil's own; `served_blocks` is what a kind has to provide.
- `chain`: one chain. `anvil_chain` starts and ends it, `block_maker` makes blocks one at a time,
  `chain_parts` and `running_chain` hold its parts, `admin_server` and `admin_methods` let other processes do
  what tests do. `local_kind` is the seam to the kinds of consensus.
- the kinds' own packages, `local` in a kind's folder below relayer/consensus: how its blocks are made, signed
  and served. Nothing else here names a kind.
- `network`: several chains that live and die together (`network`), from a line of text (`spec`), in the
  background (`background`, `supervisor`, `state_file`), and joined with each other for a relayer (`join`).
"""
