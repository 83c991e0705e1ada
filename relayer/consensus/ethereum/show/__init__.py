# SPDX-License-Identifier: MIT
"""What the demo shows of Ethereum: a sync committee's signature under what finalizes a block.

Implements relayer.consensus.show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from light_clients.cursor import Cursor
from light_clients.ethereum.client import EthereumClient, EthereumState
from light_clients.ethereum.config import Slot
from light_clients.ethereum.params import EthereumParams
from light_clients.ethereum.reader import read_signed
from relayer.chains.base import Address, Call
from relayer.chains.evm import abi
from relayer.consensus.ethereum.contract import decode_parameters, decode_trusted_state
from relayer.consensus.ethereum.local.beacon_block import BeaconBlock
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.consensus.ethereum.local.faults import Participation
from relayer.consensus.ethereum.prover import EthereumProver
from relayer.consensus.ethereum.show.explain import FinalizedHeader
from relayer.consensus.ethereum.show.forgeries import forge
from relayer.consensus.open_chain import OpenChain
from relayer.consensus.show import (
    Delivered,
    Forgery,
    ForgeryBasis,
    Rotation,
    ShowRole,
    TrustExplanation,
    read_carried,
)
from relayer.errors import ConfigError, NotFoundYet
from relayer.text import short

_STATE_ROOT_BYTES: Final = 32


class EthereumShow:
    """What is shown of a running local chain. Implements ConsensusShow."""

    consensus = "ethereum"
    why_believed = "enough of a sync committee signed what finalizes it"

    def __init__(self, chain: LocalEthereumChain, opened: OpenChain) -> None:
        self._chain = chain
        self._opened = opened

    @property
    def signer_count(self) -> int:
        """The size of a sync committee."""
        return _committee_size(self._chain)

    @property
    def checked(self) -> str:
        """The signature, and what leads from it to an execution block."""
        return (
            f"the signature of a sync committee of {self.signer_count}, the way from what it signed to a "
            "finalized execution block"
        )

    @property
    def rotation(self) -> Rotation:
        """A committee signs for one period."""
        every_s = _period_s(self._chain)
        return Rotation(
            every_s=every_s,
            title=(
                f"The sync committee of {self._chain.name} changes every {every_s:g} s, and the light client "
                "follows, with no message to carry"
            ),
            followed="the contract trusts the next committee, because the one before it signed who its members are",
        )

    @property
    def client(self) -> EthereumClient:
        """The light client of the chain's prover."""
        prover = self._opened.prover
        if not isinstance(prover, EthereumProver):
            raise ConfigError(f"a {type(prover).__name__} of {self._opened.name}", "an Ethereum chain")
        return prover.client

    async def describe_trust(self, destination: OpenChain, client: Address) -> str:
        """Name the period's committee and the next one by their roots."""
        state = decode_trusted_state(await destination.chain.call(Call(client, abi.CLIENT_TRUSTED_STATE)))
        period = self._chain.network.period_at(state.finalized_slot)
        current = f"the sync committee of period {period} ({short(state.committee)})"
        if state.next_committee is None:
            return f"{current}; the next is not known yet"
        return f"{current} and the next ({short(state.next_committee)})"

    async def explain_delivery(self, delivered: Delivered) -> TrustExplanation:
        """Read what was signed from the delivered bytes, and the blocks it is about from the local chain."""
        carried = await read_carried(delivered)
        params, state = await _read_client(delivered)
        signed_at = _STATE_ROOT_BYTES if carried.anchored_by else 0
        signed = read_signed(Cursor(carried.data[signed_at:]), params, carried.state_root)
        return FinalizedHeader(
            carried=carried,
            signed=signed,
            params=params,
            trusted=state,
            network=self._chain.network,
            committee=self._chain.beacon.committee(self._chain.network.period_at(signed.signature_slot)),
            finalized=self._block(signed.finalized_slot),
            attested=self._block(signed.attested_slot),
            source=self._opened.name,
            destination=delivered.destination.name,
        )

    async def forge(self, basis: ForgeryBasis) -> Sequence[Forgery]:
        """Make a committee of the forger's own, a bent signature, and a committee with one signer too few."""
        return forge(basis, self.client.params, self._chain.beacon)

    def _block(self, slot: Slot) -> BeaconBlock:
        block = self._chain.beacon.block_at(slot)
        if block is None:
            raise NotFoundYet(f"no beacon block of slot {slot}", "the one that was signed for")
        return block


class EthereumShowRole:
    """Implements ShowRole."""

    def begin(self, chain: LocalEthereumChain) -> str:
        """Let one member of the committee miss its turn in every slot, as some always do on real chains."""
        size, network = _committee_size(chain), chain.network
        chain.faults.start(Participation(share=1 - 1 / size))
        fork = network.fork_at_slot(chain.slot).name
        return (
            f"proof of stake ({fork.label.capitalize()}), {len(chain.validators)} validators, slots of "
            f"{network.slot_duration_ms / 1_000:g} s, a sync committee of {size} for {_period_s(chain):g} s each"
        )

    def open(self, chain: LocalEthereumChain, opened: OpenChain) -> EthereumShow:
        """Return what is shown of a chain."""
        return EthereumShow(chain, opened)


SHOW: Final[ShowRole[LocalEthereumChain]] = EthereumShowRole()


def _committee_size(chain: LocalEthereumChain) -> int:
    return chain.network.preset.sync_committee_size


def _period_s(chain: LocalEthereumChain) -> float:
    return chain.network.preset.slots_per_period * chain.network.slot_duration_ms / 1_000


async def _read_client(delivered: Delivered) -> tuple[EthereumParams, EthereumState]:
    """Return the light client's rules, and what it trusted when it believed the delivery."""
    ask, client = delivered.destination.chain.call, delivered.client
    params = decode_parameters(await ask(Call(client, abi.CLIENT_PARAMETERS)))
    state = decode_trusted_state(await ask(Call(client, abi.CLIENT_TRUSTED_STATE), delivered.block))
    return params, state
