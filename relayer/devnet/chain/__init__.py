# SPDX-License-Identifier: MIT
"""The fourth floor of local chains: what chains of every kind are, and the seam to the kinds."""
