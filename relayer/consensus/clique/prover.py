# SPDX-License-Identifier: MIT
"""Why to believe a Clique chain: more than half of its signers built on a block, one after the other.

A head says how far the chain has come. The block that is verified lies some blocks below, under as many
headers as the light client asks for. It and they are read from one provider, and checked by Clique's rules
under the trusted set. Where that set did not seal them, update_path.py leads to the one that did. Whatever is
returned has passed the light client, on the very bytes that are sent (INV-5, INV-7).

Heads are reorganised every day, and that is nobody's fault. A block that was verified is reorganised only
where more than half of the signers built on two branches: then MisbehaviourFound is raised, with both.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from light_clients.client import Height, Timestamp
from light_clients.clique.client import CliqueClient, CliqueParams, CliqueState
from light_clients.clique.codec import encode_misbehaviour, encode_proof
from light_clients.clique.header import CliqueHeader
from light_clients.clique.signers import check_set, set_hash
from light_clients.errors import HeaderRejected, Rejection
from relayer.chains.base import AccountProof, Address, Chain, Head
from relayer.chains.evm.chain import EvmChain
from relayer.chains.provider_pool import OnRpcError
from relayer.consensus.activity import require_active
from relayer.consensus.base import (
    DeliveryCost,
    OnChainClient,
    VerifiedHeader,
)
from relayer.consensus.clique import KIND
from relayer.consensus.clique.config import CliqueConfig
from relayer.consensus.clique.contract import OnChainClique, read_client
from relayer.consensus.clique.signer_search import find_signers
from relayer.consensus.clique.update_path import (
    CliqueUpdatePath,
    believe_run,
    first_to_read,
    heights,
    read_linked,
)
from relayer.consensus.header_prover import HeaderProver, HeaderSource, to_verified
from relayer.consensus.kind import ConfiguredChain, OpenProver
from relayer.consensus.sources import RunSource
from relayer.errors import (
    ChainUnavailable,
    ConfigError,
    MisbehaviourFound,
    NotFoundYet,
    RpcAnswerInvalid,
)

T = TypeVar("T")

#: A state of another version is refused, and never misread.
_STATE_VERSION: Final = 1
#: Verified headers that are kept, with those that stand on them; an older one is read again when needed.
_KEPT_RUNS: Final = 64
#: Blocks that are read in one piece from the last verified one on. Behind a longer pause it is read apart.
_LINKED: Final = 64
#: Blocks after which an idle chain is followed though nobody waits for a newer header.
_IDLE_BLOCKS: Final = 64


class CliqueSource(RunSource, HeaderSource, Protocol):
    """What is asked of the chain that is to be proven; relayer.chains.evm.chain.EvmChain offers it."""


class _ExportedCliqueState(msgspec.Struct):
    """The trusted state as the journal keeps it, in JSON. `sealing_since` is as CliqueProver has it."""

    version: int
    consensus: str
    signers: list[str]
    height: int
    timestamp: int
    frozen: bool
    sealing_since: int


class CliqueProver(HeaderProver[CliqueSource, CliqueClient, Sequence[CliqueHeader]]):
    """Proves one Clique chain. Implements relayer.consensus.base.Prover.

    Args:
        source: the chain that is proven.
        client: our own light client, which begins with the configured bootstrap.
        signers: the set that it trusts, ascending.
        clock: our own time, in seconds since 1970.
    """

    signers = KIND.signers
    #: A block is believed when enough others stand on it.
    has_delayed_finality = True

    def __init__(
        self,
        source: CliqueSource,
        client: CliqueClient,
        signers: Sequence[bytes],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(source, client, clock)
        self._signers = tuple(signers)
        # By number, verified blocks with those that stand on them.
        self._runs: OrderedDict[Height, Sequence[CliqueHeader]] = OrderedDict()
        self._newest: CliqueHeader | None = None
        self._head = Height(0)
        # The first block that our trusted set seals; 0 while it is the set that we began with.
        self._sealing_since = Height(0)
        # Sets that were trusted, by their hashes: clients on destinations follow later than we do.
        self._known = {client.state.set_hash: self._signers}
        # Where we have come to on the way to a newer set; None unless that set's blocks are waited for.
        self._way: tuple[CliqueClient, tuple[bytes, ...], Height] | None = None
        # Why no newer block is believed though there are enough; "" while nothing is in the way.
        self._trouble = ""
        self._lock = asyncio.Lock()

    @property
    def trusted_signers(self) -> tuple[bytes, ...]:
        """The trusted set, 20 bytes each, ascending."""
        return self._signers

    @property
    def costs(self) -> DeliveryCost:
        """A delivery brings a header for every second signer. No precompile hides that gas ran out."""
        return DeliveryCost(first_base_gas=150_000 + 20_000 * self._depth)

    @property
    def _depth(self) -> int:
        return self._client.params.depth(len(self._signers))

    # --- following ------------------------------------------------------------------------------------------

    async def verify_head(self, head: Head, *, wanted: bool = True) -> VerifiedHeader:
        """Verify the newest block that enough others stand on, and follow changes of the signers up to it.

        Raises:
            Rejection: the headers are not to be believed.
            ClientExpired, ClientFrozen: our own light client is; the configuration needs a newer bootstrap.
            ChainUnavailable: no provider has headers that are to be believed.
            NotFoundYet: there are too few blocks, or a change of the signers can't be followed yet.
            MisbehaviourFound: another block of a verified height is under as many.
        """
        async with self._lock:
            self._check_own()
            newest = self._newest
            self._head = head.number
            number = Height(head.number - self._depth)
            if newest is not None and (
                number <= newest.number or not (wanted or number > newest.number + _IDLE_BLOCKS)
            ):
                return to_verified(newest)
            if number < 1:
                raise NotFoundYet(
                    f"a chain of {head.number} blocks",
                    f"at least {self._depth + 1}, by {self._explain_depth()}",
                )
            try:
                run = await self._follow(number)
            except NotFoundYet as error:
                # The signers are changing, and what is needed is not there yet. What was verified stays so.
                self._trouble = str(error)
                if newest is None:
                    raise
                return to_verified(newest)
            self._trouble = ""
            self._keep(run)
            return to_verified(run[0])

    async def _follow(self, number: Height) -> Sequence[CliqueHeader]:
        """Return a block with those that stand on it, believed by our own client, which follows there."""
        run = await self._read(number)
        if run is not None:
            self._way = None
            return run
        path = self._path(self._client, self._signers, self._now())
        if self._way is not None:
            path.client, path.signers, path.since = self._way
        try:
            is_there = False
            while not is_there:
                # A newer set may ask for more blocks than ours, and then leads not quite as far.
                target = Height(min(number, self._head - path.depth))
                is_there = await path.advance(target) and target + path.depth <= self._head
            return await self._move(path, number)
        except (NotFoundYet, Rejection, ChainUnavailable):
            # A provider may have invented a change. Another one's blocks decide, and if it has none
            # either, the reason why the way breaks off is worth more than that.
            run = await self._read_from_others(number)
            if run is None:
                self._way = path.client, path.signers, path.since
                raise
            return run

    async def _move(self, path: CliqueUpdatePath, number: Height) -> Sequence[CliqueHeader]:
        """Take over where a path has led to, once a block of the new set is believed."""
        first = Height(max(path.since, min(number, self._head - path.depth)))
        run = None
        if first + path.depth <= self._head:
            run = await self._source.checked_blocks(
                heights(first, first + path.depth),
                lambda blocks: believe_run(path.client, path.signers, read_linked(blocks), self._now()),
            )
        if run is None:
            raise NotFoundYet(
                f"the signers have changed, and block {self._head} is the newest",
                f"{path.depth} blocks of theirs on block {first}",
            )
        self._sealing_since = path.since
        self._client, self._signers = path.client, path.signers
        self._known[path.client.state.set_hash] = path.signers
        self._way = None
        return run

    async def _read(self, number: Height) -> Sequence[CliqueHeader] | None:
        """Return a block with those that stand on it, if the trusted set sealed them all; else None.

        It has to lead back to the block that was verified last: who shows another one of that height has
        left it, and proves misbehaviour where that is under as many headers.

        Raises:
            MisbehaviourFound: somebody does.
        """
        newest = self._newest
        if newest is not None and number <= newest.number + _LINKED:
            return await self._read_between(newest.number, number, newest)
        if newest is not None:
            await self._read_between(newest.number, newest.number, newest)
        return await self._read_between(first_to_read(self._client, self._signers, number), number, None)

    async def _read_between(
        self, first: Height, number: Height, known: CliqueHeader | None
    ) -> Sequence[CliqueHeader] | None:
        """Read the blocks from `first`, which is the known header where one is given, to those that stand on
        `number`: the trusted set has to have sealed them all. Return as `_read`.
        """
        client, signers, depth, now = self._client, self._signers, self._depth, self._now()

        def check(
            blocks: Sequence[Mapping[str, Any]],
        ) -> tuple[Sequence[CliqueHeader] | None, Sequence[CliqueHeader] | None]:
            headers = read_linked(blocks)
            if known is None or headers[0].block_hash == known.block_hash:
                return believe_run(client, signers, headers, now, number - first), None
            other = believe_run(client, signers, headers[: depth + 1], now)
            if other is None:
                raise HeaderRejected(
                    f"another block {first} than the verified one",
                    found=headers[0].block_hash,
                    expected=known.block_hash,
                )
            return None, other

        run, other = await self._source.checked_blocks(heights(first, number + depth), check)
        if other is not None:
            raise MisbehaviourFound(
                f"two blocks {first} under {depth} headers each: 0x{self._runs[first][0].block_hash.hex()} and "
                f"0x{other[0].block_hash.hex()}",
                self._freeze_data(self._runs[first], other),
            )
        return run

    async def _read_from_others(self, number: Height) -> Sequence[CliqueHeader] | None:
        """Return what some provider has of a block and those on it, if our own client believes that.

        Nobody is blamed: while the signers change, honest providers have nothing that it believes.
        """
        if self.provider_count < 2:
            return None
        for blocks in await self._blocks_of_everyone(heights(number, number + self._depth)):
            with contextlib.suppress(Rejection):
                run = believe_run(self._client, self._signers, read_linked(blocks), self._now())
                if run is not None:
                    return run
        return None

    async def _blocks_of_everyone(self, numbers: Sequence[Height]) -> list[list[Mapping[str, Any]]]:
        """Return consecutive blocks as every provider tells them that has them all."""
        told: dict[str, list[Mapping[str, Any]]] = {}
        for number in numbers:
            for label, block in await self._source.blocks_of_everyone(number):
                told.setdefault(label, []).append(block)
        return [blocks for blocks in told.values() if len(blocks) == len(numbers)]

    def _path(self, client: CliqueClient, signers: Sequence[bytes], now: Timestamp) -> CliqueUpdatePath:
        return CliqueUpdatePath(self._source, client, signers, self._head, now)

    def _keep(self, run: Sequence[CliqueHeader]) -> None:
        header = run[0]
        self._runs[header.number] = run
        while len(self._runs) > _KEPT_RUNS:
            self._runs.popitem(last=False)
        if self._newest is None or header.number > self._newest.number:
            self._newest = header
        state = self._client.state
        if header.number > state.height and header.timestamp >= state.timestamp:
            # What was believed is all that an update for an unchanged set asks for.
            moved = CliqueState(state.set_hash, header.number, header.timestamp, state.frozen)
            self._client = CliqueClient(self._client.params, moved)

    def describe_finality_wait(self, head: Head, number: Height) -> str:
        """Return how many blocks stand on a block, of how many that are needed, and what is in the way."""
        standing = max(0, head.number - number)
        if standing < self._depth:
            return f"{standing} of {self._depth} blocks on it: {self._explain_depth()}"
        return self._trouble

    def _explain_depth(self) -> str:
        needed, extra = self._depth - self._client.params.extra_depth, self._client.params.extra_depth
        more = f" and {extra} more" if extra else ""
        return f"more than half of {len(self._signers)} signers ({needed}){more}; probable, never final"

    # --- proving --------------------------------------------------------------------------------------------

    async def _find_verified(self, header: VerifiedHeader) -> Sequence[CliqueHeader]:
        run = self._runs.get(header.number)
        if run is None or run[0].block_hash != header.hash:
            run = await self._source.checked_blocks(
                heights(header.number, header.number + self._depth),
                lambda blocks: _read_again(blocks, header),
            )
        return run

    def _encode_proof(
        self, block: Sequence[CliqueHeader], account: Address, slot: bytes, proof: AccountProof
    ) -> bytes:
        # A run that was read under a smaller set may be too short by now; then the client says so.
        believed = (self._signers, block[: self._depth + 1], self._client.params.epoch)
        return encode_proof(proof.storage_nodes[slot], proof.account_nodes, believed, account, slot)

    # --- misbehaviour ---------------------------------------------------------------------------------------

    async def look_for_misbehaviour(self) -> bytes | None:
        """Compare what all providers say of the newest verified block.

        Returns:
            The argument of `freeze` when a provider shows another block of that height, under as many
            headers of the trusted signers; else None. Heads that differ are ordinary.
        """
        newest = self._newest
        if newest is None:
            return None
        told = await self._source.blocks_of_everyone(newest.number)
        if all(_hash_of(block) == newest.block_hash for _, block in told):
            return None
        known = self._runs[newest.number]
        for blocks in await self._blocks_of_everyone(heights(newest.number, newest.number + self._depth)):
            with contextlib.suppress(Rejection):
                found = believe_run(self._client, self._signers, read_linked(blocks), self._now())
                if found is not None and found[0].block_hash != newest.block_hash:
                    return self._freeze_data(known, found)
        return None

    def _freeze_data(self, first: Sequence[CliqueHeader], second: Sequence[CliqueHeader]) -> bytes:
        count = self._depth + 1
        data = encode_misbehaviour(self._signers, first[:count], second[:count], self._client.params.epoch)
        self._client.freeze(data)
        return data

    # --- clients on destinations ----------------------------------------------------------------------------

    async def client_at(self, destination: Chain, client: Address) -> OnChainClient:
        """Read this chain's light client on a destination.

        Raises RpcAnswerInvalid for a client of another epoch, ChainUnavailable.
        """
        found = await self._read_client(destination, client)
        current = found.state.set_hash == self._client.state.set_hash
        depth = found.params.depth(len(self._signers))
        remarks = [f"believes a block under {depth} others, by {self._explain_depth()}"]
        if not current:
            remarks.append(
                "trusts other signers than those who seal now: an update counts their votes, or shows an epoch block"
            )
        if self._trouble:
            remarks.append(self._trouble)
        return OnChainClient(
            client,
            found.status,
            found.state.height,
            found.state.timestamp,
            found.params.trusting_period_s,
            current,
            self._sealing_since if current else Height(0),
            remarks=tuple(remarks),
        )

    async def updates_for(self, destination: Chain, client: Address) -> tuple[bytes, ...]:
        """Return the arguments of `update`, in order, that bring a client to the newest verified header.

        Where the set is unchanged, it is one update, which renews the trusting period. After a very long
        absence it is the first part of the way; ask again once these are on chain.

        Raises:
            ClientExpired, ClientFrozen: no update can help.
            NotFoundYet: no header was verified yet, or a change of the signers can't be shown yet.
            ChainUnavailable: no provider's headers lead there.
        """
        target = self._newest
        if target is None:
            raise NotFoundYet("no verified header to bring the client to", "a verified head first")
        found = await self._read_client(destination, client)
        require_active(found.status, client, found.state.timestamp + found.params.trusting_period_s)
        if target.number <= found.state.height:
            return ()
        signers = await self._signers_of(found.state)
        # The contract judges by its own chain's clock, which can't run behind its newest block.
        now = (await destination.head()).timestamp
        path = self._path(CliqueClient(found.params, found.state), signers, now)
        await path.advance(target.number)
        return tuple(path.updates)

    async def _read_client(self, destination: Chain, client: Address) -> OnChainClique:
        found = await read_client(destination, client)
        ours, its = self._client.params, found.params
        if (its.epoch, its.extra_depth) != (ours.epoch, ours.extra_depth):
            raise RpcAnswerInvalid(
                f"a light client with epoch {its.epoch} and extra depth {its.extra_depth} at 0x{client.hex()}",
                f"epoch {ours.epoch} and extra depth {ours.extra_depth}, as configured",
                "Is the chain's consensus configured right?",
            )
        return found

    async def _signers_of(self, state: CliqueState) -> tuple[bytes, ...]:
        """Return the signers behind a trusted set's hash: a set that we trusted, or the one at its height."""
        known = self._known.get(state.set_hash)
        if known is not None:
            return known

        async def read(numbers: Sequence[Height]) -> Sequence[Mapping[str, Any]]:
            return await self._source.checked_blocks(numbers, list)

        try:
            signers = await find_signers(read, state.height, self._client.params.epoch)
        except Rejection as error:
            raise ChainUnavailable(f"no signers behind block {state.height}: {error}") from error
        if set_hash(signers) != state.set_hash:
            raise ChainUnavailable(
                f"the signers behind block {state.height} hash to 0x{set_hash(signers).hex()}",
                f"0x{state.set_hash.hex()}, which the client trusts",
                "Another provider may have the client's chain; else its admin must bootstrap it again",
            )
        self._known[state.set_hash] = signers
        return signers

    # --- state ----------------------------------------------------------------------------------------------

    def export_state(self) -> bytes:
        """Return the trusted state, for the journal."""
        state = self._client.state
        return msgspec.json.encode(
            _ExportedCliqueState(
                _STATE_VERSION,
                KIND.name,
                [signer.hex() for signer in self._signers],
                state.height,
                state.timestamp,
                state.frozen,
                self._sealing_since,
            )
        )

    def import_state(self, state: bytes) -> None:
        """Take over a state that `export_state` gave, unless it is older than the configured bootstrap.

        An operator who configures a newer bootstrap wants trust to begin there. Raises ValueError for
        anything that is no such state.
        """
        try:
            found = msgspec.json.decode(state, type=_ExportedCliqueState)
            signers = tuple(bytes.fromhex(text) for text in found.signers)
            check_set(signers)
        except (msgspec.DecodeError, ValueError, Rejection) as error:
            raise ValueError(f"found a prover's state that can't be read ({error}), expected one") from error
        if found.version != _STATE_VERSION or found.consensus != KIND.name or found.height < 1:
            raise ValueError(
                f"found a prover's state of version {found.version} for {found.consensus[:20]} at height "
                f"{found.height}, expected version {_STATE_VERSION} for {KIND.name}"
            )
        if found.height < self._client.state.height:
            return
        trusted = set_hash(signers)
        moved = CliqueState(trusted, Height(found.height), Timestamp(found.timestamp), frozen=found.frozen)
        self._signers, self._client = signers, CliqueClient(self._client.params, moved)
        self._known[trusted] = signers
        self._sealing_since = Height(found.sealing_since)


def _read_again(blocks: Sequence[Mapping[str, Any]], header: VerifiedHeader) -> Sequence[CliqueHeader]:
    headers = read_linked(blocks)
    if headers[0].block_hash != header.hash:
        raise HeaderRejected("another block", found=headers[0].block_hash, expected=header.hash)
    return headers


def _hash_of(block: Mapping[str, Any]) -> bytes:
    """Return the hash of a block's fields; empty where they are no header's."""
    try:
        return CliqueHeader.from_rpc(block).block_hash
    except Rejection:
        return b""


def open_prover(
    chain: ConfiguredChain[CliqueConfig],
    source: EvmChain,
    on_error: OnRpcError | None = None,  # noqa: ARG001  headers come from the chain itself
) -> OpenProver:
    """Build the prover of a configured chain. Raises ConfigError without a bootstrap."""
    bootstrap = chain.consensus.bootstrap
    if bootstrap is None:
        raise ConfigError(
            f"chains.{chain.name}.consensus without a bootstrap",
            "the signers that trust begins with",
            "Run `postroad endpoint deploy`, or copy them from the endpoint's owner",
        )
    signers = tuple(map(bytes, bootstrap.signers))
    params = params_of(chain)
    client = CliqueClient.bootstrap(params, signers, Height(bootstrap.height), Timestamp(bootstrap.timestamp))
    return OpenProver(CliqueProver(source, client, signers))


def params_of(chain: ConfiguredChain[CliqueConfig]) -> CliqueParams:
    """Return the rules of a configured chain's light clients."""
    return CliqueParams(
        chain.consensus.epoch,
        chain.consensus.extra_depth,
        chain.chain.trusting_period_s,
        chain.chain.max_clock_drift_s,
    )
