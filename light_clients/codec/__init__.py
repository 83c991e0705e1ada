# SPDX-License-Identifier: MIT
"""Encodings of other people's making."""
