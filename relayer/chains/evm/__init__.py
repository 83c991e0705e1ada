# SPDX-License-Identifier: MIT
"""Chains that run the EVM, over the JSON-RPC that their nodes speak."""
