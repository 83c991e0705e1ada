# SPDX-License-Identifier: MIT
"""The top floor of local chains: several of them, in the background, and joined with each other."""
