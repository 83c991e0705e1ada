# SPDX-License-Identifier: MIT
"""A chain whose validators a contract chooses: its states, its blocks, and what a client of it is sent.

    world = ContractWorld(validators(4))
    data = world.proof(world.block(12))                  # storageAt, all in order
    data = world.update(world.block(12), after=world.state(validators(5)))

Whatever a test changes is changed before the seals are made, so that nothing but the rule under test is
broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from light_clients.bft.contract_mode.client import ContractModeClient, ContractModeParams
from light_clients.bft.contract_mode.header import BareHeader
from light_clients.bft.contract_mode.validator_contract import ValidatorContract
from light_clients.bft.header import BftKind
from light_clients.client import Height, Timestamp
from light_clients.proofs.compact import encode_account, encode_storage
from tests.support.bft import Draft, Validator
from tests.support.trie import AccountEntry, State, keccak
from tests.support.wire import compact, header_parts, join, seal_hash

TRUSTED_HEIGHT, TRUSTED_TIME = 10, 1_700_000_000
PERIOD, DRIFT = 1000, 15
NOW = TRUSTED_TIME + 100
#: An account of the chain with a word in its storage, which proofs are about.
ACCOUNT, SLOT, WORD = b"\xaa" * 20, b"\x05" * 32, (77).to_bytes(32, "big")
CONTRACT = ValidatorContract(b"\x77" * 20, (3).to_bytes(32, "big"))


def word(number: int | bytes) -> bytes:
    return number.rjust(32, b"\0") if isinstance(number, bytes) else number.to_bytes(32, "big")


def words_of(
    members: Sequence[Validator | bytes], contract: ValidatorContract = CONTRACT
) -> dict[bytes, bytes]:
    """The contract's storage that holds this list."""
    addresses = [member if isinstance(member, bytes) else member.address for member in members]
    first = int.from_bytes(keccak(contract.slot), "big")
    members_at = {word((first + index) % 2**256): word(address) for index, address in enumerate(addresses)}
    return {contract.slot: word(len(addresses)), **members_at}


class Held:
    """A state of the chain, in which the contract has this storage."""

    def __init__(
        self, words: Mapping[bytes, bytes], contract: ValidatorContract = CONTRACT, votes: int = 0
    ) -> None:
        self.words = dict(words)
        other = {word(1000 + vote): word(1 + vote) for vote in range(9 + votes)}
        self.contract = contract
        self.state = State(
            {
                contract.address: AccountEntry(1, 0, keccak(b"contract"), {**words, **other}),
                ACCOUNT: AccountEntry(1, 2, keccak(b"code"), {SLOT: WORD}),
            }
            | {bytes([i]) * 20: AccountEntry(i) for i in range(9)}
        )

    @property
    def root(self) -> bytes:
        return self.state.root

    def account_proof(self, address: bytes) -> bytes:
        return encode_account(address, self.state.prove(address, SLOT).account)

    def storage_proof(self, address: bytes, slot: bytes) -> bytes:
        return encode_storage(slot, self.state.prove(address, slot).storage)

    def set_proof(self, form: int = 1, members: int | None = None) -> bytes:
        """A proof of the set: that of the length, and of as many members as it tells or as asked for."""
        account = self.account_proof(self.contract.address)
        if form == 0:
            return b"\x00" + account
        # A length that no set has need not be followed by so many members.
        told = min(256, int.from_bytes(self.words.get(self.contract.slot, b""), "big"))
        slots = [self.contract.slot, *self.contract.member_slots(told if members is None else members)]
        proofs = [self.storage_proof(self.contract.address, slot) for slot in slots]
        return bytes([form]) + b"".join(proofs) + account


@dataclass(frozen=True)
class Sent:
    """A block as it is sent, in parts that a test may replace.

    `claimed` is the list that the seals are counted by, `sealing` are the indexes in it of those who seal.
    """

    draft: Draft
    parent: Draft
    claimed: Sequence[Validator]
    sealing: Sequence[int]
    before: bytes
    state: Held
    bits: bytes | None = None
    seals: bytes | None = None
    parts: Mapping[str, bytes] = field(default_factory=dict)
    parent_parts: Mapping[str, bytes] = field(default_factory=dict)

    def encode(self, *, state_root: bool) -> bytes:
        parts = {**header_parts(self.draft, state_root=state_root), **self.parts}
        # The seals are those of what is sent, so that a reader that is too lenient is found out.
        digest = seal_hash(parts, self.draft.kind, None if state_root else self.state.root)
        bits = sum(1 << index for index in set(self.sealing)).to_bytes((len(self.claimed) + 7) // 8, "big")
        seals = b"".join(compact(self.claimed[index].sign(digest)) for index in sorted(set(self.sealing)))
        parent = {
            **header_parts(self.parent, state_root=False),
            "bits": b"",
            "seals": b"",
            **self.parent_parts,
        }
        return b"".join(
            (
                join(parts),
                bytes([len(self.claimed)]),
                *(member.address for member in self.claimed),
                bits if self.bits is None else self.bits,
                seals if self.seals is None else self.seals,
                self.before,
                join(parent),
            )
        )


class ContractWorld:
    """A chain, and a client of it that trusts `members` after TRUSTED_HEIGHT."""

    def __init__(self, members: Sequence[Validator], contract: ValidatorContract = CONTRACT) -> None:
        self.members = list(members)
        self.contract = contract
        self.held = self.state(members)
        params = ContractModeParams(contract, PERIOD, DRIFT)
        addresses = [member.address for member in members]
        self.client = ContractModeClient.bootstrap(
            params, addresses, Height(TRUSTED_HEIGHT), Timestamp(TRUSTED_TIME)
        )

    def state(self, members: Sequence[Validator | bytes], votes: int = 0) -> Held:
        """A state in which the contract holds this list; `votes` changes its storage beside the list."""
        return Held(words_of(members, self.contract), self.contract, votes)

    def block(
        self,
        number: int = 11,
        *,
        state: Held | None = None,
        before: Held | None = None,
        form: int = 1,
        sealing: Sequence[int] | None = None,
        claimed: Sequence[Validator] | None = None,
        **changes: object,
    ) -> Sent:
        """A block: by default in all order, sealed by a quorum, its set proven member by member."""
        listed = self.members if claimed is None else list(claimed)
        needed = -(-2 * len(listed) // 3)
        under = self.held if before is None else before
        state = self.held if state is None else state
        parent = Draft(
            BftKind.QBFT, [], number=number - 1, timestamp=TRUSTED_TIME, state_root=under.root, sealers=[]
        )
        made = Draft(
            BftKind.QBFT,
            [],
            number=number,
            timestamp=TRUSTED_TIME + 1,
            state_root=state.root,
            parent_hash=parent.block_hash(),
            sealers=[],
        )
        return Sent(
            replace(made, **changes),  # type: ignore[arg-type]
            parent,
            listed,
            range(needed) if sealing is None else sealing,
            under.set_proof(form),
            state,
        )

    def proof(self, block: Sent, account: bytes = ACCOUNT, slot: bytes = SLOT) -> bytes:
        """The argument of `storageAt`."""
        claim = block.state.storage_proof(account, slot) + block.state.account_proof(account)
        return b"\x00" + claim + block.encode(state_root=False)

    def anchored_proof(self, state: Held | None = None) -> bytes:
        held = state or self.held
        return b"\x01" + held.storage_proof(ACCOUNT, SLOT) + held.account_proof(ACCOUNT)

    def anchor(self, block: Sent) -> bytes:
        return block.encode(state_root=True)

    def update(self, block: Sent, after: bytes | None = None) -> bytes:
        """The argument of `update`; by default with a proof of what the block's own state holds."""
        return block.encode(state_root=True) + (block.state.set_proof() if after is None else after)

    def misbehaviour(self, first: Sent, second: Sent) -> bytes:
        return first.encode(state_root=True) + second.encode(state_root=True)


def bare(draft: Draft) -> BareHeader:
    return BareHeader.from_rlp(draft.encode(), draft.kind)
