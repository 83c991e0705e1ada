# SPDX-License-Identifier: MIT
"""Talking to chains. Whatever a provider answers is hearsay: nothing here verifies it, a prover does.

A chain has several providers, which are equal and none of which is trusted. How a question travels:

1. `EvmChain` (evm/chain.py) turns it into a JSON-RPC method and parameters.
2. `RpcPool` asks the healthiest provider; `ProviderPool` keeps the health and asks the next provider where
   one fails. A wrong answer costs a provider far more health than a slow one. Health comes back with time.
3. `RpcProvider` sends the request over `HttpClient`, which bounds time, size and how many run at once.
4. The answer is decoded into the shape of the method (evm/rpc_types.py, evm/events.py, evm/abi.py). An answer
   that no honest node gives raises RpcAnswerInvalid and counts against its provider.

The idiom `checked_x(..., check)`: whoever can verify an answer (a prover) hands in the verification as
`check`. It runs inside step 2, while it is still known whose answer it is. Where it raises Rejection, that
provider loses health and the next one is asked, so one honest provider among many is enough. Methods without
`check` return hearsay, and the docstring says so.

Every failure is one of the typed errors of relayer.errors; its type tells the caller what to do.

Read base.py (what the pipeline asks of a chain of any kind), then provider_pool.py, then evm/chain.py.
"""
