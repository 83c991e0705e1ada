# SPDX-License-Identifier: MIT
"""The second floor of local chains: blocks, accounts and faults, without any server."""
