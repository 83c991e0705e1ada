# SPDX-License-Identifier: MIT
"""Chains that run the EVM, over the JSON-RPC that their nodes speak.

`EvmChain` (chain.py) is the way in and implements relayer.chains.base.Chain; open_evm.py builds one from the
configuration. The rest are its parts:

- reading: rpc_types.py (shapes of answers), events.py and abi.py (our contracts' logs, calls and answers),
  sent.py (messages from logs, each leaf reproduced), heads.py (new blocks), probe.py (the right chain);
- sending: signers.py and tx.py (signing), signed.py (reading signed bytes back), market.py (what gas costs),
  refusals.py (what a node's refusal means), reverts.py (what a contract's refusal means, and the decision
  that follows). Nonces and prices are chosen by relayer.sending.

node.py and contract_reader.py serve the owner of an endpoint, who deploys over a provider of his own: fewer
methods, no health, and any contract that ships.
"""
