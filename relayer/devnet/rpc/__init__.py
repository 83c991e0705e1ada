# SPDX-License-Identifier: MIT
"""The third floor of local chains: JSON-RPC as clients see it, over HTTP and WebSocket."""
