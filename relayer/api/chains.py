# SPDX-License-Identifier: MIT
"""What the pipeline works on, from memory: chains, lanes, light clients, accounts, limits.

The lists are as long as the configuration makes them.
"""

from __future__ import annotations

from typing import Final

from relayer.api.route import Asked, NoParams, Route
from relayer.views.account import ChainAccountView
from relayer.views.chain import ChainView
from relayer.views.client import LightClientView
from relayer.views.lane import LaneView
from relayer.views.policy import ChainPolicyView


async def list_chains(asked: Asked[NoParams]) -> tuple[ChainView, ...]:
    """Give the chains that the relayer serves."""
    return asked.served.relayer.view().chains


async def list_lanes(asked: Asked[NoParams]) -> tuple[LaneView, ...]:
    """Give the lanes that the relayer serves, with what waits in them."""
    return asked.served.relayer.view().lanes


async def list_clients(asked: Asked[NoParams]) -> tuple[LightClientView, ...]:
    """Give the light clients, as far as they were read."""
    return asked.served.relayer.view().clients


async def list_accounts(asked: Asked[NoParams]) -> tuple[ChainAccountView, ...]:
    """Give the accounts that sign for the relayer."""
    return tuple(
        ChainAccountView.of(chain.name, account)
        for chain in asked.served.relayer.view().chains
        for account in chain.accounts
    )


async def list_policies(asked: Asked[NoParams]) -> tuple[ChainPolicyView, ...]:
    """Give what the operator allows on each chain."""
    return tuple(ChainPolicyView.of(chain.name, chain.policy) for chain in asked.served.relayer.view().chains)


ROUTES: Final = (
    Route(
        "/v1/lanes",
        "list_lanes",
        "The lanes that are served.",
        list_lanes,
        views=(tuple[LaneView, ...],),
    ),
    Route(
        "/v1/chains",
        "list_chains",
        "The chains that are served, with providers, accounts and policy.",
        list_chains,
        views=(tuple[ChainView, ...],),
    ),
    Route(
        "/v1/clients",
        "list_clients",
        "The light clients on the destinations, as they were read last.",
        list_clients,
        views=(tuple[LightClientView, ...],),
    ),
    Route(
        "/v1/accounts",
        "list_accounts",
        "The accounts that sign, chain by chain.",
        list_accounts,
        views=(tuple[ChainAccountView, ...],),
    ),
    Route(
        "/v1/policies",
        "list_policies",
        "What the operator allows, chain by chain.",
        list_policies,
        views=(tuple[ChainPolicyView, ...],),
    ),
)
