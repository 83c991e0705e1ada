# SPDX-License-Identifier: MIT
"""What a record loses and keeps when a transaction's block is gone."""

from __future__ import annotations

import pytest

from light_clients.client import Height
from relayer.chains.base import TxHash, TxReceipt
from relayer.endpoint.manifest import Admin, Client, Contract, Hex, Joined, Record, Roles
from relayer.endpoint.records import contract_of, with_receipt, without_step
from relayer.endpoint.steps import step_of

OLD, NEW = Hex(b"\x0a" * 32), b"\x0b" * 32
RECEIPT = TxReceipt(TxHash(NEW), Height(9), bytes(32), True, 1, 1, (), ())
ALL = {"authority", "gateway", "roles", "admin", "client port", "client bank", "port", "bank"}


def contract(byte: int) -> Contract:
    return Contract(
        address=Hex(bytes([byte]) * 20), tx_hash=OLD, block_number=3, code_hash=Hex(bytes([byte]) * 32)
    )


def client(byte: int) -> Client:
    return Client(
        contract=contract(byte), kind="bft", initial_trust={}, trusting_period_s=60, max_clock_drift_s=1
    )


def joined() -> Joined:
    return Joined(endpoint_id=OLD, gateway=Hex(), genesis_hash=OLD, client=Hex(), tx_hash=OLD)


def full() -> Record:
    return Record(
        chain="eip155:1",
        genesis_hash=Hex(b"\x05" * 32),
        authority=contract(1),
        gateway=contract(2),
        roles=Roles(guardian=Hex(), channel_opener=Hex(), tx_hash=OLD),
        clients={"port": client(3), "bank": client(4)},
        remotes={"port": joined(), "bank": joined()},
        admin=Admin(account=Hex(), delay_s=1, tx_hash=OLD),
    )


def parts(record: Record) -> set[str]:
    single = {name for name in ("authority", "gateway", "roles", "admin") if getattr(record, name)}
    return single | {f"client {name}" for name in record.clients} | set(record.remotes)


@pytest.mark.parametrize(
    ("step", "lost"),
    [
        ("authority", ALL),
        ("gateway", {"gateway", "roles", "port", "bank"}),
        ("roles", {"roles"}),
        ("client:port", {"client port", "port"}),
        ("register:port", {"port"}),
        ("execute:port", {"port"}),
        ("schedule:port", set[str]()),
        ("close", {"admin"}),
    ],
)
def test_what_stands_on_a_lost_contract_is_lost_with_it(step: str, lost: set[str]) -> None:
    assert parts(without_step(full(), step_of("court", step))) == ALL - lost


@pytest.mark.parametrize("step", ["authority", "gateway", "client:port"])
def test_a_contract_whose_block_moved_keeps_its_address(step: str) -> None:
    found, before = step_of("court", step), full()
    moved = contract_of(with_receipt(before, found, RECEIPT), found)
    assert moved is not None
    assert (bytes(moved.tx_hash), moved.block_number) == (NEW, 9)
    assert moved.address == getattr(contract_of(before, found), "address", None)
    # A record that has the step no more is left alone.
    assert with_receipt(without_step(before, found), found, RECEIPT) == without_step(before, found)


@pytest.mark.parametrize("step", ["roles", "close", "register:port", "execute:port"])
def test_a_call_that_was_replaced_has_the_hash_of_what_landed(step: str) -> None:
    moved = with_receipt(full(), step_of("court", step), RECEIPT)
    hashes = [
        moved.roles and moved.roles.tx_hash,
        moved.admin and moved.admin.tx_hash,
        *(remote.tx_hash for remote in moved.remotes.values()),
    ]
    assert [bytes(found or b"") for found in hashes].count(NEW) == 1


def test_a_scheduled_call_leaves_nothing_in_the_record() -> None:
    assert with_receipt(full(), step_of("court", "schedule:port"), RECEIPT) == full()
