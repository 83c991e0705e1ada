# SPDX-License-Identifier: MIT
"""Proof of stake in the demo: a sync committee's signature under what finalizes a block."""

from __future__ import annotations

from collections.abc import Sequence

from light_clients.cursor import Cursor
from light_clients.ethereum.client import EthereumClient, EthereumState
from light_clients.ethereum.config import Slot
from light_clients.ethereum.params import EthereumParams
from light_clients.trust import read_claim
from relayer.chains.base import Address, Call
from relayer.chains.evm import abi
from relayer.cli.demo.reading import find_anchor, read_anchor
from relayer.cli.output import short
from relayer.consensus.ethereum.contract import decode_parameters, decode_trusted_state
from relayer.consensus.ethereum.local.beacon_block import BeaconBlock
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.consensus.ethereum.local.faults import Participation
from relayer.consensus.ethereum.prover import EthereumProver
from relayer.consensus.ethereum.show.explain import Finalized
from relayer.consensus.ethereum.show.forgeries import forge
from relayer.consensus.ethereum.show.wire import SignedParts
from relayer.consensus.open_chain import OpenChain
from relayer.consensus.show import Delivered, Forgery, ForgeryBasis, TrustExplanation
from relayer.errors import ConfigError, NotFoundYet

_STATE_ROOT_BYTES = 32


class EthereumShow:
    """Implements relayer.consensus.show.Show."""

    kind = "ethereum"
    believed = "enough of a sync committee signed what finalizes it"

    def __init__(self, chain: LocalEthereumChain) -> None:
        self._chain = chain

    @property
    def introduction(self) -> str:
        """See Show."""
        network = self._chain.network
        fork = network.fork_at_slot(self._chain.slot).name
        return (
            f"proof of stake ({fork.label.capitalize()}), {len(self._chain.validators)} validators, slots of "
            f"{network.slot_duration_ms / 1_000:g} s, a sync committee of {self.signers} for {self.rotates_every_s:g} s each"
        )

    @property
    def signers(self) -> int:
        """See Show."""
        return self._chain.network.preset.sync_committee_size

    @property
    def checked(self) -> str:
        """See Show."""
        return f"the signature of a sync committee of {self.signers}, the way from what it signed to a finalized execution block"

    @property
    def rotates_every_s(self) -> float:
        """See Show."""
        network = self._chain.network
        return network.preset.slots_per_period * network.slot_duration_ms / 1_000

    def begin(self) -> None:
        """One member misses its turn in each slot, as some always do on real chains."""
        self._chain.faults.start(Participation(share=1 - 1 / self.signers))

    def client_of(self, source: OpenChain) -> EthereumClient:
        """See Show."""
        return _prover(source).client

    async def trust_of(self, destination: OpenChain, client: Address) -> str:
        """See Show."""
        state = decode_trusted_state(await destination.chain.call(Call(client, abi.CLIENT_TRUSTED_STATE)))
        period = self._chain.network.period_at(state.finalized_slot)
        told = f"the sync committee of period {period} ({short(state.committee)})"
        if state.next_committee is None:
            return f"{told}; the next is not known yet"
        return f"{told} and the next ({short(state.next_committee)})"

    async def vouching_of(self, delivered: Delivered) -> TrustExplanation:
        """See Show."""
        cursor = Cursor(delivered.proof)
        claim = read_claim(cursor, delivered.account, delivered.slot)
        signed, anchored_by = delivered.proof[cursor.pos :], None
        if claim.is_anchored:
            where = delivered.destination
            anchored_by = await find_anchor(where, delivered.client, delivered.height, delivered.block)
            signed = (await read_anchor(where, anchored_by))[_STATE_ROOT_BYTES:]
        params, state = await _read_client(delivered)
        parts = SignedParts.read(signed, params)
        committee = self._chain.beacon.committee(self._chain.network.period_at(parts.signature_slot))
        return Finalized(
            state_root=claim.state_root,
            signed=signed,
            parts=parts,
            anchored_by=anchored_by,
            params=params,
            trusted=state,
            network=self._chain.network,
            committee=committee,
            finalized=self._block(parts.finalized_slot),
            attested=self._block(parts.attested.slot),
            source=delivered.source.name,
            destination=delivered.destination.name,
        )

    async def forge(self, truth: ForgeryBasis) -> Sequence[Forgery]:
        """See Show."""
        return forge(truth, _prover(truth.source).client.params, self._chain.beacon)

    def _block(self, slot: Slot) -> BeaconBlock:
        block = self._chain.beacon.block_at(slot)
        if block is None:
            raise NotFoundYet(f"no beacon block of slot {slot}", "the one that was signed for")
        return block


def _prover(source: OpenChain) -> EthereumProver:
    prover = source.prover
    if not isinstance(prover, EthereumProver):
        raise ConfigError(f"a {type(prover).__name__} of {source.name}", "a proof-of-stake chain")
    return prover


async def _read_client(delivered: Delivered) -> tuple[EthereumParams, EthereumState]:
    """The light client's rules, and what it trusted when it believed the delivery."""
    ask, client = delivered.destination.chain.call, delivered.client
    params = decode_parameters(await ask(Call(client, abi.CLIENT_PARAMETERS)))
    state = decode_trusted_state(await ask(Call(client, abi.CLIENT_TRUSTED_STATE), delivered.block))
    return params, state
