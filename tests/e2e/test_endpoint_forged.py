# SPDX-License-Identifier: MIT
"""`endpoint check` on two real chains whose endpoint somebody has prepared to forge messages."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

from light_clients.bft.codec import encode_anchor, encode_update
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.hashing import keccak256
from relayer.chains.evm.contract_reader import ContractReader
from relayer.contracts import load
from relayer.endpoint.access import PUBLIC_ROLE
from relayer.endpoint.manifest import Contract, Hex, Record
from relayer.endpoint.one_by_one import created_address
from relayer.endpoint.steps import ADMIN_ROLE, locate
from relayer.errors import CallReverted
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import endpoint_id
from tests.e2e.test_endpoint import Site, refusals, site
from tests.support.bft import Draft, Validator
from tests.support.foreign_code import foreign_creation
from tests.support.relaynet import count_pending

__all__ = ["site"]

STRANGER = b"\x66" * 20
GAS = 6_000_000
GWEI = 10**9
MANAGER, GATEWAY, CLIENT = load("AccessManager"), load("Gateway"), load("BftLightClient")
#: Of a lane: gas where a message asks for none, most gas, most bytes of payload.
LIMITS = (200_000, 2_000_000, 24_576)
#: The slot of the gateway's registry.
REMOTES = 5
#: ERC-7201 `postroad.client.anchor`.
ANCHOR = 0x45E7E18082D6D4E21ABF378A09F86348471982093F539FA3F1F10C670261F200


@dataclass
class Court:
    """The endpoint of `court`, in the hands of its deployer."""

    site: Site

    @property
    def record(self) -> Record:
        record = self.site.manifest.get("court")
        assert record is not None
        return record

    @property
    def manager(self) -> bytes:
        assert self.record.authority is not None
        return bytes(self.record.authority.address)

    @property
    def gateway(self) -> bytes:
        assert self.record.gateway is not None
        return bytes(self.record.gateway.address)

    @property
    def client(self) -> bytes:
        return bytes(self.record.clients["port"].contract.address)

    async def send(self, to: bytes | None, data: bytes) -> tuple[bytes, int]:
        """Send a transaction of the deployer. Returns its hash, and the block that it is in."""
        node, key = self.site.nodes["court"], self.site.keys["court"]
        nonce = await count_pending(node, key.address)
        terms: dict[str, Any] = {
            "type": 2,
            "chainId": self.site.chains["court"].chain_id,
            "nonce": nonce,
            "data": data,
            "gas": GAS,
            "value": 0,
            "maxFeePerGas": 100 * GWEI,
            "maxPriorityFeePerGas": GWEI,
        }
        raw, tx_hash = key.sign_transaction(terms if to is None else terms | {"to": to})
        await node.request("eth_sendRawTransaction", ["0x" + raw.hex()])
        for _ in range(100):
            mined = await node.mined(tx_hash)
            if mined is not None:
                assert mined.succeeded
                return tx_hash, mined.block_number
            await asyncio.sleep(0.1)
        raise AssertionError("the transaction is in no block after ten seconds")

    async def create(self, data: bytes) -> Contract:
        """Deploy creation code of the deployer's own."""
        node, key = self.site.nodes["court"], self.site.keys["court"]
        address = created_address(key.address, await count_pending(node, key.address))
        tx_hash, number = await self.send(None, data)
        code_hash = Hex(keccak256(await node.code(address)))
        return Contract(address=Hex(address), tx_hash=Hex(tx_hash), block_number=number, code_hash=code_hash)

    async def word(self, address: bytes, slot: int) -> int:
        """A word of a contract's storage."""
        params = ["0x" + address.hex(), hex(slot), "latest"]
        return int(await self.site.nodes["court"].request("eth_getStorageAt", params), 16)

    async def manage(self, function: str, *arguments: object) -> None:
        await self.send(self.manager, MANAGER.encode_call(function, *arguments))

    async def stranger_may(self, target: bytes, data: bytes) -> bool:
        """Whether a stranger passes the role check of a restricted function."""
        try:
            await self.site.nodes["court"].call(target, data, STRANGER)
        except CallReverted as error:
            return error.name != "AccessManagedUnauthorized"
        return True

    async def refusals(self) -> list[str]:
        """What the check refuses once the admin is behind its delay."""
        await self.site.apply(await self.site.plan())
        return refusals(await self.site.check())


async def test_anybody_may_bootstrap_a_light_client_and_the_command_ends_with_1(site: Site) -> None:
    await site.apply(await site.plan(close=False))
    court = Court(site)
    await court.manage("setTargetFunctionRole", court.client, [CLIENT.selector("bootstrap")], PUBLIC_ROLE)
    assert await court.refusals() == ["court: bootstrap of the light client of port for everybody"]
    now = int(str((await site.nodes["court"].block("latest"))["timestamp"]), 16)
    bootstrap = CLIENT.encode_call("bootstrap", [STRANGER], 5, now)
    assert await court.stranger_may(court.client, bootstrap)
    # The other endpoint is as it was.
    file = site.folder / "postroad.toml"
    file.write_text(site.text)
    for names, code in ((["court"], 1), (["port"], 0)):
        words = ["endpoint", "check", *names, "--json", "--config", str(file)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "relayer.cli", *words, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == code
        shown = json.loads(output)
        assert shown["ok"] is (code == 0)
        (access,) = shown["access"]
        (rule,) = [rule for rule in access["rules"] if rule["functions"] == ["bootstrap"]]
        assert rule["role"] == (PUBLIC_ROLE if code else ADMIN_ROLE)


async def test_a_trusted_set_that_never_was_the_chains(site: Site) -> None:
    await site.apply(await site.plan(close=False))
    court = Court(site)
    port = site.chains["port"]
    own = CLIENT.selector("bootstrap")
    await court.manage("setTargetFunctionRole", court.client, [own], 7)
    await court.manage("grantRole", 7, site.keys["court"].address, 0)
    await court.send(court.client, CLIENT.encode_call("bootstrap", [STRANGER], 2, port.block(2).timestamp))
    await court.manage("setTargetFunctionRole", court.client, [own], ADMIN_ROLE)
    (refusal,) = await court.refusals()
    assert refusal.startswith("port → court: a client that trusts a set with hash 0x")
    assert refusal.endswith("which did not seal block 2")


async def test_an_authority_that_is_not_the_manifests(site: Site) -> None:
    await site.apply(await site.plan(close=False))
    court = Court(site)
    other = await court.create(MANAGER.encode_creation(STRANGER))
    await court.manage("updateAuthority", court.gateway, bytes(other.address))
    found = await court.refusals()
    assert f"court: the authority 0x{other.address.hex()}" in found
    assert f"court: the admin 0x{STRANGER.hex()} without a delay" in found
    assert f"port → court: the client's authority 0x{court.manager.hex()}" in found


async def test_an_admin_that_foreign_creation_code_left_in_the_manager(site: Site) -> None:
    """Code and events are those of a deployment, and a stranger is the manager's admin."""
    court, deployer = Court(site), site.keys["court"].address
    role = keccak256(ADMIN_ROLE.to_bytes(32) + (1).to_bytes(32))
    members = {
        int.from_bytes(keccak256(account.rjust(32, b"\0") + role)): 1 for account in (deployer, STRANGER)
    }
    manager = await court.create(foreign_creation(MANAGER.runtime_code, members))
    record = Record(
        chain=site.config.chain("court").chain,
        genesis_hash=Hex(site.chains["court"].genesis_hash),
        authority=manager,
    )
    site.manifest.put("court", record)
    await site.apply(await site.plan())
    (refusal,) = refusals(await site.check())
    assert refusal.startswith(f"court: the manager 0x{manager.address.hex()}, made by other creation code")
    replace = GATEWAY.encode_call("replaceClient", bytes(32), court.client)
    assert await court.stranger_may(court.gateway, replace)


async def test_a_remote_that_foreign_creation_code_left_in_the_gateway(site: Site) -> None:
    """No event names it, and whoever made it up sends in its name."""
    await site.apply(await site.plan(joins=False, close=False))
    court, node, deployer = Court(site), site.nodes["court"], site.keys["court"].address
    place = created_address(deployer, await count_pending(node, deployer))
    chain, genesis_hash = site.chains["court"], Hex(site.chains["court"].genesis_hash)
    own_id = endpoint_id(InteropAddress.evm(chain.chain_id, place).to_bytes(), genesis_hash)
    good_id = await ContractReader(node).ask(court.gateway, "Gateway", "endpointId")
    runtime = (await node.code(court.gateway)).replace(good_id, own_id).replace(court.gateway, place)
    remote = keccak256(b"\x07" * 32 + REMOTES.to_bytes(32))
    storage = {0: int.from_bytes(court.manager), int.from_bytes(remote): int.from_bytes(STRANGER)}
    forged = await court.create(foreign_creation(runtime, storage))
    assert bytes(forged.address) == place
    client, *_ = await ContractReader(node).ask(place, "Gateway", "remote", b"\x07" * 32)
    assert client == "0x" + STRANGER.hex()
    manager = court.record.authority
    site.manifest.put(
        "court",
        Record(chain=court.record.chain, genesis_hash=genesis_hash, authority=manager, gateway=forged),
    )
    found = await court.refusals()
    assert f"court: the gateway 0x{place.hex()}, made by other creation code" in found[0]
    assert len(found) == 1


async def test_an_anchor_that_foreign_creation_code_left_in_a_light_client(site: Site) -> None:
    await site.apply(await site.plan(close=False))
    court, node = Court(site), site.nodes["court"]
    storage = {slot: await court.word(court.client, slot) for slot in range(4)}
    assert any(storage.values())
    storage |= {ANCHOR: int.from_bytes(b"\xab" * 32), ANCHOR + 1: (1 << 64) | 1_700_000_000}
    forged = await court.create(foreign_creation(await node.code(court.client), storage))
    reader = ContractReader(node)
    assert (await reader.ask(forged.address, "BftLightClient", "anchored"))[0] == b"\xab" * 32
    assert await reader.ask(forged.address, "BftLightClient", "status") == 0
    port = locate(site.config, site.manifest, "port")
    assert port is not None
    await court.send(
        court.gateway, GATEWAY.encode_call("replaceClient", port.endpoint_id, bytes(forged.address))
    )
    made, anchored = await court.refusals()
    assert made.startswith(f"port → court: the light client 0x{forged.address.hex()}, made by other creation")
    assert anchored == f"port → court: the anchored root 0x{'ab' * 32} of height 1"


async def test_an_anchor_that_the_chain_itself_has_is_fine(site: Site) -> None:
    await site.apply(await site.plan(close=False))
    court, number = Court(site), site.chains["port"].head.number
    header = BftHeader.from_rpc(await site.nodes["port"].block(number), BftKind.IBFT2)
    await court.send(court.client, CLIENT.encode_call("anchor", encode_anchor(header)))
    assert await court.refusals() == []
    findings = await site.check()
    assert any(finding.found == f"the anchored root is that of block {number}" for finding in findings)


async def test_a_remote_that_the_configuration_does_not_name(site: Site) -> None:
    """Whoever controls its light client sends in another chain's name: it is shown, and judged."""
    await site.apply(await site.plan(close=False))
    court = Court(site)
    # The gateway asks a client for its status when it is registered: 0 is active.
    quiet = await court.create(foreign_creation(b"\x60\x20\x5f\xf3", {}))
    address = InteropAddress.evm(777, STRANGER).to_bytes()
    call = GATEWAY.encode_call("registerRemote", address, b"\x07" * 32, bytes(quiet.address), LIMITS)
    await court.send(court.gateway, call)
    (refusal,) = await court.refusals()
    assert f"0x{quiet.address.hex()} has other code, or none" in refusal
    assert "eip155:777" in refusal


async def test_light_clients_of_remotes_that_the_configuration_does_not_name(site: Site) -> None:
    """Their chains can't be asked; nobody else may bootstrap them all the same, or have made them up."""
    await site.apply(await site.plan(close=False))
    court, node = Court(site), site.nodes["court"]
    now = int(str((await node.block("latest"))["timestamp"]), 16)
    other = await court.create(MANAGER.encode_creation(STRANGER))
    creation = CLIENT.encode_creation(
        bytes(other.address), *BftKind.QBFT.arguments(), [STRANGER], 5, now, 1_000, 60
    )
    obeying_another = await court.create(creation)
    storage = {slot: await court.word(court.client, slot) for slot in range(4)}
    made_up = await court.create(foreign_creation(await node.code(court.client), storage))
    for number, client in ((777, obeying_another), (778, made_up)):
        address = InteropAddress.evm(number, STRANGER).to_bytes()
        call = GATEWAY.encode_call("registerRemote", address, b"\x07" * 32, bytes(client.address), LIMITS)
        await court.send(court.gateway, call)
    first, second = await court.refusals()
    assert "eip155:777" in first
    assert f"the client's authority 0x{other.address.hex()}" in first
    assert "eip155:778" in second
    assert f"0x{made_up.address.hex()}, made by other creation code" in second


async def test_another_endpoint_in_the_name_of_a_configured_chain(site: Site) -> None:
    """Recipients see a chain and an account: whose endpoint sent it they can't see."""
    await site.apply(await site.plan(close=False))
    court = Court(site)
    number = site.chains["court"].chain_id

    async def register(account: bytes) -> bytes:
        address = InteropAddress.evm(number, account).to_bytes()
        call = GATEWAY.encode_call("registerRemote", address, b"\x07" * 32, court.client, LIMITS)
        await court.send(court.gateway, call)
        return endpoint_id(address, b"\x07" * 32)

    async def named() -> list[str]:
        found = refusals(await site.check())
        return [text for text in found if text.endswith(f"in the name of court (eip155:{number})")]

    first = await register(STRANGER)
    assert len(await named()) == 1
    # What was sent before is delivered still, until another endpoint takes its place.
    await court.send(court.gateway, GATEWAY.encode_call("retireRemote", first, 2**64 - 1))
    assert len(await named()) == 1
    second = await register(b"\x77" * 20)
    (text,) = await named()
    assert "7777" in text.split(" → ", maxsplit=1)[0]
    # What is paused delivers nothing.
    await court.send(court.gateway, GATEWAY.encode_call("pauseRemote", second))
    assert await named() == []


async def test_an_anchor_of_a_height_that_the_chain_does_not_have(site: Site) -> None:
    """A member of the true set makes up a header, anchors it, and leads the client back to that set."""
    await site.apply(await site.plan(close=False))
    court, port = Court(site), site.chains["port"]
    honest = BftHeader.from_rpc(await site.nodes["port"].block(port.head.number), BftKind.IBFT2)
    place = min(honest.sealers())
    insider = honest.validators[place]
    then = port.block(2).timestamp
    forged = Draft(
        BftKind.IBFT2,
        [Validator(port.validator_account(insider).secret, insider)],
        number=10**9,
        timestamp=then,
        state_root=b"\xab" * 32,
    ).header()
    own = CLIENT.selector("bootstrap")
    await court.manage("setTargetFunctionRole", court.client, [own], 7)
    await court.manage("grantRole", 7, site.keys["court"].address, 0)
    await court.send(court.client, CLIENT.encode_call("bootstrap", [insider], 2, then))
    await court.send(court.client, CLIENT.encode_call("anchor", encode_anchor(forged)))
    await court.send(court.client, CLIENT.encode_call("update", encode_update([insider], [honest])))
    await court.manage("setTargetFunctionRole", court.client, [own], ADMIN_ROLE)
    (refusal,) = await court.refusals()
    assert refusal.startswith(f"port → court: an anchored root that can't be compared with block {10**9}")
