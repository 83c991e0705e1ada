# SPDX-License-Identifier: MIT
"""Real roads for an application's tests: local chains that are joined, and a relayer that serves them.

    with local_roads() as roads:
        notes = roads.chains["port"].deploy(Path("contracts/out/Notes.sol/Notes.json"), ...)
        with roads.connect_blocking() as road:
            road.send("court", "port", to=notes.address, payload=b"...").delivered(timeout="30s")

The chains run in a thread of this process and the relayer in a process of its own. Both end with the `with`
block, and with this process, however that ends. Nothing here needs the caller's event loop: inside of one,
the start and every blocking call hold it up, and `connect` is for it.

`relayer.testing.fixtures` offers the same as a fixture of pytest.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import relayer
from relayer.devnet.chain.anvil_chain import AnvilChain
from relayer.devnet.network.join import LocalEndpoint, LocalRoads, join_local, site_of
from relayer.devnet.network.network import Network
from relayer.devnet.process.child_process import ChildProcess
from relayer.devnet.state.faults import Fault
from relayer.protocol.interop_address import format_evm_address
from relayer.road.loop_thread import LoopThread

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.contract import Contract
    from web3.contract.contract import ContractConstructor, ContractFunction
    from web3.types import TxReceipt

#: Two small chains whose blocks come five times a second.
DEFAULT_SPEC: Final = "court=bft:4@0.2,port=bft:ibft2:7@0.2"
_POLL_MS: Final = 100
#: What is signed is in the journal, so a relayer that does not end by itself is ended without harm.
_RELAYER_STOP_S: Final = 10.0
_INCLUSION_TIMEOUT_S: Final = 60.0
_LOOK_S: Final = 0.05
_FIRST_TIMEOUT_S: Final = 60.0


class RoadChain:
    """A local chain with an endpoint, as an application's test uses it.

    Attributes:
        name: in the configuration.
        chain_id: EIP-155's.
        rpc_url, websocket_url: where it answers.
        gateway, postbox: addresses of its contracts; the postbox keeps in its log what it receives.
        endpoint_id: 32 bytes.
        sender: who sends what the roads of `connect` send from this chain.
        keys: private keys of 32 bytes with money, which nothing else uses.
    """

    def __init__(self, chain: AnvilChain[Any], endpoint: LocalEndpoint, loop: LoopThread) -> None:
        self.name = chain.name
        self.chain_id = chain.chain_id
        self.rpc_url = chain.http_url
        self.websocket_url = chain.ws_url
        self.gateway = format_evm_address(endpoint.gateway)
        self.postbox = format_evm_address(endpoint.postbox)
        self.endpoint_id = endpoint.endpoint_id
        self.sender = chain.funded_keys[2].address_text
        self.keys = tuple(account.secret for account in chain.funded_keys[3:])
        self._chain = chain
        self._loop = loop
        self._web3: Web3 | None = None

    @property
    def web3(self) -> Web3:
        """web3 over the chain, which signs with the first of `keys` by default."""
        if self._web3 is None:
            # Whoever does not use it does not wait for its import.
            from web3 import HTTPProvider, Web3
            from web3.middleware import ExtraDataToPOAMiddleware, SignAndSendRawMiddlewareBuilder

            web3 = Web3(HTTPProvider(self.rpc_url))
            account = web3.eth.account.from_key(self.keys[0])
            web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
            web3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)
            web3.eth.default_account = account.address
            self._web3 = web3
        return self._web3

    def deploy(self, artifact: Path | Mapping[str, Any], *arguments: object) -> Contract:
        """Deploy a contract, and return it as web3's object once it is in a block.

        Args:
            artifact: what a compiler wrote, or its file: `abi`, and `bytecode` as forge or Hardhat has it.
            arguments: of its constructor.

        Raises:
            OSError, KeyError: there is no such file, or it holds no contract.
            ContractLogicError of web3: its constructor reverts.
        """
        made: Mapping[str, Any]
        made = json.loads(artifact.read_text(encoding="utf-8")) if isinstance(artifact, Path) else artifact
        code = made["bytecode"]
        code = code["object"] if isinstance(code, Mapping) else code
        creation = self.web3.eth.contract(abi=made["abi"], bytecode=code)
        address: ChecksumAddress | None
        address = self.transact(creation.constructor(*arguments))["contractAddress"]
        assert address is not None
        return self.web3.eth.contract(address, abi=made["abi"])

    def transact(self, call: ContractFunction | ContractConstructor) -> TxReceipt:
        """Send a call of a contract of `web3`, and return its receipt once it is in a block.

        Raises ContractLogicError of web3 where the contract reverts.
        """
        return self.web3.eth.wait_for_transaction_receipt(call.transact(), _INCLUSION_TIMEOUT_S, _LOOK_S)

    @contextlib.contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        """Let a fault act inside a `with` block; docs/reference/devnet-faults.md lists them.

        Raises SpecError where the chain can't have it.
        """
        number = self._loop.run(_call(lambda: self._chain.faults.start(fault)))
        try:
            yield
        finally:
            self._loop.run(_call(lambda: self._chain.faults.stop(number)))


class RunningRoads:
    """Local chains that are joined with one another, both ways, and their relayer. Made by `local_roads`.

    One message has crossed every lane: those of the test begin with the sequence 1.

    Attributes:
        config_path: the configuration of all of them, for `relayer.connect` and for `postroad --config`.
        chains: by name.
    """

    def __init__(self, joined: LocalRoads, chains: Mapping[str, RoadChain], loop: LoopThread) -> None:
        self.config_path = joined.config_path
        self.chains = chains
        self._loop = loop
        self._relayer: ChildProcess | None = None

    def connect(self) -> relayer.Road:
        """Return a road over the chains, to be used with `async with`."""
        return relayer.connect(self.config_path)

    def connect_blocking(self) -> relayer.BlockingRoad:
        """Return a road over the chains, to be used with `with`."""
        return relayer.connect_blocking(self.config_path)

    def start_relayer(self) -> None:
        """Start the relayer, unless it runs. Raises ChainStartError with its last words."""
        if self._relayer is None:
            self._relayer = self._loop.run(_start_relayer(self.config_path))

    def stop_relayer(self) -> None:
        """End the relayer: what is sent now waits for `start_relayer`. Idempotent."""
        stopping, self._relayer = self._relayer, None
        if stopping is not None:
            self._loop.run(stopping.stop(_RELAYER_STOP_S))


@contextlib.contextmanager
def local_roads(spec: str = DEFAULT_SPEC) -> Iterator[RunningRoads]:
    """Start local chains, join each with every other, start a relayer, and end all of it.

    Args:
        spec: the chains, as `postroad devnet up --chains` takes them.

    Raises:
        SpecError: the spec makes no sense, or names chains that anvil does not execute.
        ChainStartError: a chain or the relayer does not start. Nothing is left running.
        DeliveryTimeout: the relayer does not relay, likewise.
    """
    network = Network(spec)
    named = {name: network.anvil_chain(name) for name in network.chains}
    with contextlib.ExitStack() as stack:
        loop = LoopThread()
        loop.start()
        stack.callback(loop.stop)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="postroad-roads-")))
        loop.run(network.start())
        stack.callback(lambda: loop.run(network.stop()))
        sites = [site_of(chain) for chain in named.values()]
        joined = loop.run(join_local(sites, folder, poll_interval_ms=_POLL_MS))
        chains = {name: RoadChain(chain, joined.endpoints[name], loop) for name, chain in named.items()}
        roads = RunningRoads(joined, chains, loop)
        stack.callback(roads.stop_relayer)
        roads.start_relayer()
        loop.run(_begin_lanes(roads))
        yield roads


async def _begin_lanes(roads: RunningRoads) -> None:
    """Send a message down every lane, so that its page is one that anvil can prove.

    Where the first message of a page is refused, anvil keeps a zero that no proof shows, which would hold up
    the relayer (docs/reference/devnet-faults.md).
    """
    async with roads.connect() as road:
        pairs = [(one, other) for one in roads.chains.values() for other in roads.chains.values()]
        sent = await asyncio.gather(
            *(
                road.send(one.name, other.name, to=other.postbox, payload=b"the first")
                for one, other in pairs
                if one is not other
            )
        )
        await asyncio.gather(*(message.delivered(_FIRST_TIMEOUT_S) for message in sent))


async def _start_relayer(config_path: Path) -> ChildProcess:
    words = [sys.executable, "-m", "relayer.cli", "run", "--config", str(config_path)]
    process = await ChildProcess.start("relayer", words, is_ready=lambda line: "relaying" in line)
    try:
        await process.wait_ready()
    except BaseException:
        await process.stop()
        raise
    return process


async def _call(work: Any) -> Any:
    """Run a function in the loop's own thread."""
    return work()


__all__ = ["DEFAULT_SPEC", "RoadChain", "RunningRoads", "local_roads"]
