# SPDX-License-Identifier: MIT
"""What tests of several parts build their data with; written apart from the code under test."""
