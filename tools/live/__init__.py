# SPDX-License-Identifier: MIT
"""Installing the real clients that `make live-ethereum` and `make oracle` run."""
