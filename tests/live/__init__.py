# SPDX-License-Identifier: MIT
"""Real clients: `make live-pos` and `make oracle`. Never part of the default tests."""
