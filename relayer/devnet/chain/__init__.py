# SPDX-License-Identifier: MIT
"""The third floor of a local chain: anvil, its blocks and its servers put together, whatever the consensus."""
