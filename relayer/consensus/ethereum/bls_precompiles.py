# SPDX-License-Identifier: MIT
"""Whether a destination can verify BLS signatures: whether it has the precompiles of EIP-2537.

One of them is called, by `eth_call`, which costs nothing.
"""

from __future__ import annotations

from typing import Final

from relayer.chains.evm.node import Node
from relayer.errors import CallReverted

#: The address of BLS12_G1ADD, the first of EIP-2537's precompiles. The generator plus infinity
#: is the generator.
_G1ADD: Final = bytes(19) + b"\x0b"
#: The generator of G1. A coordinate takes 64 bytes, of which the first 16 are zero (EIP-2537).
_G1: Final = bytes.fromhex(
    "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    "0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
)
_INFINITY: Final = bytes(128)


async def lacks_bls(node: Node) -> str | None:
    """Return why a chain can't verify BLS signatures; None where it can. Raises ChainUnavailable."""
    try:
        answer = await node.call(_G1ADD, _G1 + _INFINITY)
    except CallReverted as error:
        return error.found
    # The answer is compared, because a call of an address without code succeeds and answers nothing.
    if answer == _G1:
        return None
    return "0x0b answers nothing" if not answer else f"0x0b answered 0x{answer[:16].hex()}…"
