# SPDX-License-Identifier: MIT
"""An endpoint, as it is listed."""

from __future__ import annotations

from light_clients.client import Status
from relayer.consensus.kind import ClientView
from relayer.endpoint.access import AccessView, Membership, RoleView
from relayer.endpoint.steps import ADMIN_ROLE, Located
from relayer.endpoint.view import EndpointView, RemoteView
from relayer.protocol.message import EndpointId
from relayer.views.encoding import to_plain
from relayer.views.endpoint import listed_endpoint

CLIENT = ClientView(
    contract="SomeLightClient",
    address=b"\xcc" * 20,
    status=Status.FROZEN,
    height=9,
    timestamp=1_000,
    trusting_period_s=600,
    max_clock_drift_s=15,
    authority=b"\xaa" * 20,
)


def make_endpoint(client: ClientView | None) -> EndpointView:
    return EndpointView(
        name="court",
        located=Located(b"\x11" * 20, b"\x22" * 32, b"", EndpointId(b"\x33" * 32)),
        is_gateway=True,
        own_id=b"\x33" * 32,
        authority=b"\xaa" * 20,
        is_manager=True,
        remotes=(RemoteView("port", b"\x55" * 32, b"\xcc" * 20, client, is_paused=True, is_retired=False),),
        now=1_200,
    )


#: One admin, and one who is still to come.
MEMBERS = (Membership(b"\x44" * 20, 1_100, 172_800), Membership(b"\x45" * 20, 1_300, 172_800))
ACCESS = AccessView(b"\xaa" * 20, 1_200, (), {ADMIN_ROLE: RoleView(ADMIN_ROLE, members=MEMBERS)}, ())


def test_an_endpoint_lists_its_admins_and_what_it_is_joined_to() -> None:
    assert to_plain(listed_endpoint("court", make_endpoint(CLIENT), ACCESS)) == {
        "chain": "court",
        "gateway": "0x" + "11" * 20,
        "endpoint_id": "0x" + "33" * 32,
        "authority": "0x" + "aa" * 20,
        "admins": [{"account": "0x" + "44" * 20, "delay_s": 172_800}],
        "remotes": [
            {
                "chain": "port",
                "endpoint_id": "0x" + "55" * 32,
                "client": "0x" + "cc" * 20,
                "status": "frozen",
                "height": 9,
                "expires_at": 1_600,
                "kind": "SomeLightClient",
                "details": {},
                "paused": True,
                "retired": False,
            }
        ],
    }


def test_a_remote_without_a_light_client_of_ours_says_so_by_nulls() -> None:
    (remote,) = listed_endpoint("court", make_endpoint(None)).remotes
    assert (remote.status, remote.height, remote.expires_at, remote.kind) == (None, None, None, None)
    assert (remote.client, remote.details, remote.paused) == (b"\xcc" * 20, {}, True)


def test_a_chain_without_an_endpoint_is_listed_with_nothing() -> None:
    assert to_plain(listed_endpoint("court", None)) == {
        "chain": "court",
        "gateway": None,
        "endpoint_id": None,
        "authority": None,
        "admins": [],
        "remotes": [],
    }
