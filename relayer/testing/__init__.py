# SPDX-License-Identifier: MIT
"""In-memory twins of a chain, its gateway and its prover, for tests of this project and of others."""
