# SPDX-License-Identifier: MIT
"""The HTTP API of a running relayer, with its metrics and probes (docs/reference/api.md).

A request's way: aiohttp reads it and bounds its headers; `server.py` checks the name that it asks for, its
token where it writes, and how much is at work; `params.py` decodes what it asks for to the types of its
route; the route's handler gives views (relayer.views), whose one JSON form is the answer. Whatever is refused
on the way is told as a problem (`problem.py`).

    table.py        all routes: what registers them documents them (openapi.py), so nothing is forgotten
    route.py        what a route is, and what its handler is given
    messages.py, chains.py, transactions.py, events.py, operations.py     the routes, by what they serve
    params.py, cursor.py                      what requests ask with
    access.py, problem.py, server.py          who may ask, what is refused, the server's life

What the pipeline knows is shown from memory, between two steps of the event loop. The journal is read in
threads of the server's own, a bounded number of rows a request, so that a reader holds up no relaying.
Nothing here asks a chain.
"""

from __future__ import annotations

from relayer.api.server import ApiServer, require_free
from relayer.daemon import Daemon

__all__ = ["ApiServer", "require_free", "serve"]


def serve(daemon: Daemon) -> ApiServer:
    """Return the server of a daemon, for `relayer.daemon.build`."""
    return ApiServer(daemon, daemon.config.api, daemon.config.directory)
