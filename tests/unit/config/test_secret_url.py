# SPDX-License-Identifier: MIT
"""Credentials in URLs are shown nowhere."""

from __future__ import annotations

import pytest

from relayer.config import SecretUrl, redact_url
from tests.unit.config.samples import GOOD, parse


def test_credentials_are_shown_nowhere() -> None:
    read = parse(f'[journal]\nurl = "postgresql://road:hunter3@db/postroad"\n{GOOD}')
    for shown in (
        repr(read),
        str(read),
        f"{read.journal}",
        repr(read.chain("court").rpc),
        str(read.chain("court").rpc[0]),
    ):
        for secret in ("hunter2", "hunter3", "s3cret", "user", "road:"):
            assert secret not in shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://mainnet.example/v3/0123456789", "https://mainnet.example/…"),
        ("wss://u:p@host:8546", "wss://…@host:8546"),
        ("http://127.0.0.1:8545/", "http://127.0.0.1:8545"),
        ("http://[::1]:8545/?token=1", "http://[::1]:8545/…"),
        ("http://host:notaport/secret", "(a URL that can't be read)"),
        ("sqlite:///postroad.db", "sqlite:///postroad.db"),
    ],
)
def test_a_url_is_redacted_to_where_it_leads(url: str, shown: str) -> None:
    assert redact_url(url) == shown
    assert str(SecretUrl(url)) == shown
