# SPDX-License-Identifier: MIT
"""The ground floor of local chains: anvil as a child process, and how it is talked to."""
