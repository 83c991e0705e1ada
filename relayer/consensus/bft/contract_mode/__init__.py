# SPDX-License-Identifier: MIT
"""QBFT chains whose validators a contract chooses: headers list nobody, the contract's storage does.

The rules are in light_clients/bft/contract_mode. `held_set` reads what the contract holds after a block, with
its proof. `update_path` finds the blocks that changed it. `prover` follows a chain by both. `survey` is what
deploying, joining and checking ask of such a chain, and `finding` looks for the contract and its slot.
"""
