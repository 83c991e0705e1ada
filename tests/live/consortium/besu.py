# SPDX-License-Identifier: MIT
"""Besu: QBFT or IBFT 2.0, or QBFT from a block on, or QBFT with validators that a contract chooses; and gas
that is free, as its guide sets it up, or has a base fee, as it is by default.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from light_clients.codec import rlp
from relayer.consensus.bft.local.validator_contract import PLACE, contract_code, words_of
from relayer.devnet.state.identities import Account, account_of
from tests.live.consortium.validators import MIX_HASH, Place, change_to_qbft
from tests.live.processes import Program

BLOCK_PERIOD_S: Final = 1
REQUEST_TIMEOUT_S: Final = 4
#: A Java node's own limit of memory: five of them share a developer's machine.
_JAVA_OPTIONS: Final = {"JAVA_OPTS": "-Xmx384m"}
#: As the guide to free gas has it, and one under which the base fee moves.
_FREE_GAS_LIMIT: Final = "0x1fffffffffffff"
_GAS_LIMIT: Final = hex(30_000_000)
#: When blocks become less frequent: behind the other transition, and before the last events.
_SLOWER_IN_S: Final = 150
_OWNER_WEI: Final = 10**24
_SETTINGS: Final = {
    "blockperiodseconds": BLOCK_PERIOD_S,
    "epochlength": 30_000,
    "requesttimeoutseconds": REQUEST_TIMEOUT_S,
}


class Besu:
    """Nodes of a `besu` program (tests.live.consortium.validators.Platform).

    Args:
        program: the launcher.
        dialect: `qbft` or `ibft2`, with which the network begins.
        storage: of the world state, `BONSAI` or `FOREST`.
        migrates_at: the block from which a network of IBFT 2.0 runs QBFT.
        transition_at: the block from which, by a transition, the last of the validators is one; another
            makes blocks half as frequent some time later.
        by_contract: a contract in the genesis block chooses the validators.
        has_fees: blocks have a base fee, and nodes their default least price.
    """

    name = "besu"

    def __init__(
        self,
        program: Path,
        *,
        dialect: str = "qbft",
        storage: str = "BONSAI",
        migrates_at: int | None = None,
        transition_at: int | None = None,
        by_contract: bool = False,
        has_fees: bool = False,
    ) -> None:
        self._program = program
        self._storage = storage
        self.dialect = dialect
        self._migrates_at = migrates_at
        self._transition_at = transition_at
        self.changes_at = migrates_at or transition_at
        # A node's methods for votes are bound, when it starts, to the protocol of the block after its head.
        self.restarts_after_change = migrates_at is not None
        self.by_contract = by_contract
        self.has_fees = has_fees
        self.owner: Account = account_of(secrets.token_bytes(32))

    @property
    def settings(self) -> Sequence[str]:
        """See Platform."""
        settings = [] if self._migrates_at is None else [change_to_qbft(self._migrates_at)]
        if self.by_contract:
            settings.append(f'validators = {{ contract = "0x{PLACE.address.hex()}", slot = "0x0" }}')
        return settings

    def propose(self, height: int) -> str:
        """See Platform."""
        return f"{self._prefix(height)}_proposeValidatorVote"

    def list_validators(self, height: int) -> str:
        """See Platform."""
        return f"{self._prefix(height)}_getValidatorsByBlockNumber"

    def genesis(self, chain_id: int, validators: Sequence[bytes]) -> dict[str, Any]:
        """See Platform."""
        allocated: dict[str, Any] = {}
        if self.has_fees:
            allocated[self.owner.address.hex()] = {"balance": hex(_OWNER_WEI)}
        settings: dict[str, Any] = dict(_SETTINGS)
        first = validators if self._transition_at is None else validators[:-1]
        if self.by_contract:
            place = "0x" + PLACE.address.hex()
            settings["validatorcontractaddress"] = place
            words = words_of(tuple(validators)).items()
            allocated[place[2:]] = {
                "balance": "0x0",
                "code": "0x" + contract_code(self.owner).hex(),
                "storage": {"0x" + slot.hex(): "0x" + word.hex() for slot, word in words},
            }
        if self.dialect == "qbft":
            listed = [] if self.by_contract else list(first)
            extra = rlp.encode([bytes(32), listed, [], b"", []])
        else:
            extra = rlp.encode([bytes(32), list(first), b"", bytes(4), []])
        consensus: dict[str, Any] = {self.dialect: settings}
        if self._migrates_at is not None:
            consensus["qbft"] = _SETTINGS | {"startblock": self._migrates_at}
        if self._transition_at is not None:
            addresses = ["0x" + validator.hex() for validator in validators]
            # Where the rules of the chain come by time, so do transitions, but for those of validators.
            slower = {"block": int(time.time()) + _SLOWER_IN_S, "blockperiodseconds": 2 * BLOCK_PERIOD_S}
            consensus["transitions"] = {
                self.dialect: [{"block": self._transition_at, "validators": addresses}, slower]
            }
        return {
            "nonce": "0x0",
            "timestamp": hex(int(time.time()) - 60),
            "extraData": "0x" + extra.hex(),
            "gasLimit": _GAS_LIMIT if self.has_fees else _FREE_GAS_LIMIT,
            "difficulty": "0x1",
            "mixHash": MIX_HASH,
            "coinbase": "0x" + "00" * 20,
            "alloc": allocated,
            "config": {
                "chainId": chain_id,
                "berlinBlock": 0,
                "londonBlock": 0,
                "shanghaiTime": 0,
                "cancunTime": 0,
                **({} if self.has_fees else {"zeroBaseFee": True, "contractSizeLimit": 2147483647}),
                **consensus,
            },
        }

    async def prepare(self, place: Place, genesis: Path, nodes: Sequence[Place]) -> None:
        """See Platform."""
        del genesis
        (place.folder / "key").write_text(place.secret.hex(), encoding="ascii")
        peers = [node.enode for node in nodes if node is not place]
        (place.folder / "static-nodes.json").write_text(json.dumps(peers), encoding="ascii")

    def program(self, place: Place, genesis: Path, nodes: Sequence[Place]) -> Program:
        """See Platform."""
        del nodes
        options = f"""--data-path={place.folder} --genesis-file={genesis}
            --node-private-key-file={place.folder / "key"} --data-storage-format={self._storage}
            --static-nodes-file={place.folder / "static-nodes.json"} --discovery-enabled=false
            --nat-method=NONE --p2p-host=127.0.0.1 --p2p-interface=127.0.0.1 --p2p-port={place.peers}
            --sync-mode=FULL {"" if self.has_fees else "--min-gas-price=0"}
            --rpc-http-enabled --rpc-http-host=127.0.0.1 --rpc-http-port={place.http}
            --rpc-http-api=ETH,NET,WEB3,QBFT,IBFT --rpc-ws-enabled --rpc-ws-host=127.0.0.1
            --rpc-ws-port={place.ws} --rpc-ws-api=ETH,NET,WEB3 --logging=INFO"""
        return Program(
            place.folder.name, [self._program, *options.split()], place.folder, dict(_JAVA_OPTIONS)
        )

    def _prefix(self, height: int) -> str:
        is_qbft = self.dialect == "qbft" or (self._migrates_at is not None and height >= self._migrates_at)
        return "qbft" if is_qbft else "ibft"
