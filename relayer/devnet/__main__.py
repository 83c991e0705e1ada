# SPDX-License-Identifier: MIT
"""`python -m relayer.devnet`: the process that `relayer.devnet.network.background.up` starts."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main() -> int:
    """Run a network; with --detach, in a child whose process id is printed at once."""
    parser = argparse.ArgumentParser(prog="python -m relayer.devnet", description=__doc__)
    parser.add_argument("--spec", required=True, help="the chains, as relayer.devnet.network.spec reads them")
    parser.add_argument("--dir", required=True, type=Path, help="the directory for state and log")
    parser.add_argument("--seed", type=bytes.fromhex, help="hex from which all keys follow")
    parser.add_argument("--hook", help="module:function to await with the network once it runs")
    parser.add_argument("--admin", action="store_true", help="serve the admin RPC")
    parser.add_argument("--detach", action="store_true", help="run in the background")
    options = parser.parse_args()
    options.dir.mkdir(parents=True, exist_ok=True)
    if options.detach and not _detach(options.dir):
        return 0
    # Late, so that detaching forks a small process without threads.
    import asyncio

    from relayer.devnet.network.supervisor import supervise
    from relayer.errors import PostroadError

    try:
        asyncio.run(
            supervise(options.spec, options.dir, seed=options.seed, admin=options.admin, hook=options.hook)
        )
    except PostroadError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)  # noqa: T201  the log, or a terminal
        return 1
    return 0


def _detach(directory: Path) -> bool:
    """Fork.

    The parent prints the child's id; the child (for which this returns True) has a session and a log of its
    own.
    """
    pid = os.fork()
    if pid:
        print(pid, flush=True)  # noqa: T201  for whoever started us
        return False
    os.setsid()
    log = os.open(directory / "network.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    return True


if __name__ == "__main__":
    sys.exit(main())
