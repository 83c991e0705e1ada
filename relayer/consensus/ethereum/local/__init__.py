# SPDX-License-Identifier: MIT
"""A beacon chain for local use: real light-client objects from keys that a seed gives."""
