# SPDX-License-Identifier: MIT
"""What deploying, joining and checking ask of a chain whose validators a contract chooses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from light_clients.bft.contract_mode.header import BareHeader
from light_clients.bft.contract_mode.validator_contract import SetProof, ValidatorContract
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.bft.validators import quorum, set_hash
from light_clients.client import Height
from light_clients.errors import Rejection
from relayer.chains.evm.node import Node
from relayer.consensus.bft.config import BftConfig
from relayer.consensus.bft.contract import ContractModeView
from relayer.consensus.bft.contract_mode.finding import (
    NodeSource,
    ask_validators,
    describe_place,
    find_contract,
    find_slot,
    try_held,
)
from relayer.consensus.bft.contract_mode.held_set import read_any_header, read_held
from relayer.consensus.findings import HIJACKED, Finding, Severity, refuse
from relayer.consensus.kind import ConfiguredChain
from relayer.errors import NotFoundYet, RpcAnswerInvalid, RpcRefused

_GUIDE: Final = "docs/how-to/contract-chosen-validators.md"
#: What a node answers with where it has a block or its state no more.
_GONE: Final = (RpcAnswerInvalid, RpcRefused, NotFoundYet)


def read_bare(block: Mapping[str, Any]) -> BareHeader | None:
    """Return a QBFT block that lists no validators; None for any other block."""
    try:
        return BareHeader.from_rpc(block, BftKind.QBFT)
    except Rejection:
        return None


async def survey_contract(
    node: Node, chain: ConfiguredChain[BftConfig], head: Mapping[str, Any]
) -> tuple[tuple[BftHeader, SetProof] | None, list[Finding]]:
    """Return the newest header and what the contract holds after it; and whether those whom it named sealed.

    Raises ChainUnavailable.
    """
    name, number = chain.name, int(str(head.get("number", "0x0")), 16)
    header = read_bare(head)
    if header is None:
        found = f"a block {number} that is no QBFT block without a list of validators"
        advice = f"Take `validators` out of chains.{name}.consensus, unless a contract does choose them."
        return None, [refuse(name, found, "headers that list nobody", advice)]
    if number < 2:
        advice = "Wait for the next block."
        return None, [refuse(name, f"block {number} as the newest", "block 2 or a later one", advice)]
    place = chain.consensus.validator_contract
    try:
        parent = read_any_header(await node.block(number - 1))
        before, after = await try_held(node, place, parent), await try_held(node, place, header)
        if before is None or after is None:
            return None, [await _refuse_place(node, name, place, header, "no list of validators")]
        members, sealed = len(before.validators), len(header.sealers_among(before.validators))
        if sealed < quorum(members):
            what = f"a list of {members}, of whom {sealed} sealed block {number}"
            return None, [await _refuse_place(node, name, place, header, what)]
    except Rejection as error:
        return None, [refuse(name, f"a block {number - 1} that is not believed: {error}", "QBFT headers", "")]
    except _GONE as error:
        advice = "Name a provider that serves eth_getProof of its newest blocks."
        found = f"a node that does not prove the validators of block {number}: {error}"
        return None, [refuse(name, found, "account and storage proofs", advice)]
    told = await ask_validators(node, place.address)
    # The answer is of the newest block, which may be a later one.
    if sorted(told) not in (sorted(before.validators), sorted(after.validators)):
        advice = (
            "The client follows the list in the storage. If the contract answers with something else, the chain's "
            f"validators will be others one day ({_GUIDE})."
        )
        found = f"another list in slot {int.from_bytes(place.slot):#x} than getValidators() answers"
        return None, [refuse(name, found, "one list", advice)]
    count = len(after.validators)
    text = f"QBFT, {count} validators chosen by 0x{place.address.hex()}, {quorum(count)} to seal"
    return (header, after), [Finding(Severity.OK, name, text)]


async def refuse_unconfigured(node: Node, name: str, header: BareHeader) -> Finding:
    """Return what to configure for a chain whose headers list nobody. Raises ChainUnavailable."""
    found = f"block {header.number} lists no validators: a contract chooses them"
    table, expected = f"chains.{name}.consensus", "where that contract keeps their list"
    contract = await find_contract(node)
    try:
        place = None if contract is None else await find_slot(node, contract, header)
    except _GONE:
        place = None
    if place is not None:
        advice = (
            f"Write {describe_place(place)} into {table}. That is where this node has them; compare the address with "
            f"`validatorcontractaddress` in the chain's genesis file ({_GUIDE})."
        )
        return refuse(name, found, expected, advice)
    advice = (
        f"Write validators = {{ contract = …, slot = … }} into {table}: the `validatorcontractaddress` of the chain's "
        f"genesis file, and the slot of the contract's list, an address[] ({_GUIDE})."
    )
    return refuse(name, found, expected, advice)


async def prove_contract_trust(
    subject: str, node: Node, chain: ConfiguredChain[BftConfig], client: ContractModeView
) -> list[Finding]:
    """Compare a client's trusted set, and its time, with what the contract holds after the client's height.

    Returns and raises as `EndpointRole.prove_trust`.
    """
    place, height = client.validators, Height(client.height)
    head = read_bare(await node.block("latest"))
    try:
        if head is None or height > head.number:
            newest = "no such block" if head is None else f"block {head.number}"
            found = f"a client that trusts the set after block {height}, while the newest one is {newest}"
            if not await _holds_now(node, client, head):
                return [refuse(subject, found, "a block that the chain has", HIJACKED)]
            advice = f"Is the provider in chains.{chain.name}.rpc behind? If it is not, replace the client."
            return [Finding(Severity.WARNING, subject, found, "a block that the chain has", advice)]
        header = read_any_header(await node.block(height))
    except Rejection as error:
        found = f"a client that trusts block {height}, which is not believed: {error}"
        return [refuse(subject, found, "a QBFT header", HIJACKED)]
    except _GONE as error:
        return [await _judge_unshown(subject, chain.name, node, client, head, error)]
    if client.timestamp != header.timestamp:
        found = f"a client that trusts block {height} of time {client.timestamp}"
        return [refuse(subject, found, f"the block's own time, {header.timestamp}", HIJACKED)]
    try:
        held = await read_held(NodeSource(node), place, header)
    except Rejection as error:
        found = f"a client that trusts a set after block {height}, where the contract holds none: {error}"
        return [refuse(subject, found, "the contract's list", HIJACKED)]
    except _GONE as error:
        if not await _holds_now(node, client, head):
            return [await _judge_unshown(subject, chain.name, node, client, head, error)]
        # Nodes keep the states of so many blocks only, and a client is seldom younger.
        text = (
            f"trusts the validators that the contract holds now; the state of block {height} is kept no more"
        )
        return [Finding(Severity.OK, subject, text)]
    own = set_hash(held.validators)
    if own != client.set_hash:
        found = (
            f"a client that trusts a set with hash 0x{client.set_hash.hex()}, which the contract did not hold after "
            f"block {height}"
        )
        expected = f"the contract's own, 0x{own.hex()} ({len(held.validators)} validators)"
        return [refuse(subject, found, expected, HIJACKED)]
    text = f"trusts the {len(held.validators)} validators that the contract held after block {height}"
    return [Finding(Severity.OK, subject, text)]


def judge_place(subject: str, client: ContractModeView, place: ValidatorContract) -> list[Finding]:
    """Return a refusal of a client that reads another contract or slot than configured."""
    if client.validators == place:
        return []
    advice = "It believes whomever that storage names: replace the client, or correct the configuration."
    found = f"a client with {describe_place(client.validators)}"
    return [refuse(subject, found, describe_place(place), advice)]


async def _refuse_place(
    node: Node, name: str, place: ValidatorContract, header: BareHeader, what: str
) -> Finding:
    """Refuse a configured place with what is found there, and name the right slot if there is one."""
    found = f"{what} in slot {int.from_bytes(place.slot):#x} of 0x{place.address.hex()}"
    expected = f"the list of those who seal, as of block {header.number}"
    better = await find_slot(node, place.address, header)
    if better is not None:
        return refuse(name, found, expected, f"Write {describe_place(better)} into chains.{name}.consensus.")
    advice = (
        "Take the contract's address from the chain's genesis file (`validatorcontractaddress`, also in its "
        "transitions), and the slot of its address[] from its storage layout. A contract that computes its list, or "
        f"keeps it in another form, can't be followed ({_GUIDE})."
    )
    return refuse(name, found, expected, advice)


async def _holds_now(node: Node, client: ContractModeView, head: BareHeader | None) -> bool:
    """Whether a client trusts the set that the contract holds after the newest block."""
    held = None if head is None else await try_held(node, client.validators, head)
    return held is not None and set_hash(held.validators) == client.set_hash


async def _judge_unshown(
    subject: str,
    chain: str,
    node: Node,
    client: ContractModeView,
    head: BareHeader | None,
    error: Exception,
) -> Finding:
    """Judge a client of a block or state that the node does not show: a forger would choose such a height."""
    found = f"a client whose set can't be compared with the contract's after block {client.height}: {error}"
    expected = "that block and its state"
    advice = (
        f"Name a provider in chains.{chain}.rpc that keeps older ones, or bring the client to a newer height "
        "(`postroad client update`), and check again"
    )
    if await _holds_now(node, client, head):
        advice += ". Its set is the one that the contract holds now."
        return Finding(Severity.WARNING, subject, found, expected, advice)
    advice += ": until then its set, which does not seal now, may never have existed. "
    return refuse(subject, found, expected, advice + HIJACKED)
