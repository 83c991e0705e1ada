# SPDX-License-Identifier: MIT
"""One local chain whose blocks go-ethereum's own signers execute and seal."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from light_clients.clique.header import SEAL_BYTES, VANITY_BYTES
from light_clients.clique.signers import majority
from relayer.consensus.clique.local.geth.node import GethNode, NodeSettings
from relayer.consensus.clique.local.geth.program import VERSION, provide
from relayer.devnet.chain.admin_server import AdminMethod, read_address
from relayer.devnet.chain.chain_details import ChainDetails
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.chain.local_chain import FAUCET_WEI, LocalChain
from relayer.devnet.errors import DevnetError, ExecutionError, SpecError
from relayer.devnet.rules import ChainRules
from relayer.devnet.state.identities import Account, checksum_address, derive_account
from relayer.keys import sign_transaction

#: Each is a process with some 150 MB.
MAX_NODES: Final = 9
_CHANGE_TIMEOUT_S: Final = 180.0
_POLL_S: Final = 0.2
_FORKS: Final = (
    *("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul"),
    *("muirGlacier", "berlin"),
)
#: What its Clique can have: London's rules, the newest ones, and Berlin's without a base fee.
_LONDON: Final = ChainRules()
_BERLIN: Final = ChainRules(legacy=True, hardfork="berlin")


@dataclass(frozen=True, slots=True)
class GethBlock:
    """A block, as far as anybody who waits for one needs it."""

    number: int


class GethCliqueChain(LocalChain):
    """A local chain of go-ethereum's nodes, each a signer, as an async context manager.

    Started, it has as many blocks as it takes to believe one of them. It executes by London's rules, or by
    Berlin's where the options ask for `legacy` and `berlin`.

    Args:
        name: of the chain; the chain id follows from it.
        options: what can be chosen of every chain.
        signers: how many seal its first blocks.
        epoch: after how many blocks votes are discarded and the signers listed.

    Raises:
        SpecError: go-ethereum has no such chain.
    """

    kind: ClassVar = "clique"

    def __init__(self, name: str, options: ChainOptions, *, signers: int, epoch: int) -> None:
        super().__init__(name, options)
        self._period_s = _read_period(name, options.block_time_s)
        if options.rules not in (_LONDON, _BERLIN):
            raise SpecError(
                f"the rules {':'.join(options.rules.words)} on the chain {name!r} of go-ethereum",
                "none (London's), or legacy:berlin",
                "Leave out the option geth, and a front seals the chain.",
            )
        if not 1 <= signers <= MAX_NODES:
            raise SpecError(
                f"{signers} nodes of go-ethereum for the chain {name!r}",
                f"1 to {MAX_NODES}",
                "Leave out the option geth, and a front seals for any number of signers.",
            )
        self.epoch = epoch
        self._initial = [self._account(index) for index in range(signers)]
        self._nodes: list[GethNode] = []
        self._settings: NodeSettings | None = None
        self._folder = Path()
        self._genesis_hash = b""
        self._signers: tuple[bytes, ...] = ()

    # --- what there is --------------------------------------------------------------------------------------

    def provide(self, tell: Callable[[str], None]) -> None:
        """Let Go build go-ethereum, where it is not there yet. Raises ChainStartError."""
        provide(tell)

    @property
    def nodes(self) -> tuple[GethNode, ...]:
        """All nodes that were ever started, in this order."""
        return tuple(self._nodes)

    @property
    def signers(self) -> tuple[bytes, ...]:
        """The addresses that may seal, 20 bytes each, ascending, since the last change."""
        return self._signers

    @property
    def http_url(self) -> str:
        """Where JSON-RPC is posted to: the first node."""
        return self._first.http_url

    @property
    def ws_url(self) -> str:
        """Where WebSockets are opened: the first node."""
        return self._first.ws_url

    @property
    def genesis_hash(self) -> bytes:
        """The hash of block 0, 32 bytes, which names this chain among all that ever had its chain id."""
        if not self._genesis_hash:
            raise self._not_running()
        return self._genesis_hash

    @property
    def pids(self) -> tuple[int, ...]:
        """The nodes that run."""
        return tuple(node.pid for node in self._nodes if node.pid is not None)

    def describe(self) -> ChainDetails:
        """Return the signers, and where their nodes are."""
        signers = self.signers
        return ChainDetails(
            summary=f"Clique, {len(signers)} signers of go-ethereum {VERSION}",
            consensus={"kind": self.kind, "epoch": self.epoch},
            facts={
                "signers": ["0x" + address.hex() for address in signers],
                "nodes": [node.http_url for node in self._nodes],
            },
            lines=(("nodes", " ".join(node.http_url for node in self._nodes)),),
        )

    # --- what it does ---------------------------------------------------------------------------------------

    async def height(self) -> int:
        """Return the newest block's number, as the first node that runs has it."""
        return int(await self._running.call("eth_blockNumber"), 16)

    async def wait_for(self, height: int) -> GethBlock:
        """Wait until the chain has this height; returns the block."""

        async def is_there() -> bool:
            return await self.height() >= height

        await self._until(is_there, f"block {height}")
        return GethBlock(height)

    async def fund(self, address: bytes, amount_wei: int) -> GethBlock:
        """Give money from the chain's own faucet; return the block that has the transaction."""
        # Two calls at once would read the same count and sign the same nonce.
        async with self._funding:
            node = self._running
            raw, tx_hash = sign_transaction(
                {
                    "chainId": self.chain_id,
                    "nonce": int(
                        await node.call("eth_getTransactionCount", self._faucet.address_text, "pending"), 16
                    ),
                    "to": address,
                    "value": amount_wei,
                    "gas": 100_000,
                    "gasPrice": 2 * int(await node.call("eth_gasPrice"), 16),
                },
                self._faucet.secret,
            )
            await node.call("eth_sendRawTransaction", "0x" + raw.hex())
            receipt: dict[str, Any] = {}

            async def is_included() -> bool:
                receipt.update(await node.call("eth_getTransactionReceipt", "0x" + tx_hash.hex()) or {})
                return bool(receipt)

            await self._until(is_included, "a transaction of the faucet")
            return GethBlock(int(receipt["blockNumber"], 16))

    async def add_signer(self) -> bytes:
        """Start one more node, and let all that run vote for it, until it may seal; return its address."""
        if len(self._nodes) == MAX_NODES:
            raise SpecError(f"{MAX_NODES + 1} nodes of go-ethereum", f"at most {MAX_NODES}")
        account = self._account(len(self._nodes))
        await self._add_node(account)
        await self._vote(account.address, add=True)
        return account.address

    async def remove_signer(self, address: bytes) -> None:
        """Let all signers that run vote to drop one of them, until it is dropped; its node goes on."""
        await self._vote(address, add=False)

    async def stop_signer(self, address: bytes) -> None:
        """Stop a signer's node. Where too many are down, the chain stands still."""
        await self._node_of(address).stop()

    async def start_signer(self, address: bytes) -> None:
        """Start a signer's node that was stopped."""
        node = self._node_of(address)
        if node.pid is None:
            await node.start()
            self._watch(node.watch(), f"geth {node.port}")

    # --- inside ---------------------------------------------------------------------------------------------

    async def _start(self, stack: AsyncExitStack) -> None:
        program = await asyncio.to_thread(provide, lambda _: None)
        folder = tempfile.TemporaryDirectory(prefix="postroad-geth-", ignore_cleanup_errors=True)
        self._folder = Path(stack.enter_context(folder))
        self._settings = NodeSettings(program, self._genesis(), self.options.guard)
        stack.push_async_callback(self._stop_nodes)
        for account in self._initial:
            await self._add_node(account)
        genesis = await self._first.call("eth_getBlockByNumber", "0x0", False)  # noqa: FBT003  JSON-RPC has no names
        self._genesis_hash = bytes.fromhex(genesis["hash"][2:])
        self._signers = await self._read_signers()
        await self.wait_for(majority(len(self._initial)) + 1)

    async def _stop_nodes(self) -> None:
        await asyncio.gather(*(node.stop() for node in self._nodes))

    async def _add_node(self, account: Account) -> None:
        assert self._settings is not None
        index = len(self._nodes)
        node = await GethNode.prepare(
            self._settings,
            self._folder / f"node{index}",
            account,
            self._nodes,
            port=0 if index else self.options.port,
        )
        # From here on the chain's end stops it, also when it can't be started.
        self._nodes.append(node)
        await node.start()
        self._watch(node.watch(), f"geth {node.port}")

    async def _vote(self, address: bytes, *, add: bool) -> None:
        members = await self._read_signers()
        if add == (address in members):
            raise SpecError(
                f"a vote to {'add' if add else 'drop'} {checksum_address(address)}, which "
                f"{'is' if add else 'is not'} in the set",
                "a vote that changes the set",
            )
        text = "0x" + address.hex()
        voters = [node for node in self._nodes if node.pid is not None and node.account.address in members]
        for voter in voters:
            await voter.call("clique_propose", text, add)

        async def is_decided() -> bool:
            self._signers = await self._read_signers()
            return (address in self._signers) == add

        await self._until(is_decided, f"the vote on {checksum_address(address)}")
        # Otherwise they would repeat it in every block, and count it again after an epoch.
        for voter in voters:
            await voter.call("clique_discard", text)

    async def _read_signers(self) -> tuple[bytes, ...]:
        listed = await self._running.call("clique_getSigners", "latest")
        return tuple(sorted(bytes.fromhex(address[2:]) for address in listed))

    async def _until(self, is_so: Callable[[], Awaitable[bool]], what: str) -> None:
        try:
            async with asyncio.timeout(_CHANGE_TIMEOUT_S):
                while not await is_so():  # noqa: ASYNC110  another process decides
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise ExecutionError(
                f"{what} of {self.name} did not come within {_CHANGE_TIMEOUT_S:.0f} s",
                "more than half of the signers, running",
            ) from None

    def _genesis(self) -> Mapping[str, Any]:
        forks = (*_FORKS, "london") if self.options.rules == _LONDON else _FORKS
        rich = {account.address: self.options.balance_wei for account in self.funded_keys}
        balances = {**rich, self._faucet.address: FAUCET_WEI}
        signers = b"".join(sorted(account.address for account in self._initial))
        return {
            "config": {
                "chainId": self.chain_id,
                **{f"{name}Block": 0 for name in forks},
                "clique": {"period": self._period_s, "epoch": self.epoch},
            },
            "difficulty": "0x1",
            "gasLimit": hex(self.options.gas_limit),
            # Block 1 follows at once.
            "timestamp": hex(int(time.time()) - self._period_s),
            "extraData": "0x" + (bytes(VANITY_BYTES) + signers + bytes(SEAL_BYTES)).hex(),
            "alloc": {address.hex(): {"balance": hex(wei)} for address, wei in balances.items()},
        }

    def _account(self, index: int) -> Account:
        return derive_account(self.seed, self.name, "signer", index)

    def _node_of(self, address: bytes) -> GethNode:
        for node in self._nodes:
            if node.account.address == address:
                return node
        raise DevnetError(
            f"no node of the signer {checksum_address(address)} on {self.name}",
            "one of " + ", ".join(node.account.address_text for node in self._nodes),
        )

    @property
    def _first(self) -> GethNode:
        if not self._nodes:
            raise self._not_running()
        return self._nodes[0]

    @property
    def _running(self) -> GethNode:
        for node in self._nodes:
            if node.pid is not None:
                return node
        raise self._not_running()

    def _served_admin_methods(self) -> Mapping[str, AdminMethod]:
        async def add() -> str:
            return "0x" + (await self.add_signer()).hex()

        async def fund(address: str, amount_wei: str) -> None:
            await self.fund(read_address(address), int(amount_wei, 16))

        return {
            "postroad_addSigner": add,
            "postroad_removeSigner": _by_address(self.remove_signer),
            "postroad_stopSigner": _by_address(self.stop_signer),
            "postroad_startSigner": _by_address(self.start_signer),
            "postroad_fund": fund,
        }


def _read_period(name: str, block_time_s: float | None) -> int:
    """Return seconds between blocks. Raises SpecError."""
    if block_time_s is None or block_time_s != int(block_time_s) or block_time_s < 1:
        shown = "blocks on demand" if block_time_s is None else f"a block time of {block_time_s:g} s"
        raise SpecError(
            f"{shown} on the chain {name!r} of go-ethereum",
            "whole seconds, at least 1",
            "Leave out the option geth, and a front seals the chain.",
        )
    return int(block_time_s)


def _by_address(act: Callable[[bytes], Awaitable[None]]) -> AdminMethod:
    async def method(address: str) -> None:
        await act(read_address(address))

    return method
