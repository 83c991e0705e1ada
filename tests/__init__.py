# SPDX-License-Identifier: MIT
"""Postroad's tests: unit, property, differential, conformance, end to end, chaos and benches."""
