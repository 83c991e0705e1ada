# SPDX-License-Identifier: MIT
"""An account's nonce and balance under a verified state root, for provers of chains with an EVM's state.

`eth_getProof` (EIP-1186) without slots proves the account alone. No light client in Solidity reads it: the
proof is for ourselves, so that no provider's word decides which nonce is signed next (INV-5).
"""

from __future__ import annotations

from light_clients.proofs import mpt
from relayer.chains.base import AccountProof, Address
from relayer.consensus.base import ProvenAccount, VerifiedHeader
from relayer.consensus.sources import ProofSource


async def prove_account(source: ProofSource, header: VerifiedHeader, account: Address) -> ProvenAccount:
    """Return an account's nonce and balance at a verified header, both 0 where it is proven to be absent.

    Raises:
        ChainUnavailable: no provider gave a proof that leads to the header's state root.
        NotFoundYet: none has that state any more.
    """

    def check(proof: AccountProof) -> ProvenAccount:
        found = mpt.verify_account(header.state_root, account, proof.account_nodes)
        if found is None:
            return ProvenAccount(0, 0, header.number)
        return ProvenAccount(found.nonce, found.balance, header.number)

    return await source.checked_proof(account, (), header.number, check)
