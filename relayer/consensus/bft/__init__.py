# SPDX-License-Identifier: MIT
"""QBFT and IBFT 2.0: validators seal every block, and a sealed block is final."""
