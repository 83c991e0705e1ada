# SPDX-License-Identifier: MIT
"""`python -m tests.live.specification ...`: the beacon node as a process.

One JSON line a slot on stdout, until it is stopped.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from pathlib import Path

from tests.live.specification.api import Api, serve
from tests.live.specification.chain import Chain
from tests.live.specification.engine import Engine


def main() -> int:
    """Run until stopped, or until the last slot;
    a refusal by the specification or the client ends it with a traceback.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine-port", type=int, required=True)
    parser.add_argument("--secret", type=Path, required=True, help="file with 32 bytes in hex")
    parser.add_argument("--api-port", type=int, required=True)
    parser.add_argument("--genesis-time", type=int, required=True)
    parser.add_argument("--slot-ms", type=int, required=True)
    parser.add_argument("--fulu-epoch", type=int, required=True)
    parser.add_argument(
        "--osaka-time", type=int, help="when the execution client follows Osaka; never where not given"
    )
    parser.add_argument("--validators", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--last-slot", type=int, required=True)
    words = parser.parse_args()

    engine = Engine(
        words.engine_port, bytes.fromhex(words.secret.read_text(encoding="ascii").strip()), words.osaka_time
    )
    chain = Chain(
        engine,
        genesis_time=words.genesis_time,
        slot_duration_ms=words.slot_ms,
        fulu_epoch=words.fulu_epoch,
        validators=words.validators,
        seed=words.seed,
    )
    api = Api(chain)
    server = serve(api, words.api_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(event="ready")
    slot = 0
    while slot < words.last_slot:
        # The newest slot that has begun: those that pass while a block is made are missed, as on any slow
        # machine.
        now = int((time.time() - words.genesis_time) * 1000 // words.slot_ms)
        if now <= slot:
            time.sleep(max(0.0, words.genesis_time + (slot + 1) * words.slot_ms / 1000 - time.time()))
            continue
        slot = now
        began = time.perf_counter()
        with api.lock:
            block = chain.propose(slot)
        say(
            event="block",
            slot=slot,
            fork=block.spec.fork,
            number=int(block.state.latest_execution_payload_header.block_number),
            transactions=len(block.signed.message.body.execution_payload.transactions),
            signers=sum(map(bool, block.signed.message.body.sync_aggregate.sync_committee_bits)),
            finalized_epoch=int(block.state.finalized_checkpoint.epoch),
            seconds=round(time.perf_counter() - began, 3),
        )
    server.shutdown()
    return 0


def say(**values: object) -> None:
    """One line, at once."""
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
