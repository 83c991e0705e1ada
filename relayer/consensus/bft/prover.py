# SPDX-License-Identifier: MIT
"""Why to believe a BFT chain: its validators' seals, through every change of the validators.

A head is verified in three steps. The block is read, and its own validators must have sealed it. Where these
are not the trusted ones, update_path.py leads from the trusted set to them. Then the light client checks the
header. Whatever is returned has passed that client, on the very bytes that are sent (INV-5, INV-7).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import msgspec

from light_clients.bft.client import BftClient, BftParams, BftState, quorum, set_hash
from light_clients.bft.codec import encode_misbehaviour, encode_proof
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKinds
from light_clients.bft.validators import check_set
from light_clients.client import Height, Timestamp
from light_clients.errors import HeaderRejected, QuorumNotReached, Rejection
from relayer.chains.base import AccountProof, Address, Chain, Head
from relayer.chains.evm.chain import EvmChain
from relayer.chains.provider_pool import OnRpcError
from relayer.consensus.activity import require_active
from relayer.consensus.base import (
    DeliveryCost,
    OnChainClient,
    VerifiedHeader,
)
from relayer.consensus.bft import KIND
from relayer.consensus.bft.config import LABELS, BftConfig, describe
from relayer.consensus.bft.contract import OnChainState, read_client
from relayer.consensus.bft.contract_mode.prover import open_contract_mode
from relayer.consensus.bft.protocols import sealed_as
from relayer.consensus.bft.update_path import BftHeaderSource, BftUpdatePath, describe_change
from relayer.consensus.header_prover import HeaderProver, HeaderSource, to_verified
from relayer.consensus.kind import ConfiguredChain, OpenProver
from relayer.consensus.sources import BlockSource
from relayer.errors import (
    ClientExpired,
    ConfigError,
    MisbehaviourFound,
    NotFoundYet,
)

T = TypeVar("T")

#: A state of another version is refused, and never misread.
_STATE_VERSION: Final = 1
#: Verified headers that are kept, with their seals, for proofs; an older one is read again when it is needed.
_KEPT_HEADERS: Final = 128


class BftSource(BlockSource, BftHeaderSource, HeaderSource, Protocol):
    """What is asked of the chain that is to be proven; relayer.chains.evm.chain.EvmChain offers it."""


@dataclass(frozen=True, slots=True)
class BftBootstrap:
    """What is trusted from the start, and by which rules.

    Attributes:
        kinds: the chain's protocol, or two with the height of the change.
        validators: who seals the block at `height`, 20 bytes each, in the header's order.
        height: at least 1.
        timestamp: of that block, in seconds.
        trusting_period_s: how long a set is believed after its header's time.
        max_clock_drift_s: how far a header's time may lie ahead of ours.
    """

    kinds: BftKinds
    validators: tuple[bytes, ...]
    height: Height
    timestamp: Timestamp
    trusting_period_s: int
    max_clock_drift_s: int


class _ExportedBftState(msgspec.Struct):
    """The trusted state as the journal keeps it, in JSON."""

    version: int
    validators: list[str]
    height: int
    timestamp: int
    frozen: bool


class BftProver(HeaderProver[BftSource, BftClient, BftHeader]):
    """Proves one BFT chain. Implements relayer.consensus.base.Prover.

    Args:
        source: the chain that is proven.
        bootstrap: where trust begins.
        clock: our own time, in seconds since 1970.
    """

    signers = KIND.signers
    #: Seals are cheap to check, and no precompile hides that gas ran out.
    costs = DeliveryCost()

    def __init__(
        self, source: BftSource, bootstrap: BftBootstrap, clock: Callable[[], float] = time.time
    ) -> None:
        params = BftParams(bootstrap.kinds, bootstrap.trusting_period_s, bootstrap.max_clock_drift_s)
        client = BftClient.bootstrap(params, bootstrap.validators, bootstrap.height, bootstrap.timestamp)
        super().__init__(source, client, clock)
        self._validators = bootstrap.validators
        self._headers: OrderedDict[Height, BftHeader] = OrderedDict()
        self._newest: BftHeader | None = None
        # The block that made our trusted set the trusted one; 0 while it is the one that we began with.
        self._sealing_since = Height(0)
        # What that change took, for people; "" before there was one.
        self._change = ""
        self._lock = asyncio.Lock()

    @property
    def validators(self) -> tuple[bytes, ...]:
        """The trusted set, 20 bytes each, in the order of the header."""
        return self._validators

    async def verify_head(self, head: Head, *, wanted: bool = True) -> VerifiedHeader:  # noqa: ARG002  always
        """Verify the block of a head's number, and follow every change of the validators up to it.

        Raises:
            Rejection: the header is not to be believed.
            ClientExpired, ClientFrozen: our own light client is, and the configuration needs a newer
                bootstrap; or the chain went to a protocol that the configuration does not name.
            ChainUnavailable: no provider has a header that is to be believed.
            NotFoundYet: nobody has the block yet, or the seals that a change of the validators needs.
            MisbehaviourFound: another header of this height was verified before.
        """
        async with self._lock:
            self._check_own()
            # The head's hash is hearsay. It decides only whether a header that was verified before will do.
            known = self._headers.get(head.number)
            if known is not None and known.block_hash == head.hash:
                return to_verified(known)
            header = await self._source.checked_block(head.number, self._read_header)
            if header.validators != self._validators:
                await self._follow(header)
            # This is asked after following as well: only the light client's own verdict counts (INV-7).
            self._client.check_header(header, self._now())
            self._keep(header)
            return to_verified(header)

    async def _find_verified(self, header: VerifiedHeader) -> BftHeader:
        sealed = self._headers.get(header.number)
        if sealed is None or sealed.block_hash != header.hash:
            sealed = await self._source.checked_block(
                header.number, lambda block: self._read_again(block, header)
            )
        # The validators may have changed since it was verified, and then the contract would refuse the proof.
        self._client.check_header(sealed, self._now())
        return sealed

    def _encode_proof(self, block: BftHeader, account: Address, slot: bytes, proof: AccountProof) -> bytes:
        return encode_proof(proof.storage_nodes[slot], proof.account_nodes, block, account, slot)

    async def client_at(self, destination: Chain, client: Address) -> OnChainClient:
        """Read this chain's light client on a destination.

        Raises:
            ClientExpired: it was deployed for another protocol than the newest header is of.
            RpcAnswerInvalid: it is no such contract.
            ChainUnavailable: no provider answers.
        """
        found = await read_client(destination, client)
        self._check_reads(found, client)
        current = found.state.set_hash == self._client.state.set_hash
        return OnChainClient(
            client,
            found.status,
            found.state.height,
            found.state.timestamp,
            found.params.trusting_period_s,
            current,
            self._sealing_since if current else Height(0),
            remarks=() if current or not self._change else (self._change,),
        )

    async def updates_for(self, destination: Chain, client: Address) -> tuple[bytes, ...]:
        """Return the arguments of `update`, in order, that bring a client to the newest verified header.

        Where the set is unchanged, it is one update, which renews the trusting period. After a very long
        absence it is the first part of the way; ask again once these are on chain.

        Raises:
            ClientExpired, ClientFrozen: no update can help.
            NotFoundYet: no header was verified yet, or the newest blocks lack seals of the client's set.
            ChainUnavailable: no provider's headers lead there.
        """
        target = self._newest
        if target is None:
            raise NotFoundYet("no verified header to bring the client to", "a verified head first")
        found = await read_client(destination, client)
        require_active(found.status, client, found.state.timestamp + found.params.trusting_period_s)
        self._check_reads(found, client)
        if target.number <= found.state.height:
            return ()
        validators = await self._validators_of(found.state)
        # The contract judges by its own chain's clock, which can't run behind its newest block.
        now = (await destination.head()).timestamp
        path = BftUpdatePath(self._source, BftClient(found.params, found.state), validators, now)
        await path.advance(target)
        return tuple(path.updates)

    def encode_freeze(self, first: Mapping[str, Any], second: Mapping[str, Any]) -> bytes | None:
        """Return the argument of `freeze` when two blocks, as providers give them, prove misbehaviour.

        None when they do not: the trusted set did not seal both, or both are one block, sealed in two
        rounds for example.
        """
        try:
            headers = [BftHeader.from_rpc(block, self._client.params.kinds) for block in (first, second)]
            return self._freeze_data(*headers)
        except Rejection:
            return None

    async def look_for_misbehaviour(self, number: Height | None = None) -> bytes | None:
        """Compare what all providers say of a block, by default of the newest verified one.

        Returns:
            The argument of `freeze` when two answers together prove misbehaviour of the validators; else
            None. Answers that differ without proving that are only wrong answers.
        """
        if number is None:
            if self._newest is None:
                return None
            number = self._newest.number
        told = await self._source.blocks_of_everyone(number)
        known = self._headers.get(number)
        headers = [] if known is None else [known]
        for _, block in told:
            try:
                headers.append(BftHeader.from_rpc(block, self._client.params.kinds))
            except Rejection:
                continue
        distinct = list({header.block_hash: header for header in headers}.values())
        for index, first in enumerate(distinct):
            for second in distinct[index + 1 :]:
                try:
                    return self._freeze_data(first, second)
                except Rejection:
                    continue
        return None

    def export_state(self) -> bytes:
        """Return the trusted state, for the journal."""
        state = self._client.state
        return msgspec.json.encode(
            _ExportedBftState(
                _STATE_VERSION,
                [validator.hex() for validator in self._validators],
                state.height,
                state.timestamp,
                state.frozen,
            )
        )

    def import_state(self, state: bytes) -> None:
        """Take over a state that `export_state` gave, unless it is older than the configured bootstrap.

        An operator who configures a newer bootstrap wants trust to begin there. Raises ValueError for
        anything that is no such state.
        """
        try:
            found = msgspec.json.decode(state, type=_ExportedBftState)
            validators = tuple(bytes.fromhex(text) for text in found.validators)
            check_set(validators)
        except (msgspec.DecodeError, ValueError, Rejection) as error:
            raise ValueError(f"found a prover's state that can't be read ({error}), expected one") from error
        if found.version != _STATE_VERSION or found.height < 1:
            raise ValueError(
                f"found a prover's state of version {found.version} at height {found.height}, expected version "
                f"{_STATE_VERSION}"
            )
        if found.height < self._client.state.height:
            return
        self._validators = validators
        self._client = BftClient(
            self._client.params,
            BftState(
                set_hash(validators), Height(found.height), Timestamp(found.timestamp), frozen=found.frozen
            ),
        )

    # --- verifying ------------------------------------------------------------------------------------------

    def _read_header(self, block: Mapping[str, Any]) -> BftHeader:
        """Return the header of a block that enough of its own validators sealed. Raises Rejection.

        Whether those validators are to be trusted is checked afterwards (`_follow`): it takes more blocks,
        and a provider that lies about its own seals is found out at once here. Raises ClientExpired where
        the chain went to a protocol that the configuration does not name.
        """
        try:
            header = BftHeader.from_rpc(block, self._client.params.kinds)
        except Rejection:
            self._check_protocol(block)
            raise
        if header.validators == self._validators:
            self._client.check_header(header, self._now())
            return header
        sealed, needed = len(header.sealers()), quorum(len(header.validators))
        if sealed < needed:
            raise QuorumNotReached("too few validators sealed", found=sealed, expected=f"at least {needed}")
        return header

    def _check_protocol(self, block: Mapping[str, Any]) -> None:
        """Raise ClientExpired for a block that the trusted set sealed by another protocol than configured.

        A quorum of it can't have been made up by a provider, so asking others would not help.
        """
        sealed, kinds = sealed_as(block), self._client.params.kinds
        if sealed is None or sealed.kind is kinds.at(sealed.number):
            return
        if sealed.validators == self._validators and len(sealed.sealers()) >= quorum(len(self._validators)):
            raise ClientExpired(
                f"blocks are sealed as {LABELS[sealed.kind]} by the trusted validators: the chain has changed its protocol",
                f"{describe(kinds)}, as configured",
                "`postroad endpoint check` names the setting that follows the change",
            )

    def _check_reads(self, found: OnChainState, client: Address) -> None:
        """Raise ClientExpired for a client that can't read the newest header: its protocol is another."""
        height = self._client.state.height if self._newest is None else self._newest.number
        own, other = self._client.params.kinds.at(height), found.params.kinds.at(height)
        if own is not other:
            raise ClientExpired(
                f"the light client 0x{client.hex()} reads the newest blocks as {LABELS[other]}, which are sealed as "
                f"{LABELS[own]}",
                describe(self._client.params.kinds),
                "Its admin replaces it by one that knows the change of the protocol (`postroad client replace`)",
            )

    def _read_again(self, block: Mapping[str, Any], header: VerifiedHeader) -> BftHeader:
        found = BftHeader.from_rpc(block, self._client.params.kinds)
        if found.block_hash != header.hash:
            raise HeaderRejected("another block", found=found.block_hash, expected=header.hash)
        return found

    async def _follow(self, header: BftHeader) -> None:
        """Lead our own light client to the set of a header.

        What was reached is kept when the way breaks off.
        """
        while True:
            path = BftUpdatePath(self._source, self._client, self._validators, self._now())
            try:
                is_there = await path.advance(header)
            finally:
                if path.validators != self._validators:
                    self._sealing_since = path.client.state.height
                    needed, meaning = describe_change(self._validators, path.validators)
                    self._change = f"block {self._sealing_since} changed the validators: {needed}. {meaning}"
                self._client, self._validators = path.client, path.validators
            if is_there:
                return

    def _keep(self, header: BftHeader) -> None:
        before = self._headers.get(header.number)
        if before is not None and before.block_hash != header.block_hash:
            raise MisbehaviourFound(
                f"two sealed blocks {header.number}: 0x{before.block_hash.hex()} and 0x{header.block_hash.hex()}",
                self._freeze_data(before, header),
            )
        self._headers[header.number] = header
        while len(self._headers) > _KEPT_HEADERS:
            self._headers.popitem(last=False)
        if self._newest is None or header.number > self._newest.number:
            self._newest = header
        state = self._client.state
        if header.number > state.height and header.timestamp >= state.timestamp:
            # check_header has just checked all that `update` would for an unchanged set.
            moved = BftState(state.set_hash, header.number, header.timestamp, state.frozen)
            self._client = BftClient(self._client.params, moved)

    def _freeze_data(self, first: BftHeader, second: BftHeader) -> bytes:
        data = encode_misbehaviour(first, second)
        self._client.freeze(data)
        return data

    # --- clients on destinations ----------------------------------------------------------------------------

    async def _validators_of(self, state: BftState) -> tuple[bytes, ...]:
        """Return the validators behind a trusted set's hash: our own, or those that the header
        at its height lists.
        """
        if state.set_hash == self._client.state.set_hash:
            return self._validators

        def check(block: Mapping[str, Any]) -> tuple[bytes, ...]:
            header = BftHeader.from_rpc(block, self._client.params.kinds)
            if set_hash(header.validators) != state.set_hash:
                raise HeaderRejected(
                    f"block {state.height} lists another set than the client trusts",
                    found=set_hash(header.validators),
                    expected=state.set_hash,
                )
            return header.validators

        return await self._source.checked_block(state.height, check)


def open_prover(
    chain: ConfiguredChain[BftConfig],
    source: EvmChain,
    on_error: OnRpcError | None = None,  # noqa: ARG001  headers come from the chain itself
) -> OpenProver:
    """Build the prover of a configured chain. Raises ConfigError without a bootstrap."""
    bootstrap = chain.consensus.bootstrap
    if bootstrap is None:
        raise ConfigError(
            f"chains.{chain.name}.consensus without a bootstrap",
            "the validators that trust begins with",
            "Run `postroad endpoint deploy`, or copy them from the endpoint's owner",
        )
    if chain.consensus.validators is not None:
        return OpenProver(open_contract_mode(chain, bootstrap, source))
    return OpenProver(
        BftProver(
            source,
            BftBootstrap(
                kinds=chain.consensus.kinds,
                validators=tuple(map(bytes, bootstrap.validators)),
                height=Height(bootstrap.height),
                timestamp=Timestamp(bootstrap.timestamp),
                trusting_period_s=chain.chain.trusting_period_s,
                max_clock_drift_s=chain.chain.max_clock_drift_s,
            ),
        )
    )
