"""Chains that run the EVM and speak Ethereum's JSON-RPC."""
