# SPDX-License-Identifier: MIT
"""A chain whose validators a contract chooses, block by block, as nodes serve it; and a destination."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from eth_abi.abi import encode

from light_clients.bft.contract_mode.client import ContractModeClient
from light_clients.bft.header import BftKind
from light_clients.client import Height, Timestamp
from relayer.chains.base import AccountProof, Address, Call, Chain, Head
from relayer.chains.evm import abi
from relayer.chains.evm.node import Node
from relayer.errors import NotFoundYet
from tests.support.bft import Draft, Validator
from tests.support.contract_mode import CONTRACT, TRUSTED_TIME, Held, words_of

T = TypeVar("T")


class ContractChain:
    """Blocks 0 to n. After block i the contract holds `sets[i]`; those of `sets[i - 1]` seal block i.

    `votes` changes the contract's storage beside the list, by height. States below `oldest` are gone. Headers
    of `twins` are told by a second provider.
    """

    def __init__(self, sets: Sequence[Sequence[Validator]], votes: Mapping[int, int] | None = None) -> None:
        self.sets = [list(members) for members in sets]
        self.held = [
            Held(words_of(members), votes=(votes or {}).get(number, 0))
            for number, members in enumerate(self.sets)
        ]
        self.oldest = 0
        self.asked: list[tuple[str, int]] = []
        self.drafts = [Draft(BftKind.QBFT, [], number=0, state_root=self.held[0].root, sealers=[])]
        for number in range(1, len(sets)):
            self.drafts.append(self.draft(number))
        self.twins: dict[int, Draft] = {}

    def draft(self, number: int, **changes: Any) -> Draft:
        """Block `number`, on the one before it, sealed by a quorum of those whose turn it is."""
        turn = self.sets[number - 1]
        made = Draft(
            BftKind.QBFT,
            [],
            number=number,
            timestamp=TRUSTED_TIME + number,
            state_root=self.held[number].root,
            parent_hash=self.drafts[number - 1].block_hash(),
            sealers=turn[: -(-2 * len(turn) // 3)],
        )
        return replace(made, **changes)

    @property
    def newest(self) -> int:
        return len(self.drafts) - 1

    def head(self, number: int | None = None) -> Head:
        draft = self.drafts[self.newest if number is None else number]
        return Head(Height(draft.number), draft.block_hash(), draft.parent_hash, Timestamp(draft.timestamp))

    def storage_root(self, number: int) -> bytes:
        return self.held[number].state.storages[CONTRACT.address].root

    # --- the prover's source --------------------------------------------------------------------------------

    @property
    def provider_count(self) -> int:
        return 2

    async def checked_block(self, number: Height, check: Callable[[Mapping[str, Any]], T]) -> T:
        self.asked.append(("block", number))
        if number > self.newest:
            raise NotFoundYet(f"no block {number}", "a block")
        return check(self.drafts[number].rpc())

    async def checked_proof(
        self, account: Address, slots: Sequence[bytes], number: Height, check: Callable[[AccountProof], T]
    ) -> T:
        self.asked.append(("proof", number))
        if number < self.oldest:
            raise NotFoundYet(f"no state of block {number}", "a provider that has it")
        state = self.held[number].state
        nodes = {slot: tuple(state.prove(account, slot).storage) for slot in slots}
        return check(AccountProof(tuple(state.prove(account, bytes(32)).account), nodes))

    async def blocks_of_everyone(self, number: Height) -> list[tuple[str, Mapping[str, Any]]]:
        told = [self.drafts[number], self.twins.get(number, self.drafts[number])]
        return [(f"provider {index}", draft.rpc()) for index, draft in enumerate(told)]

    # --- an owner's node ------------------------------------------------------------------------------------

    def node(self, answer: Sequence[bytes] | None = None, info: object = None) -> Node:
        """A node whose contract answers `getValidators()` with these, by default with the newest list."""
        told = [member.address for member in self.sets[-1]] if answer is None else answer

        async def request(method: str, params: Sequence[Any]) -> Any:
            if method == "eth_getBlockByNumber":
                return self.drafts[self.newest if params[0] == "latest" else int(params[0], 16)].rpc()
            if method == "eth_call":
                to = bytes.fromhex(params[0]["to"][2:])
                words = encode(["address[]"], [["0x" + address.hex() for address in told]])
                return "0x" + (words.hex() if to == CONTRACT.address else "")
            if method == "admin_nodeInfo":
                return info
            assert method == "eth_getProof"
            account, number = bytes.fromhex(params[0][2:]), int(params[2], 16)
            if number < self.oldest:
                raise NotFoundYet(f"no state of block {number}", "a provider that has it")
            state = self.held[number].state
            slots = [bytes.fromhex(text[2:]) for text in params[1]]
            return {
                "accountProof": ["0x" + node.hex() for node in state.prove(account, bytes(32)).account],
                "storageProof": [
                    {
                        "key": "0x" + slot.hex(),
                        "value": "0x0",
                        "proof": ["0x" + node.hex() for node in state.prove(account, slot).storage],
                    }
                    for slot in slots
                ],
            }

        return Node("court", request)


@dataclass
class Destination:
    """A chain with one light client, which the Python twin plays. Only what a prover asks is there."""

    client: ContractModeClient
    name: str = "port"
    now: int = TRUSTED_TIME + 100

    async def head(self) -> Head:
        return Head(Height(1), bytes(32), bytes(32), Timestamp(self.now))

    async def call(self, call: Call) -> bytes:
        state, params = self.client.state, self.client.params
        status = encode(["uint8"], [self.client.status(Timestamp(self.now)).value])
        answers = {
            abi.CLIENT_STATUS: status,
            abi.CLIENT_TRUSTED_STATE: encode(
                ["bytes32", "uint64", "uint64", "bool"],
                [state.set_hash, state.height, state.timestamp, state.frozen],
            ),
            abi.CLIENT_TRUSTING_PERIOD: encode(["uint64"], [params.trusting_period_s]),
            abi.CLIENT_MAX_CLOCK_DRIFT: encode(["uint64"], [params.max_clock_drift_s]),
            abi.selector("validatorContract()"): encode(["address"], ["0x" + params.contract.address.hex()]),
            abi.selector("validatorSlot()"): params.contract.slot,
            abi.selector("storageRoot()"): state.storage_root or bytes(32),
        }
        return answers[call.data]

    def take(self, updates: Sequence[bytes]) -> None:
        for update in updates:
            self.client = self.client.update(update, Timestamp(self.now))

    @property
    def chain(self) -> Chain:
        return cast("Chain", self)
