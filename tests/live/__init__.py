# SPDX-License-Identifier: MIT
"""Real clients: `make live-ethereum` and `make oracle`. Never part of the default tests."""
