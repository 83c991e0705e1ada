# SPDX-License-Identifier: MIT
"""What happens to two chains that an operator has joined, while messages are under way between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from tests.live.journey import Journal, send_for
from tests.support.operator import Joined, Operator

_WITHIN_S = 240.0


async def relay_while(
    operator: Operator,
    joined: Joined,
    happen: Callable[[Journal], Coroutine[Any, Any, None]],
    *,
    then: Sequence[str] = (),
    sent_then: Sequence[str] = (),
) -> None:
    """Run the daemon and send messages both ways until `happen` returns; all arrive, none twice.

    Args:
        operator: whose folder has the configuration.
        joined: the two chains.
        happen: is given what was sent and proven so far.
        then: commands, run when all messages are proven; RECIPIENT is the second chain's.
        sent_then: the destination of every message that these commands send.

    Raises:
        AssertionError: a message is lost, or arrived twice, or the daemon ended.
    """
    journal, (first, second) = Journal(), joined.endpoints
    async with operator.relaying() as daemon, asyncio.timeout(_WITHIN_S), asyncio.TaskGroup() as group:
        happening = group.create_task(happen(journal))

        def watch() -> None:
            assert daemon.is_running(), "the daemon ended"

        await send_for(
            joined,
            [(first, second), (second, first)],
            every_s=0.3,
            enough=happening.done,
            watch=watch,
            say=lambda _: None,
            journal=journal,
        )
        for command in then:
            await operator.shell(command, RECIPIENT="0x" + joined.endpoints[second].postbox.hex())
        # The relayer proves it for itself, some blocks after the one that shows it to us.
        while await operator.json("pending"):  # noqa: ASYNC110  another process decides
            await asyncio.sleep(0.5)
    assert len(journal.proven) == len(journal.sent)
    for name in joined.endpoints:
        arrived = await joined.arrivals(name)
        assert set(arrived.values()) == {1}
        sent = {message.id for message, _ in journal.sent if message.destination == name}
        assert sent <= set(arrived)
        assert len(arrived) == len(sent) + sent_then.count(name)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; the test's own timeout ends it."""
    while not holds():  # noqa: ASYNC110  the chain decides
        await asyncio.sleep(0.05)
