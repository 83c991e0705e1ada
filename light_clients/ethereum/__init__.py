# SPDX-License-Identifier: MIT
"""Ethereum's proof of stake, followed through its sync committees (consensus-specs, specs/*/light-client)."""
