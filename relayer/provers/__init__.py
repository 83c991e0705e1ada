"""Believing: which light client verifies a chain, in Python here and in Solidity on the destination."""
