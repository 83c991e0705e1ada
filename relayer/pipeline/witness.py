# SPDX-License-Identifier: MIT
"""The witness: it compares the headers of a chain's providers.

Two signed headers that contradict one another are a proof of misbehaviour, which freezes the clients that
believe their signers (INV-7).
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from light_clients.errors import Rejection
from relayer.errors import Retryable, StopLane
from relayer.pipeline.chain_task import STEP_TIMEOUT_S, ChainTask

#: How often the headers that several providers show are compared.
COMPARE_S: Final = 60


async def compare_providers(task: ChainTask) -> None:
    """Compare the headers of a chain's providers, again and again until cancelled.

    What is found is reported to the chain's task.
    """
    log = structlog.get_logger().bind(chain=task.chain.name)
    while True:
        await asyncio.sleep(COMPARE_S)
        # One proof is enough: a frozen client stays frozen until its admin acts (INV-7).
        if task.header is None or task.misbehaviour is not None:
            continue
        try:
            async with asyncio.timeout(STEP_TIMEOUT_S):
                found = await task.prover.look_for_misbehaviour()
        except (Retryable, Rejection, StopLane, TimeoutError) as error:
            log.info("providers could not be compared", error=str(error) or type(error).__name__)
            continue
        if found is not None:
            log.error("misbehaviour: providers show two headers that contradict one another")
            task.report_misbehaviour(found)
