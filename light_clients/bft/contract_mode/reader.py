# SPDX-License-Identifier: MIT
"""Read a sealed block as a proof carries it (docs/reference/wire-formats.md §6.6), with the verdicts of the
contract (INV-8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from light_clients.bft.contract_mode.validator_contract import ReadSet, ValidatorContract, read_set
from light_clients.bft.preimage import BftKind
from light_clients.bft.reader import ReadHeader, check_seals, read_fields
from light_clients.bft.validators import set_hash
from light_clients.cursor import Cursor
from light_clients.errors import HeaderRejected, ValidatorSetRejected

#: The only protocol that lets a contract choose the validators.
KIND: Final = BftKind.QBFT


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block as a proof carries it. Every seal that came with it is one of its validators', and its parent
    is the block that the set was proven under.

    Attributes:
        header: of the block. Its own list is empty, and it has no seals of its own.
        validators: the list that the seals were counted by, 20 bytes each.
        set_hash: the hash of that list, 32 bytes. The caller has to compare it with the trusted one.
        sealers: bit i is set when validator i sealed.
        seals: of those who sealed, as `ReadHeader` has them.
        proven: what the contract held under the parent.
    """

    header: ReadHeader
    validators: tuple[bytes, ...]
    set_hash: bytes
    sealers: int
    seals: tuple[bytes, ...]
    proven: ReadSet


def read_block(
    cursor: Cursor,
    contract: ValidatorContract,
    known_root: bytes | None,
    state_root: bytes | None = None,
) -> ReadBlock:
    """Read a block, and check its seals and its parent. The caller has to check the set, its proof, the
    quorum, and the time.

    Args:
        cursor: at the block; it is moved behind it.
        contract: of the client's chain.
        known_root: as for `read_set`.
        state_root: as for `read_header`.

    Raises:
        EncodingRejected, ProofRejected: the bytes are malformed.
        ValidatorSetRejected: the header lists validators, or what is proven can be no set.
        HeaderRejected: a seal is not that of its validator, the number is 0, or the parent is another block.
    """
    header = read_fields(cursor, KIND, state_root)
    if header.validators:
        raise ValidatorSetRejected(
            "the header lists its validators", found=len(header.validators), expected="an empty list"
        )
    validators = cursor.addresses()
    sealers, seals = check_seals(cursor, validators, header.preimage.commit_seal_hash())
    proven = read_set(cursor, contract, known_root)
    # The seals say what the parent's hash is, so the parent needs none of its own.
    parent = read_fields(cursor, KIND, proven.state_root)
    found = parent.preimage.block_hash()
    if found != header.parent_hash:
        raise HeaderRejected(
            "the set is proven under another block", found=found, expected=header.parent_hash
        )
    return ReadBlock(header, validators, set_hash(validators), sealers, seals, proven)
