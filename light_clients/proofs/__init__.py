# SPDX-License-Identifier: MIT
"""Proofs against a root: Merkle-Patricia tries, in the clients' form and in our compact one."""
