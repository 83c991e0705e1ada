# SPDX-License-Identifier: MIT
"""The first floor of a local chain: its blocks, its accounts and its faults."""
