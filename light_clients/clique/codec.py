# SPDX-License-Identifier: MIT
"""Write what the light client of a Clique chain reads (docs/reference/wire-formats.md §8)."""

from __future__ import annotations

from collections.abc import Sequence

from light_clients.clique.client import FROM_EPOCH, FROM_TRUSTED
from light_clients.clique.header import NOBODY, CliqueHeader
from light_clients.clique.reader import (
    FLAG_ADD,
    FLAG_BLOOM,
    FLAG_PARITY,
    FLAG_ROOTS,
    FLAG_TAIL,
    FLAG_VANITY,
    FLAG_VOTE,
    NO_BLOOM,
    NO_VANITY,
)
from light_clients.clique.signers import Tally
from light_clients.errors import UpdateRejected
from light_clients.hashing import EMPTY_TRIE_ROOT
from light_clients.trust import encode_claim


def encode_run(
    signers: Sequence[bytes],
    headers: Sequence[CliqueHeader],
    epoch: int,
    *,
    with_first_root: bool = True,
    tallied: bool = False,
) -> bytes:
    """Encode consecutive headers. Whoever reads the result checks them.

    Args:
        signers: who may seal the first of them, ascending.
        headers: by ascending number.
        epoch: after how many blocks votes are discarded.
        with_first_root: whether the state root of the first is written; a proof leaves it out.
        tallied: whether the reader counts votes, as an update's does; without, the set stays what it is.

    Raises:
        HeaderRejected: a header's signer is not in the set.
        ValidatorSetRejected: the headers' votes lead to what cannot be a set.
    """
    tally = Tally(signers)
    parts = []
    vanity = NO_VANITY
    for place, header in enumerate(headers):
        index = tally.index_of(header.signer, header.number)
        parts.append(
            _encode_header(
                header,
                index,
                vanity,
                is_first=place == 0,
                with_root=with_first_root or place > 0,
            )
        )
        vanity = header.vanity
        if header.number % epoch == 0:
            tally.clear()
        elif tallied and header.has_vote:
            tally.vote(tally.signers[index], header.candidate, add=header.add)
    return b"".join(parts)


def _encode_header(
    header: CliqueHeader, index: int, vanity: bytes, *, is_first: bool, with_root: bool
) -> bytes:
    roots = header.transactions_root + header.receipts_root
    optional = (
        (FLAG_ROOTS, roots != EMPTY_TRIE_ROOT * 2, roots),
        (FLAG_BLOOM, header.bloom != NO_BLOOM, header.bloom),
        (FLAG_VANITY, header.vanity != vanity, header.vanity),
        (FLAG_VOTE, header.candidate != NOBODY, header.candidate),
        (FLAG_TAIL, bool(header.tail), bytes((len(header.tail),)) + header.tail),
    )
    flags = header.seal[64] * FLAG_PARITY | header.add * FLAG_ADD
    flags |= sum(flag for flag, is_sent, _ in optional if is_sent)
    numbers = (header.number, header.gas_limit, header.gas_used, header.timestamp)
    return b"".join(
        (
            bytes((flags, index)),
            header.parent_hash if is_first else b"",
            header.state_root if with_root else b"",
            *(number.to_bytes(8, "big") for number in numbers),
            *(data for _, is_sent, data in optional if is_sent),
            header.seal[:64],
        )
    )


def encode_set(signers: Sequence[bytes]) -> bytes:
    """Encode a signer set."""
    return bytes((len(signers),)) + b"".join(signers)


def encode_proof(
    storage_nodes: Sequence[bytes],
    account_nodes: Sequence[bytes],
    believed: tuple[Sequence[bytes], Sequence[CliqueHeader], int] | None,
    account: bytes,
    slot: bytes,
) -> bytes:
    """Encode the argument of `storageAt` from what `eth_getProof` gave at the first header's block.

    Args:
        storage_nodes: from the storage root downwards, verified before.
        account_nodes: from the state root downwards, verified before.
        believed: the trusted signers, the header with those that stand on it, and the epoch; None for a proof
            against the anchored state root.
        account: 20 bytes.
        slot: 32 bytes.

    Raises:
        ProofRejected: the nodes cannot be those of this account and slot.
        HeaderRejected: a header's signer is not in the set.
    """
    claim = encode_claim(storage_nodes, account_nodes, account, slot, anchored=believed is None)
    if believed is None:
        return claim
    signers, headers, epoch = believed
    return claim + encode_set(signers) + encode_run(signers, headers, epoch, with_first_root=False)


def encode_anchor(signers: Sequence[bytes], headers: Sequence[CliqueHeader], epoch: int) -> bytes:
    """Encode the argument of `anchor`. Raises HeaderRejected: a header's signer is not in the set."""
    return encode_set(signers) + encode_run(signers, headers, epoch)


def encode_misbehaviour(
    signers: Sequence[bytes], first: Sequence[CliqueHeader], second: Sequence[CliqueHeader], epoch: int
) -> bytes:
    """Encode the argument of `freeze`: two blocks of one height, with the headers that stand on either.

    Raises HeaderRejected as `encode_anchor`.
    """
    return encode_anchor(signers, first, epoch) + encode_run(signers, second, epoch)


def encode_update(
    trusted: Sequence[bytes],
    headers: Sequence[CliqueHeader],
    epoch: int,
    *,
    listed: Sequence[bytes] | None = None,
) -> bytes:
    """Encode the argument of `update`. Whoever reads the result checks it.

    Args:
        trusted: the signers that the client trusts, ascending.
        headers: the run, at most 255 by ascending number.
        epoch: after how many blocks votes are discarded.
        listed: the signers that the first header lists, where the run begins with an epoch block; None where
            it begins with the trusted set.

    Raises:
        UpdateRejected: there are too many headers.
        HeaderRejected: a header's signer is not in the set.
    """
    if len(headers) > 0xFF:
        raise UpdateRejected("an update has too many headers", found=len(headers), expected="at most 255")
    start = bytes((FROM_TRUSTED,)) if listed is None else bytes((FROM_EPOCH,)) + encode_set(listed)
    run = encode_run(trusted if listed is None else listed, headers, epoch, tallied=True)
    return encode_set(trusted) + start + bytes((len(headers),)) + run
