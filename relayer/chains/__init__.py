# SPDX-License-Identifier: MIT
"""Talking to chains: what they say is hearsay until a prover has verified it."""
