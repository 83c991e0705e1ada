# SPDX-License-Identifier: MIT
"""Ethereum's proof of stake: sync committees sign what finalizes a block."""
