# SPDX-License-Identifier: MIT
"""Local Ethereum chains: anvil executes, a simulated beacon chain with real sync committees finalizes.

`block_maker` is the clock: it lets slots pass, lets anvil execute a block in most of them, and hands its
payload to `simulation`, a beacon chain without clock and IO (ADR 0012). That builds beacon blocks
(`beacon_block`, `leaves`, `payload`), signs them by committees (`keyring`), counts votes (`finality`), and
makes what light clients ask for (`light_client_objects`). `beacon_server` serves the Beacon API, with the
network's description from `network_json`; `served_blocks` gives clients anvil's own blocks. Lies are made by
`tampering` (of a node) and `misbehaviour` (of a committee), and started as `faults`. `chain` puts the parts
together; `kind` is what the devnet knows of all this.
"""

from __future__ import annotations

from typing import Final

from relayer.consensus.ethereum.local.kind import LocalEthereum

LOCAL: Final = LocalEthereum()
