# SPDX-License-Identifier: MIT
"""Installing the real clients that `make live-pos` and `make oracle` run."""
