# SPDX-License-Identifier: MIT
"""A local chain of real QBFT or IBFT 2.0 blocks."""
