# SPDX-License-Identifier: MIT
"""Where each fork keeps what light clients look for, in the trees of the beacon state and of the block's
body.

Sources: consensus-specs, `specs/{altair,capella,electra,gloas}/light-client/sync-protocol.md`, constants.
Gloas is not final: its row is that of consensus-specs 1.7.0-alpha.13. EIP-7688's stable containers move the
fields of the state, and EIP-7732 takes the payload out of the body, which keeps the hash of the execution
block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from light_clients.codec.merkle_branch import floorlog2
from light_clients.ethereum.config import ForkName

#: A state of up to 32 fields has field n at 32 + n. The checkpoint is field 20, and its root the right child
#: of that: 2 * 52 + 1. The committees are fields 22 and 23. The payload is field 9 of a body with 16 leaves.
FINALIZED_ROOT_GINDEX: Final = 105
CURRENT_SYNC_COMMITTEE_GINDEX: Final = 54
NEXT_SYNC_COMMITTEE_GINDEX: Final = 55
EXECUTION_PAYLOAD_GINDEX: Final = 25
#: Electra's state has more than 32 fields, so that field n is at 64 + n.
FINALIZED_ROOT_GINDEX_ELECTRA: Final = 169
CURRENT_SYNC_COMMITTEE_GINDEX_ELECTRA: Final = 86
NEXT_SYNC_COMMITTEE_GINDEX_ELECTRA: Final = 87
FINALIZED_ROOT_GINDEX_GLOAS: Final = 735
CURRENT_SYNC_COMMITTEE_GINDEX_GLOAS: Final = 2945
NEXT_SYNC_COMMITTEE_GINDEX_GLOAS: Final = 2946
#: Where the hash of the execution block is in the body. Capella's payload has 15 fields, Deneb's has 17: a
#: tree more deep.
#: The hash is field 12 of the payload: 25 * 16 + 12, and 25 * 32 + 12 from Deneb on.
EXECUTION_BLOCK_HASH_GINDEX: Final = 412
EXECUTION_BLOCK_HASH_GINDEX_DENEB: Final = 812
EXECUTION_BLOCK_HASH_GINDEX_GLOAS: Final = 2856


@dataclass(frozen=True, slots=True)
class Layout:
    """The generalized indices of a fork.

    Attributes:
        finalized_root: of the finalized checkpoint's root in the beacon state.
        current_sync_committee: in the beacon state.
        next_sync_committee: in the beacon state.
        execution: of the execution payload in the block's body; None where light-client headers do not show
            it.
        execution_block_hash: of the execution block's hash in the body; None where they do not show it.
        execution_branch: of what the branch of a light-client header starts from; None where it has no
            branch.
    """

    finalized_root: int
    current_sync_committee: int
    next_sync_committee: int
    execution: int | None
    execution_block_hash: int | None
    execution_branch: int | None

    @property
    def finality_depth(self) -> int:
        """The length of a finality branch."""
        return floorlog2(self.finalized_root)

    @property
    def committee_depth(self) -> int:
        """The length of a sync committee's branch."""
        return floorlog2(self.next_sync_committee)

    @property
    def execution_depth(self) -> int:
        """The length of the execution branch of a header; 0 where it has none."""
        return 0 if self.execution_branch is None else floorlog2(self.execution_branch)


_ALTAIR: Final = Layout(
    FINALIZED_ROOT_GINDEX, CURRENT_SYNC_COMMITTEE_GINDEX, NEXT_SYNC_COMMITTEE_GINDEX, None, None, None
)
_CAPELLA: Final = Layout(
    FINALIZED_ROOT_GINDEX,
    CURRENT_SYNC_COMMITTEE_GINDEX,
    NEXT_SYNC_COMMITTEE_GINDEX,
    EXECUTION_PAYLOAD_GINDEX,
    EXECUTION_BLOCK_HASH_GINDEX,
    EXECUTION_PAYLOAD_GINDEX,
)
_DENEB: Final = Layout(
    FINALIZED_ROOT_GINDEX,
    CURRENT_SYNC_COMMITTEE_GINDEX,
    NEXT_SYNC_COMMITTEE_GINDEX,
    EXECUTION_PAYLOAD_GINDEX,
    EXECUTION_BLOCK_HASH_GINDEX_DENEB,
    EXECUTION_PAYLOAD_GINDEX,
)
_ELECTRA: Final = Layout(
    FINALIZED_ROOT_GINDEX_ELECTRA,
    CURRENT_SYNC_COMMITTEE_GINDEX_ELECTRA,
    NEXT_SYNC_COMMITTEE_GINDEX_ELECTRA,
    EXECUTION_PAYLOAD_GINDEX,
    EXECUTION_BLOCK_HASH_GINDEX_DENEB,
    EXECUTION_PAYLOAD_GINDEX,
)
_GLOAS: Final = Layout(
    FINALIZED_ROOT_GINDEX_GLOAS,
    CURRENT_SYNC_COMMITTEE_GINDEX_GLOAS,
    NEXT_SYNC_COMMITTEE_GINDEX_GLOAS,
    None,
    EXECUTION_BLOCK_HASH_GINDEX_GLOAS,
    EXECUTION_BLOCK_HASH_GINDEX_GLOAS,
)

LAYOUTS: Final = {
    ForkName.ALTAIR: _ALTAIR,
    ForkName.BELLATRIX: _ALTAIR,
    ForkName.CAPELLA: _CAPELLA,
    ForkName.DENEB: _DENEB,
    ForkName.ELECTRA: _ELECTRA,
    ForkName.FULU: _ELECTRA,
    ForkName.GLOAS: _GLOAS,
}
