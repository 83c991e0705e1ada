# SPDX-License-Identifier: MIT
"""From a node's Merkle-Patricia proof to bytes that prove a slot to the light client, tried on it first."""

from __future__ import annotations

from light_clients.client import Timestamp
from light_clients.errors import ProofRejected
from light_clients.ethereum.client import EthereumClient
from light_clients.proofs import mpt
from light_clients.trust import BY_ANCHOR, BY_HEADER, encode_claim
from relayer.chains.base import AccountProof, Address
from relayer.consensus.base import ProvenSlot
from relayer.consensus.ethereum.headers import SignedHeader


def read_proof(
    proof: AccountProof, state_root: bytes, account: Address, slots: tuple[bytes, ...]
) -> dict[bytes, bytes]:
    """The words that an untrusted proof proves, by slot; 32 bytes each, zero where absence is proven.

    Raises:
        ProofRejected: it does not lead from the state root to all of them, or the account is absent.
    """
    found = mpt.verify_account(state_root, account, proof.account_nodes)
    if found is None:
        raise ProofRejected("an account is absent", found=account, expected="a contract")
    return {slot: mpt.verify_storage(found.storage_root, slot, proof.storage_nodes[slot]) for slot in slots}


def prove_slots(
    signed: SignedHeader,
    client: EthereumClient,
    account: Address,
    proof: AccountProof,
    values: dict[bytes, bytes],
    now: Timestamp,
) -> tuple[ProvenSlot, ...]:
    """Encode proofs of slots at a verified header, and let our own client read them (INV-5).

    It takes some milliseconds.

    Args:
        signed: the header, with its bytes at hand.
        client: our own trusted state.
        account: whose storage it is.
        proof: what `read_proof` accepted.
        values: what it made of it, by slot.
        now: in seconds since 1970.

    Raises:
        Rejection: the client does not accept the bytes, or reads another value or height.
    """
    proven = []
    for slot, value in values.items():
        claim = encode_claim(proof.storage_nodes[slot], proof.account_nodes, account, slot, anchored=False)
        encoded = claim + signed.wire
        found = client.storage_at(encoded, account, slot, now)
        if found.value != value or found.height != signed.number:
            raise ProofRejected(
                "two verifiers read a proof differently",
                found=found.value + found.height.to_bytes(8),
                expected=value + signed.number.to_bytes(8),
            )
        proven.append(ProvenSlot(slot, value, found.height, found.timestamp, encoded))
    return tuple(proven)


def shorten_proof(signed: SignedHeader, proof: bytes) -> bytes | None:
    """The proof without the header and its signature, for a client that has the header anchored.

    None where the proof was not made at this header, with this signature.
    """
    if proof[:1] != bytes((BY_HEADER,)) or not proof.endswith(signed.wire):
        return None
    return bytes((BY_ANCHOR,)) + proof[1 : -len(signed.wire)]
