# SPDX-License-Identifier: MIT
"""The light client of Ethereum's consensus, which follows sync committees (consensus-specs,
`specs/*/light-client`).

How it works
    A sync committee of 512 validators serves for a period (8,192 slots) and signs the header of every block.
    A client trusts the committee of a period. It believes a header that the committee has signed; branches
    lead from that header's state to the finalized header, and to the next committee, which is how trust moves
    into the next period. From Capella on a header also leads to its execution block, whose state root storage
    proofs start from.

    There are two clients here. `sync_protocol` is the specification's own, function by function, on the
    specification's objects: the relayer follows a chain by it. `client` is the client of the contract: it
    keeps only the roots of two committees, and reads a compact form of the same objects
    (docs/reference/wire-formats.md §7). It is the stricter one: it takes only objects that finalize a header
    and that two thirds of the committee signed, a next committee only where signature, attested and finalized
    header are of one period, and it never forces an update.

In which order to read it
    1. `config`, `forks`: a network, its preset and forks; where a fork keeps things in its trees.
    2. `ssz_object`, `execution`, `containers`: the objects; `fork_upgrade` brings them into a later form.
    3. `signing`, `ranking`, `light_client_header`, `sync_protocol`: the specification's client.
    4. `params`, `committee_multiproof`, `g1`, `reader`, `client`: the contract's client; `codec` writes what
       it reads.
"""
