# SPDX-License-Identifier: MIT
"""GoQuorum: QBFT or legacy `ibft`, gas that is free, and few blocks where nothing is sent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from light_clients.codec import rlp
from tests.live.consortium.validators import MIX_HASH, Place, change_to_qbft
from tests.live.processes import Program, ProgramError

BLOCK_PERIOD_S = 1
EMPTY_BLOCK_PERIOD_S = 3
#: Above the empty-block period: below it, every round without transactions would time out.
REQUEST_TIMEOUT_S = 5
_INIT_S = 60.0
#: No private transactions: without a transaction manager beside it, a node has to be told so.
_ENVIRONMENT = {"PRIVATE_CONFIG": "ignore"}
_BERLIN = "homestead eip150 eip155 eip158 byzantium constantinople petersburg istanbul muirGlacier berlin"


class GoQuorum:
    """Nodes of a `geth` binary of GoQuorum's (tests.live.consortium.validators.Platform).

    Args:
        binary: the program.
        dialect: `qbft` or `ibft`, with which the network begins.
        migrates_at: the block from which a network of `ibft` runs QBFT.
    """

    name = "goquorum"
    owner = None
    has_fees = by_contract = restarts_after_change = False

    def __init__(self, binary: Path, *, dialect: str = "qbft", migrates_at: int | None = None) -> None:
        self._binary = binary
        self.dialect = dialect
        self.changes_at = migrates_at

    @property
    def settings(self) -> Sequence[str]:
        """See Platform."""
        return [] if self.changes_at is None else [change_to_qbft(self.changes_at)]

    def propose(self, height: int) -> str:
        """See Platform."""
        del height
        return "istanbul_propose"

    def list_validators(self, height: int) -> str:
        """See Platform."""
        del height
        return "istanbul_getValidators"

    def genesis(self, chain_id: int, validators: Sequence[bytes]) -> dict[str, Any]:
        """See Platform."""
        if self.dialect == "qbft":
            extra = rlp.encode([bytes(32), list(validators), [], b"", []])
        else:
            extra = bytes(32) + rlp.encode([list(validators), b"", []])
        later = [] if self.changes_at is None else [{"block": self.changes_at, "algorithm": "qbft"}]
        return {
            "nonce": "0x0",
            "timestamp": hex(int(time.time()) - 60),
            "extraData": "0x" + extra.hex(),
            "gasLimit": "0x1fffffffffffff",
            "difficulty": "0x1",
            "mixHash": MIX_HASH,
            "coinbase": "0x" + "00" * 20,
            "alloc": {},
            "config": {
                "chainId": chain_id,
                **{f"{name}Block": 0 for name in _BERLIN.split()},
                "isQuorum": True,
                "maxCodeSizeConfig": [{"block": 0, "size": 24}],
                "txnSizeLimit": 64,
                "transitions": later,
                self.dialect: {
                    "epochlength": 30_000,
                    "blockperiodseconds": BLOCK_PERIOD_S,
                    "emptyblockperiodseconds": EMPTY_BLOCK_PERIOD_S,
                    "requesttimeoutseconds": REQUEST_TIMEOUT_S,
                    "maxRequestTimeoutSeconds": 10,
                    "ceil2Nby3Block": 0,
                },
            },
        }

    async def prepare(self, place: Place, genesis: Path, nodes: Sequence[Place]) -> None:
        """See Platform."""
        (place.folder / "geth").mkdir()
        (place.folder / "geth/nodekey").write_text(place.secret.hex(), encoding="ascii")
        peers = json.dumps([node.enode for node in nodes if node is not place])
        for path in ("static-nodes.json", "geth/static-nodes.json"):
            (place.folder / path).write_text(peers, encoding="ascii")
        # No flag binds the peer-to-peer listener to loopback; the configuration file does.
        (place.folder / "geth.toml").write_text(
            f'[Node.P2P]\nListenAddr = "127.0.0.1:{place.peers}"\nNoDiscovery = true\n', encoding="ascii"
        )
        words: list[str | Path] = [self._binary, "--datadir", place.folder, "init", genesis]
        begin = Program(f"{place.folder.name}-init", words, place.folder, _ENVIRONMENT)
        async with begin, asyncio.timeout(_INIT_S):
            code = await begin.wait()
        if code != 0:
            raise ProgramError(f"{self._binary} init ended with {code}:\n{begin.log_end()}")

    def program(self, place: Place, genesis: Path, nodes: Sequence[Place]) -> Program:
        """See Platform."""
        del genesis, nodes
        words: list[str | Path] = [self._binary, "--config", place.folder / "geth.toml"]
        options = f"""--nodiscover --nat none --syncmode full --gcmode full --mine --miner.threads 1
            --miner.gasprice 0 --emitcheckpoints --nousb --ipcdisable --cache 64 --verbosity 3
            --http --http.addr 127.0.0.1 --http.port {place.http} --http.api eth,net,web3,istanbul
            --ws --ws.addr 127.0.0.1 --ws.port {place.ws} --ws.api eth,net,web3"""
        words += ["--datadir", place.folder, *options.split()]
        return Program(place.folder.name, words, place.folder, _ENVIRONMENT)
