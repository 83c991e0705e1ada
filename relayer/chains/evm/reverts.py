# SPDX-License-Identifier: MIT
"""What a contract said when it refused: its error's name and arguments, and the decision that follows.

Errors of our interfaces are listed here, because each needs a decision: stop the lane, drop the batch, or try
again. The errors of the contracts that ship (light clients, OpenZeppelin's AccessManager) come from the
compiled artifacts and mean: try again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from light_clients.hashing import keccak256
from relayer.contracts import load, names
from relayer.errors import (
    CallReverted,
    CallRevertedDrop,
    CallRevertedRetryable,
    CallRevertedStopLane,
    RpcRefused,
)

#: Revert data is a provider's word, of any length; our errors take far less than this.
_MAX_DATA: Final = 4096

#: Errors that stop a lane. Something outside of the batch has to change first: a pause must end, a remote be
#: registered, or a client be mended.
STOPS: Final = (
    "UnknownRemote(bytes32 endpointId)",
    "RemoteUnknown(bytes32 endpointId)",
    "RemoteIsPaused(bytes32 endpointId)",
    "RemoteIsSucceeded(bytes32 endpointId)",
    "BeyondRetirement(bytes32 endpointId, uint256 height, uint256 lastHeight)",
    "InboundLaneIsPaused(bytes32 laneId)",
    "UnsupportedLaneFlags(uint256 found)",
    "NotActive(uint8 found)",
    "ClientNotActive(address client)",
    "NoRoute(bytes32 routeKey)",
    "RouteIsPaused(bytes32 endpointId)",
    "LaneNotOpen(bytes32 laneId)",
    "LaneIsPaused(bytes32 laneId)",
    "SenderNotAllowed(bytes32 laneId, address sender)",
    "AccessManagedUnauthorized(address caller)",
)

#: Errors that drop a batch: the same bytes can never succeed.
DROPS: Final = (
    "MalformedBatch(uint256 offset)",
    "HeadMismatch(bytes32 computed, bytes32 proven)",
    "OnlySelf(address caller)",
    "InvalidRecipient(bytes recipient)",
    "PayloadTooLarge(uint256 found, uint256 most)",
    "GasLimitTooHigh(uint256 found, uint256 most)",
    "DeadlinePassed(uint64 found, uint256 timestamp)",
    "UnexpectedValue(uint256 found)",
    "UnsupportedFlags(uint256 found)",
    "UnsupportedAttribute(bytes4 selector)",
    "InvalidAttribute(bytes attribute)",
    "DuplicateAttribute(bytes4 selector)",
    "InvalidLimits((uint32,uint32,uint32) found)",
    "NotLaneOwner(bytes32 laneId, address caller)",
    "NotPendingLaneOwner(bytes32 laneId, address caller)",
    "LaneOwnerMissing()",
    "LaneAlreadyOpen(bytes32 laneId)",
    "InvalidGateway(bytes found)",
    "RemoteIsSelf(bytes32 endpointId)",
    "RemoteAlreadyRegistered(bytes32 endpointId)",
    "ChainAlreadyRouted(bytes32 routeKey, bytes32 endpointId)",
    "GenesisHashMissing()",
    "UnsupportedChainId(uint256 found)",
)

#: Errors that are worth another try. Any that is not listed is one of them: it may go away by itself, or when
#: the batch is built anew from newer state.
RETRIES: Final = (
    "InsufficientGas(uint256 found, uint256 needed)",
    "CallStackTooShort(uint256 frames)",
    "DeliverIsLocked()",
    "Error(string reason)",
    "Panic(uint256 code)",
)

#: What people can do about an error.
_ADVICE: Final = {
    "RemoteIsPaused": "The remote's guardian or admin paused it",
    "RemoteIsSucceeded": "The remote is retired and another endpoint was registered for its chain: what it "
    "sent is not delivered any more",
    "BeyondRetirement": "The remote is retired: its messages are delivered by proofs of its blocks up to "
    "`lastHeight` alone. Where it was a mistake, the destination's admin reinstates the remote",
    "CallStackTooShort": "`deliver` was called too deep in the call stack, or with too little gas",
    "InboundLaneIsPaused": "The guardian of the destination paused this lane",
    "RouteIsPaused": "The guardian of the source paused the remote",
    "LaneIsPaused": "The guardian of the source paused this lane",
    "UnknownRemote": "Run `postroad endpoint register` on the destination",
    "RemoteUnknown": "Run `postroad endpoint register`",
    "NotActive": "The destination's light client is expired or frozen: its admin must bootstrap it again",
    "ClientNotActive": "The light client is expired or frozen: its admin must bootstrap it again",
    "AccessManagedUnauthorized": "The account lacks the role: ask the endpoint's admin",
}

_SIGNATURE: Final = re.compile(r"(\w+)\((.*)\)")
_ARGUMENT: Final = re.compile(r"(\([^)]*\)|[^,\s]+)\s*(\w*)")


class _AbiError(NamedTuple):
    name: str
    types: tuple[str, ...]
    names: tuple[str, ...]
    kind: type[CallReverted]


def decode_revert(data: bytes) -> CallReverted:
    """Return the typed error for revert data; its type is the decision.

    It raises nothing itself: unknown data gives an error without a name, damaged arguments are
    given as bytes.
    """
    data = data[:_MAX_DATA]
    found = _known_errors().get(data[:4])
    if found is None:
        return CallRevertedRetryable("", {}, data)
    return found.kind(
        found.name, _decode_arguments(found, data[4:]), data, advice=_ADVICE.get(found.name, "")
    )


def from_refusal(error: RpcRefused) -> CallReverted | None:
    """Return the revert that a JSON-RPC error tells of; None when it tells of something else."""
    if error.data:
        return decode_revert(error.data)
    # A node that gives no data tells of a revert by Geth's code 3, or in words.
    if error.code == 3 or "revert" in error.message.lower():
        return CallRevertedRetryable("", {}, b"", expected="a call that succeeds", advice=error.message)
    return None


def _decode_arguments(error: _AbiError, data: bytes) -> dict[str, object]:
    if not error.types:
        return {}
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    try:
        values = decode(error.types, data)
    except (DecodingError, ValueError, OverflowError):
        return {"undecodable": data}
    return dict(zip(error.names, values, strict=True))


@lru_cache(maxsize=1)
def _known_errors() -> Mapping[bytes, _AbiError]:
    known: dict[bytes, _AbiError] = {}
    for artifact in map(load, names()):
        for error in artifact.errors.values():
            arguments = [argument.name for argument in error.inputs]
            _add(known, error.name, error.input_types, arguments, CallRevertedRetryable)
    # The lists above come last, because they override: an error that they name is decided there, also where a
    # shipped contract has it.
    for signatures, kind in (
        (RETRIES, CallRevertedRetryable),
        (DROPS, CallRevertedDrop),
        (STOPS, CallRevertedStopLane),
    ):
        for signature in signatures:
            match = _SIGNATURE.fullmatch(signature)
            assert match is not None
            pairs = _ARGUMENT.findall(match[2])
            _add(known, match[1], [pair[0] for pair in pairs], [pair[1] for pair in pairs], kind)
    return known


def _add(
    known: dict[bytes, _AbiError], name: str, types: list[str], names: list[str], kind: type[CallReverted]
) -> None:
    named = tuple(given or f"argument{index}" for index, given in enumerate(names))
    key = keccak256(f"{name}({','.join(types)})".encode())[:4]
    known[key] = _AbiError(name, tuple(types), named, kind)
