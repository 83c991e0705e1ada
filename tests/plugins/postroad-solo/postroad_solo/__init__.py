# SPDX-License-Identifier: MIT
"""Chains whose blocks one key signs: the smallest kind of consensus that there is, as an example and as a
test.

The key signs keccak256(number ‖ timestamp ‖ state root ‖ parent hash), which is the block's hash too; the 65
bytes of the signature are the header's extraData. Whoever trusts the key's address believes a block that it
signed.
"""

from __future__ import annotations

from typing import Final

from relayer.consensus.kind import ConsensusKind

KIND: Final = ConsensusKind(
    name="solo",
    package=__name__,
    contract="SoloLightClient",
    signers="holders of the key",
    misbehaviour="The key signed two blocks of one height.",
)
