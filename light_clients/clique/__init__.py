# SPDX-License-Identifier: MIT
"""The light client of Clique (EIP-225): signers seal blocks in turn, and vote for signers in what they seal.

One signer seals a block, so a block by itself proves nothing. It is believed when more than half of the
trusted signers have built on it: a run of consecutive headers, each valid by Clique's rules, begins with it
and goes on for floor(n/2) + 1 more. No signer may seal twice within so many blocks, so these are distinct.
As long as fewer than half of the signers are hostile, one of them is honest, and an honest signer builds on
valid blocks only. That is no finality: the chain goes on with the heaviest branch, and a reorganisation of
that depth is unlikely, not impossible (docs/adr/0021-clique.md).

    signers.py   signer sets: their hash, majority, and the tally of votes
    header.py    a sealed header, as a node gives it; what is signed of it, and who signed
    reader.py    a run of headers as it is sent, checked by Clique's rules
    codec.py     writes what reader.py and client.py read
    client.py    trusted state, and how it moves

The contract with the same verdicts is solidity/src/light_clients/clique/ (INV-8).
"""
