# SPDX-License-Identifier: MIT
"""Answers of `EthereumLightClient`, decoded by hand. What comes back from a chain is hostile: every length is checked."""

from __future__ import annotations

from light_clients.ethereum.client import EthereumState
from light_clients.ethereum.config import Slot
from light_clients.ethereum.params import MAX_FORKS, EthereumParams, WireFork, WireLayout
from relayer.chains.evm.abi import decode_bool, decode_words, encode_word
from relayer.errors import RpcAnswerInvalid

_WORD = 32
_HEAD_WORDS = 10


def decode_trusted_state(data: bytes) -> EthereumState:
    """The answer of `trustedState`: finalized slot, its time, committee, next committee (0: unknown), frozen."""
    slot, _, committee, following, frozen = decode_words(data, 5, "trustedState's answer")
    if slot >> 64:
        raise RpcAnswerInvalid(f"a finalized slot {slot}", "a number of 64 bits")
    return EthereumState(
        Slot(slot),
        encode_word(committee),
        encode_word(following) if following else None,
        decode_bool(frozen, "frozen"),
    )


def decode_parameters(data: bytes) -> EthereumParams:
    """The answer of `parameters`: one struct, whose last member is the list of forks."""
    words = decode_words(data, 1 + _HEAD_WORDS + 1, "parameters' answer")
    if words[0] != _WORD or words[_HEAD_WORDS] != _WORD * _HEAD_WORDS:
        raise RpcAnswerInvalid(
            "parameters' answer with unusual offsets", f"{_WORD} and {_WORD * _HEAD_WORDS}"
        )
    count = words[_HEAD_WORDS + 1]
    if count > MAX_FORKS:
        raise RpcAnswerInvalid(f"{count} forks", f"at most {MAX_FORKS}")
    rows = decode_words(data, 1 + _HEAD_WORDS + 1 + 3 * count, "parameters' answer")[_HEAD_WORDS + 2 :]
    try:
        forks = tuple(
            WireFork(rows[at], encode_word(rows[at + 1])[:4], WireLayout(rows[at + 2]))
            for at in range(0, 3 * count, 3)
        )
        return EthereumParams(
            genesis_time=words[1],
            slot_duration_ms=words[2],
            slots_per_epoch=words[3],
            slots_per_period=words[4],
            committee_size=words[5],
            threshold=words[6],
            trusting_period_s=words[7],
            max_clock_drift_s=words[8],
            genesis_validators_root=encode_word(words[9]),
            forks=forks,
        )
    except ValueError as error:
        raise RpcAnswerInvalid(
            f"parameters that no light client has ({error})",
            "those of EthereumLightClient",
            "Is the registered client of another consensus?",
        ) from None
