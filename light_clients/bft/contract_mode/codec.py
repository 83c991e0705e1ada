# SPDX-License-Identifier: MIT
"""Write what the light client of a contract-mode chain reads (docs/reference/wire-formats.md §6.6), for the
least gas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from light_clients.bft.codec import choose_quorum, encode_fields, encode_seals
from light_clients.bft.contract_mode.header import BareHeader
from light_clients.bft.contract_mode.validator_contract import SetProof, ValidatorContract, encode_set
from light_clients.bft.header import BftHeader
from light_clients.trust import encode_claim


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """A block with what shows whose turn it was to seal it, as nodes gave them. Nothing is verified here.

    Attributes:
        header: of the block.
        parent: the header of the block before; of a chain that has just changed to this mode, it lists its
            validators.
        before: what the contract held under the parent.
    """

    header: BareHeader
    parent: BftHeader
    before: SetProof


def encode_block(
    block: ProvenBlock, contract: ValidatorContract, known_root: bytes | None, *, with_state_root: bool
) -> bytes:
    """Encode a block with the cheapest quorum of its seals. Whoever reads the result checks it.

    Args:
        block: to encode.
        contract: of the chain.
        known_root: the storage root of the contract that the client knows; None for none.
        with_state_root: as for `encode_header`.

    Raises:
        QuorumNotReached: too few of the set sealed.
        ProofRejected: the nodes cannot be those of the contract and its slots.
    """
    validators = block.before.validators
    seals = choose_quorum(block.header.number, block.header.sealers_among(validators), len(validators))
    return b"".join(
        (
            encode_fields(block.header, with_state_root=with_state_root),
            bytes((len(validators),)),
            *validators,
            encode_seals(seals, len(validators)),
            encode_set(contract, block.before, known_root),
            encode_fields(block.parent, with_state_root=False),
        )
    )


def encode_proof(
    storage_nodes: Sequence[bytes],
    account_nodes: Sequence[bytes],
    block: ProvenBlock | None,
    contract: ValidatorContract,
    known_root: bytes | None,
    account: bytes,
    slot: bytes,
) -> bytes:
    """Encode the argument of `storageAt` from what `eth_getProof` gave at the block.

    Args:
        storage_nodes: from the storage root downwards, verified before.
        account_nodes: from the state root downwards, verified before.
        block: the one whose seals vouch for the state; None for a proof against the anchored state root.
        contract: of the chain.
        known_root: as for `encode_block`.
        account: 20 bytes.
        slot: 32 bytes.

    Raises:
        ProofRejected: the nodes cannot be those of this account and slot.
        QuorumNotReached: too few of the set sealed the block.
    """
    claim = encode_claim(storage_nodes, account_nodes, account, slot, anchored=block is None)
    return (
        claim if block is None else claim + encode_block(block, contract, known_root, with_state_root=False)
    )


def encode_update(
    block: ProvenBlock, after: SetProof, contract: ValidatorContract, known_root: bytes | None
) -> bytes:
    """Encode the argument of `update` that makes a block trusted, with the set that the contract holds after
    it. Raises as `encode_block`.
    """
    return encode_block(block, contract, known_root, with_state_root=True) + encode_set(
        contract, after, known_root
    )


def encode_misbehaviour(
    first: ProvenBlock, second: ProvenBlock, contract: ValidatorContract, known_root: bytes | None
) -> bytes:
    """Encode the argument of `freeze`: two blocks of one height. Raises as `encode_block`."""
    return b"".join(
        encode_block(block, contract, known_root, with_state_root=True) for block in (first, second)
    )
