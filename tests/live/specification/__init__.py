# SPDX-License-Identifier: MIT
"""A beacon node whose rules are the executable consensus specification, over a real execution client.

It runs in an environment of its own (`eth-consensus-specs` needs Python 3.11), so nothing here imports
Postroad.
"""
