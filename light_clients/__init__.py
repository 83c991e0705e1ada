# SPDX-License-Identifier: MIT
"""Light clients: pure verification of headers and proofs; no clock, socket, log or environment."""
