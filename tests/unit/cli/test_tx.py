# SPDX-License-Identifier: MIT
"""`postroad tx` over what `endpoint deploy` has left in its manifest, on an in-memory chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from relayer import config as configuration
from relayer.chains.base import Address, Call, GasPrice, Head, TxHash
from relayer.cli import main as root
from relayer.cli import steering
from relayer.cli.exit_codes import ExitCode
from relayer.endpoint.manifest import Hex, Manifest, Pending, Record
from relayer.endpoint.manifest_store import ManifestStore
from relayer.journal.rows import Purpose
from relayer.journal.store import Journal, now_micros
from relayer.keys import SCRYPT_N_DEVNET, KeyStore
from relayer.sending.price import PricePolicy
from relayer.sending.sender import Sender
from relayer.sending.transaction import make_attempt
from relayer.testing.chain import MemoryChain

GWEI = 10**9
POLICY = PricePolicy(500 * GWEI, GWEI)
PASSWORD = "of a test"


class Chain(MemoryChain):
    """A chain that makes a block whenever its head is asked for, unless it stands still; `account` signs."""

    def __init__(self, account: bytes) -> None:
        super().__init__("court", 77)
        self._senders = (Address(account),)
        self.stands_still = False
        self.is_readable = True

    def read_call(self, raw: bytes) -> Call | None:
        return super().read_call(raw) if self.is_readable else None

    async def head(self) -> Head:
        if not self.stands_still:
            await self.mine()
        return await super().head()


@dataclass
class Place:
    """A folder with a configuration and a key, and a chain on which a deployment was cut short."""

    folder: Path
    chain: Chain
    capsys: pytest.CaptureFixture[str]

    @property
    def deployer(self) -> Address:
        return self.chain.senders[0]

    @property
    def pending(self) -> tuple[Pending, ...]:
        record = Manifest(self.folder / "endpoints.json").get("court")
        assert record is not None
        return record.pending

    @property
    def hash(self) -> str:
        return "0x" + self.pending[0].signatures[0].tx_hash.hex()

    def deploy(self, policy: PricePolicy = POLICY) -> None:
        """Sign a step that no node has ever got, as if the process had been killed before it was offered."""
        manifest = Manifest(self.folder / "endpoints.json")
        manifest.put("court", Record(chain="eip155:77", genesis_hash=Hex(self.chain.genesis_hash)))
        store = ManifestStore(manifest, "court")
        store.step = "roles"
        self.chain.faults.lost_broadcasts = 1
        call = Call(Address(b"\x11" * 20), b"", gas=50_000)
        asyncio.run(Sender(self.chain, store, policy, now_micros).send(call, Purpose.OTHER))

    def note_in_journal(self) -> None:
        """A transaction of the relayer, in a new journal."""
        signed = self.chain.sign(self.deployer, 9, Call(self.deployer, b""), 21_000, GasPrice(GWEI, 0))

        async def write() -> None:
            with Journal.open(f"sqlite:///{self.folder}/postroad.db") as journal:
                chain = await journal.commit(
                    lambda writing: writing.put_chain(
                        self.chain.endpoint_id, "court", scanned_height=0, at=now_micros()
                    )
                )
                await journal.commit(
                    lambda writing: writing.add_transaction(
                        chain, Purpose.UPDATE, self.deployer, 9, make_attempt(signed, now_micros())
                    )
                )

        asyncio.run(write())

    def run(self, *words: str, code: ExitCode = ExitCode.OK) -> Any:
        with pytest.raises(SystemExit) as caught:
            root(["tx", *words, "--json", "-c", str(self.folder / "postroad.toml")])
        out, err = self.capsys.readouterr()
        assert (caught.value.code or 0) == code, out + err
        return json.loads(out or err)

    def show(self, *words: str) -> str:
        """What people see."""
        with pytest.raises(SystemExit) as caught:
            root(["tx", *words, "-c", str(self.folder / "postroad.toml")])
        assert not caught.value.code
        return self.capsys.readouterr().out


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    (tmp_path / "postroad.toml").write_text(
        '[journal]\nurl = "sqlite:///postroad.db"\n[keys]\npassword_env = "PASSWORD_OF_A_TEST"\n'
        '[chains.court]\nchain = "eip155:77"\nrpc = ["http://127.0.0.1:1"]\npriority_fee_gwei = 1\n'
        '[chains.court.consensus]\nkind = "bft"\nprotocol = "qbft"\n'
    )
    config = configuration.load(tmp_path / "postroad.toml")
    # Under no name of the configuration, as after `endpoint deploy --key`.
    key = KeyStore(config.keys_directory).new("owner", PASSWORD, scrypt_n=SCRYPT_N_DEVNET)
    chain = Chain(key.address)

    def open_evm(name: str, table: object, genesis_hash: bytes, signers: list[Any]) -> Chain:
        assert (name, genesis_hash) == ("court", chain.genesis_hash)
        assert [signer.address for signer in signers] == [key.address]
        return chain

    monkeypatch.setenv("PASSWORD_OF_A_TEST", PASSWORD)
    monkeypatch.setattr(steering, "open_evm", open_evm)
    monkeypatch.setattr(steering, "_POLL_S", 0.01)
    return Place(tmp_path, chain, capsys)


# --- list ---------------------------------------------------------------------------------------------------


def test_what_a_deployment_left_is_listed_without_a_journal(place: Place) -> None:
    place.deploy()
    (shown,) = place.run("list")
    assert (shown["id"], shown["step"], shown["purpose"]) == (None, "roles", "other")
    assert (shown["chain"], shown["account"], shown["nonce"]) == ("court", "0x" + place.deployer.hex(), 0)
    assert (shown["tx_hash"], shown["state"], shown["reason"]) == (place.hash, "open", "inclusion")
    row = place.show("list").splitlines()[1].split("\t")
    # It has no number, so that its hash names it.
    assert (row[0], row[1], row[4], row[5]) == (place.hash, "court", "roles", place.hash)
    place.run("list", "--chain", "port", code=ExitCode.CONFIG)


def test_journal_and_manifest_are_listed_together(place: Place) -> None:
    place.deploy()
    place.note_in_journal()
    assert [(shown["id"], shown["step"]) for shown in place.run("list")] == [(1, None), (None, "roles")]


def test_neither_journal_nor_manifest_is_an_error(place: Place) -> None:
    assert "no file" in place.run("list", code=ExitCode.CONFIG)["error"]["found"]
    place.run("cancel", "0x" + "11" * 32, code=ExitCode.CONFIG)


def test_what_is_in_a_block_is_not_open(place: Place) -> None:
    place.deploy()
    manifest = Manifest(place.folder / "endpoints.json")
    wanted, store = place.hash, ManifestStore(manifest, "court")
    sender = Sender(place.chain, store, POLICY, now_micros)
    sender.recover(store.recover(), ())
    record = manifest.get("court")
    assert record is not None
    (known,) = sender.transactions
    manifest.put(
        "court", Record(chain=record.chain, genesis_hash=record.genesis_hash, pending=store.finished(known))
    )
    assert place.run("list") == []
    assert "is in a block" in place.run("replace", wanted, code=ExitCode.REFUSED)["error"]["found"]


# --- replace and cancel -------------------------------------------------------------------------------------


def test_a_step_is_replaced_and_stays_for_the_next_deployment(place: Place) -> None:
    place.deploy()
    shown = place.run("replace", place.hash)
    (kept,) = place.pending
    first, second = kept.signatures
    assert second.max_fee_wei > first.max_fee_wei
    assert (shown["wish"], shown["by"]) == ("replace", "command")
    after = shown["transaction"]
    assert (after["state"], after["attempts"], after["step"], after["id"]) == ("included", 2, "roles", None)
    assert after["tx_hash"] == "0x" + second.tx_hash.hex()
    assert TxHash(bytes(second.tx_hash)) in place.chain.mined
    assert not kept.is_done
    assert place.chain.is_closed


def test_a_cancelled_step_is_taken_out_of_the_manifest(place: Place) -> None:
    place.deploy()
    before = place.hash
    after = place.run("cancel", place.hash)["transaction"]
    assert (after["state"], after["is_cancelled"], after["reason"]) == ("included", True, None)
    assert after["tx_hash"] != before
    (mined,) = place.chain.mined.values()
    assert (mined.to, mined.data, mined.nonce) == (place.deployer, b"", 0)
    assert place.pending == ()
    assert place.run("list") == []


def test_any_signature_names_the_transaction(place: Place) -> None:
    place.deploy()
    place.chain.stands_still = True
    place.chain.faults.lost_broadcasts = 1_000
    wanted = place.hash
    late = place.run("replace", wanted, "--timeout", "50ms", code=ExitCode.TIMEOUT)["transaction"]
    assert (late["state"], late["attempts"]) == ("open", 2)
    place.chain.stands_still = False
    place.chain.faults.lost_broadcasts = 0
    shown = place.show("cancel", "0x" + place.pending[0].signatures[1].tx_hash.hex().upper())
    assert " ".join(shown.split()).startswith("the cancellation of transaction (0x")
    assert place.pending == ()


def test_a_free_cancellation_can_be_asked_for_again(place: Place) -> None:
    """At the same price it has the same bytes, so that nothing is signed: it is offered and followed."""
    path = place.folder / "postroad.toml"
    path.write_text(path.read_text().replace("priority_fee_gwei = 1", "max_fee_gwei = 0"))
    place.chain.base_fee_wei = 0
    place.chain.stands_still = True
    place.deploy(PricePolicy(0, None))
    for _ in range(2):
        after = place.run("cancel", place.hash, "--timeout", "50ms", code=ExitCode.TIMEOUT)["transaction"]
        assert (after["attempts"], after["is_cancelled"], after["max_fee_wei"]) == (2, True, 0)


def test_what_landed_meanwhile_is_not_cancelled(place: Place) -> None:
    place.deploy()
    asyncio.run(place.chain.offer(bytes(place.pending[0].signatures[0].raw)))
    after = place.run("cancel", place.hash)["transaction"]
    assert (after["state"], after["attempts"], after["is_cancelled"]) == ("included", 1, False)
    assert len(place.pending) == 1


def test_a_nonce_that_another_transaction_took_is_told(place: Place) -> None:
    place.deploy()
    other = place.chain.sign(place.deployer, 0, Call(place.deployer, b""), 21_000, GasPrice(9 * GWEI, GWEI))
    asyncio.run(place.chain.offer(other.raw))
    after = place.run("replace", place.hash, code=ExitCode.REFUSED)["transaction"]
    assert (after["state"], after["block"], after["reason"]) == ("displaced", None, None)
    assert place.pending == ()


# --- refusals -----------------------------------------------------------------------------------------------


def in_use(place: Place) -> dict[str, Any]:
    with Manifest(place.folder / "endpoints.json").locked():
        error: dict[str, Any] = place.run("cancel", place.hash, code=ExitCode.CONFIG)["error"]
    return error


def without_key(place: Place) -> dict[str, Any]:
    (place.folder / "keys" / "owner.json").unlink()
    error: dict[str, Any] = place.run("cancel", place.hash, code=ExitCode.CONFIG)["error"]
    return error


def unknown(place: Place) -> dict[str, Any]:
    error: dict[str, Any] = place.run("cancel", "0x" + "11" * 32, code=ExitCode.NOT_FOUND)["error"]
    return error


def unreadable(place: Place) -> dict[str, Any]:
    place.chain.is_readable = False
    error: dict[str, Any] = place.run("replace", place.hash, code=ExitCode.REFUSED)["error"]
    return error


def dear(place: Place) -> dict[str, Any]:
    place.chain.base_fee_wei = 600 * GWEI
    error: dict[str, Any] = place.run("replace", place.hash, code=ExitCode.UNAVAILABLE)["error"]
    return error


@pytest.mark.parametrize(
    ("refuse", "found"),
    [
        (in_use, "in use by another process"),
        (without_key, "no keystore in"),
        (unknown, "nor among those of deployments"),
        (dear, "base fee"),
        (unreadable, "can't be read"),
    ],
)
def test_what_can_not_be_done_is_said_and_signs_nothing(
    place: Place, refuse: Callable[[Place], dict[str, Any]], found: str
) -> None:
    place.deploy()
    before = place.pending
    assert found in refuse(place)["found"]
    assert place.pending == before
