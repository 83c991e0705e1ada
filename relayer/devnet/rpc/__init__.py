# SPDX-License-Identifier: MIT
"""The second floor of a local chain: what clients are answered over HTTP and WebSockets."""
