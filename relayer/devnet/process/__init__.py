# SPDX-License-Identifier: MIT
"""The ground floor of a local chain: anvil as a child process, and how it is talked to."""
