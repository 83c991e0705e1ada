# SPDX-License-Identifier: MIT
"""Loopback ports for local chains, none of which an outgoing connection can be in the way of."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
from typing import Final

from relayer.devnet.errors import ChainStartError

#: Below 32768, where Linux begins to hand out ports to outgoing connections, so that none of those is in the
#: way.
PORTS: Final = range(20000, 32768)

_LISTEN_ATTEMPTS: Final = 5


def free_port(avoid: set[int] | None = None) -> int:
    """Return a loopback TCP port that nobody listens on at this moment.

    Raises:
        ChainStartError: none of many tries was free.
    """
    for _ in range(200):
        # Chance keeps networks that start at the same time apart; it guards nothing.
        port = random.choice(PORTS)  # noqa: S311
        if avoid and port in avoid:
            continue
        try:
            listen_on(port).close()
        except ChainStartError:
            continue
        return port
    raise ChainStartError("no free port", f"one of {PORTS.start} to {PORTS.stop - 1} on 127.0.0.1")


def listen_on(port: int) -> socket.socket:
    """Return a socket that listens on a loopback port (0 = a free one of `PORTS`), and so keeps it.

    Raises:
        ChainStartError: somebody else has the port.
    """
    if port == 0:
        for _ in range(_LISTEN_ATTEMPTS):
            with contextlib.suppress(ChainStartError):
                return listen_on(free_port())
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Connections of a network that just went down must not block its port; a listener still does.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        # On Linux SO_REUSEADDR lets two bind as long as neither listens: only listening claims the port.
        sock.listen(128)
    except OSError as error:
        sock.close()
        taken = error.errno == errno.EADDRINUSE
        raise ChainStartError(
            f"port {port} of 127.0.0.1 {'is taken' if taken else f'cannot be used: {error}'}",
            "a port that nobody listens on",
            "Choose another one, or let it be chosen.",
        ) from error
    return sock
