# SPDX-License-Identifier: MIT
"""OpenProver chains: what the road asks of a kind of consensus, and one folder for each kind."""
