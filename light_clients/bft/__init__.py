# SPDX-License-Identifier: MIT
"""QBFT and IBFT 2.0: chains whose headers carry the seals of more than two thirds of a validator list."""
