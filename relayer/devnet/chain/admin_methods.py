# SPDX-License-Identifier: MIT
"""What the admin RPC of every local chain can do; a kind adds its own."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from relayer.devnet.chain.admin_server import AdminMethod, read_address
from relayer.devnet.state.faults import Faults, read_fault
from relayer.devnet.state.ledger import Block


class AdministeredChain(Protocol):
    """What is administered: a chain, as far as these methods need it."""

    faults: Faults

    async def mine(self, count: int = 1) -> Block:
        """Make blocks now; return the last one."""
        ...

    async def fund(self, address: bytes, amount_wei: int) -> Block:
        """Give money to an address of 20 bytes; return the block that holds it."""
        ...

    async def drop_transactions(self) -> None:
        """Forget all transactions that wait."""
        ...


def common_admin_methods(chain: AdministeredChain) -> dict[str, AdminMethod]:
    """Return the methods by name, for `AdminServer`."""
    faults = chain.faults

    async def start_fault(value: dict[str, Any]) -> int:
        return faults.start(read_fault(value, faults.possible))

    async def stop_fault(number: int) -> None:
        faults.stop(number)

    async def clear_faults() -> None:
        faults.clear()

    async def list_faults() -> dict[str, Any]:
        return {str(number): msgspec.to_builtins(fault) for number, fault in faults.active().items()}

    async def mine(count: int = 1) -> str:
        return hex((await chain.mine(count)).number)

    async def fund(address: str, amount_wei: str) -> None:
        await chain.fund(read_address(address), int(amount_wei, 16))

    return {
        "postroad_fault": start_fault,
        "postroad_stopFault": stop_fault,
        "postroad_clearFaults": clear_faults,
        "postroad_faults": list_faults,
        "postroad_mine": mine,
        "postroad_fund": fund,
        "postroad_dropTransactions": chain.drop_transactions,
    }
