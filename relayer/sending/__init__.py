# SPDX-License-Identifier: MIT
"""The one sender: nonce, price, signature, record, offer, following, replacement.

The daemon, the library, `endpoint deploy` and every command send their transactions this way.

    send ──▶ price ──▶ nonce ──▶ signature ──▶ kept on disk ──▶ offered to the nodes
                                                                  │
      ┌───────────────────────────────────────────────────────────┘
      ▼
    look, at every head and now and then: receipts first, then the account's nonce, then what to do
      │
      ├─ in a block          followed until a verified header shows its nonce used; then settled
      ├─ its block is gone   open again
      ├─ lost                offered again
      ├─ too cheap           signed again at a higher price, under the same nonce
      ├─ a nonce is missing  filled by an empty transfer
      ├─ nobody takes it     given up: its nonce is free, or an empty transfer takes it
      └─ its nonce is used,  displaced: another transaction of the account took it
         without a receipt

Everything that a provider says besides proofs is a hint: a count, a receipt, a price, a refusal. A hint may
cost a request, a pause or a wasted transaction, and it never stops an account for good. Two nonces never
carry the same work while both could land, except where a nonce was given up, or where accounts can't be
proven and all providers say that it is used.

    pure      price, account (what to do), transaction (what is known of one)
    readers   market (what gas costs), knowledge (nonces and balances), limits and funds (what was learnt)
    shell     sender (signs, offers, follows), store (where signed bytes are kept)
"""
