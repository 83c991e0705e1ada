# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.ethereum.config import MAINNET, ForkName
from light_clients.ethereum.execution import ExecutionPayloadHeader


def test_an_execution_header_says_which_forks_fields_it_has() -> None:
    header = ExecutionPayloadHeader(block_number=7)
    assert header.fork is ForkName.BELLATRIX
    capella, deneb = header.in_form_of(ForkName.CAPELLA), header.in_form_of(ForkName.ELECTRA)
    assert (capella.fork, deneb.fork) == (ForkName.CAPELLA, ForkName.DENEB)
    assert (deneb.blob_gas_used, deneb.withdrawals_root) == (0, bytes(32))
    assert deneb.in_form_of(ForkName.BELLATRIX) == header
    # A zero field at the end would hash as its absence does, within the next power of two
    capella = replace(capella, withdrawals_root=b"\1" * 32)
    assert len({header.hash_tree_root(), capella.hash_tree_root(), deneb.hash_tree_root()}) == 3
    with pytest.raises(ValueError, match="withdrawals_root"):
        header.encode_ssz(ForkName.CAPELLA, MAINNET)
