# SPDX-License-Identifier: MIT
"""What a BFT chain is configured with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from light_clients.bft.contract_mode.validator_contract import ValidatorContract
from light_clients.bft.preimage import BftKind, BftKinds, KindChange
from light_clients.bft.validators import MAX_VALIDATORS
from relayer.config import Bytes20, ConsensusConfig, InvalidConfig, TrustTerms, Where
from relayer.config.values import Height, Positive

#: The protocols, by their names in files.
PROTOCOLS: Final[Mapping[str, BftKind]] = {
    "qbft": BftKind.QBFT,
    "ibft2": BftKind.IBFT2,
    "ibft": BftKind.ISTANBUL,
}
NAMES: Final[Mapping[BftKind, str]] = {kind: name for name, kind in PROTOCOLS.items()}
#: How people call them.
LABELS: Final[Mapping[BftKind, str]] = {
    BftKind.QBFT: "QBFT",
    BftKind.IBFT2: "IBFT 2.0",
    BftKind.ISTANBUL: "legacy Istanbul",
}

#: The light client of chains whose validators a contract chooses.
VALIDATOR_CONTRACT_CLIENT: Final = "BftValidatorContractLightClient"

Protocol: TypeAlias = Literal["qbft", "ibft2", "ibft"]

_NOBODY: Final = bytes(20)


def describe(kinds: BftKinds) -> str:
    """Return what people call a protocol, or the two with the height of the change."""
    if isinstance(kinds, BftKind):
        return LABELS[kinds]
    return f"{LABELS[kinds.first]} until block {kinds.later_from - 1}, {LABELS[kinds.later]} from then on"


def name_kinds(kinds: BftKinds) -> Mapping[str, Any]:
    """Return the keys of `[chains.NAME.consensus]` for it: `protocol`, and `then` where there are two."""
    if isinstance(kinds, BftKind):
        return {"protocol": NAMES[kinds]}
    then = {"protocol": NAMES[kinds.later], "from_height": kinds.later_from}
    return {"protocol": NAMES[kinds.first], "then": then}


class BootstrapConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is trusted from the start: the validators that seal the block at a height, and its
    time in seconds.

    A validator has 20 bytes; they stand in the order of the header. Where a contract chooses the validators,
    it is the contract's list after the block, in the contract's order.
    """

    height: Height
    timestamp: Positive
    validators: Annotated[tuple[Bytes20, ...], msgspec.Meta(min_length=1, max_length=MAX_VALIDATORS)]


class ValidatorContractConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contract that chooses the validators, and the slot of its `address[]`, a number in hex."""

    contract: Bytes20
    slot: Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{1,64}$")]


class NextProtocol(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The protocol that a chain goes to, and the first block that is sealed by it."""

    protocol: Protocol
    from_height: Height


class BftConfig(ConsensusConfig, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[chains.NAME.consensus]` of a BFT chain."""

    kind: str = "bft"
    protocol: Protocol
    then: NextProtocol | None = None
    validators: ValidatorContractConfig | None = None
    bootstrap: BootstrapConfig | None = None

    @property
    def kinds(self) -> BftKinds:
        """The protocol, or the two with the height of the change, as the light client takes them."""
        kind = PROTOCOLS[self.protocol]
        if self.then is None:
            return kind
        return KindChange(kind, PROTOCOLS[self.then.protocol], self.then.from_height)

    @property
    def label(self) -> str:
        """What people call the protocol, or the two."""
        return describe(self.kinds)

    @property
    def contract(self) -> str | None:
        """The light client for chains whose validators a contract chooses; None for all others."""
        return None if self.validators is None else VALIDATOR_CONTRACT_CLIENT

    @property
    def validator_contract(self) -> ValidatorContract:
        """Where the list of validators is; only valid where a contract chooses them."""
        assert self.validators is not None
        return ValidatorContract(bytes(self.validators.contract), int(self.validators.slot, 16).to_bytes(32))

    @property
    def missing(self) -> tuple[str, ...]:
        """Holds `bootstrap` until an endpoint is deployed or joined."""
        return ("bootstrap",) if self.bootstrap is None else ()

    @property
    def first_height(self) -> int:
        """The height of the bootstrap, which is the first block that is trusted."""
        assert self.bootstrap is not None
        return self.bootstrap.height

    def check(self, chain: TrustTerms, where: Where) -> None:  # noqa: ARG002  nothing of the chain matters here
        """Raise InvalidConfig for a validator twice, the zero address, a change that is none, or a contract
        that chooses validators by another protocol than QBFT.
        """
        if self.then is not None and self.then.protocol == self.protocol:
            raise InvalidConfig(
                where("then", "protocol"),
                f'"{self.then.protocol}" again',
                "another protocol",
                "Leave `then` out where the protocol does not change.",
            )
        if self.validators is not None and (self.protocol != "qbft" or self.then is not None):
            raise InvalidConfig(
                where("validators"),
                f"a contract that chooses the validators, and {self.label}",
                'protocol = "qbft" alone, which lets a contract choose them',
                "Take one of them out.",
            )
        validators = () if self.bootstrap is None else self.bootstrap.validators
        if len(set(validators)) != len(validators) or _NOBODY in validators:
            raise InvalidConfig(
                where("bootstrap", "validators"),
                "a validator twice or zero",
                "distinct validators",
                "Copy the list again.",
            )


CONFIG: Final = BftConfig
