# SPDX-License-Identifier: MIT
"""The library has one set of public names under two names of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

import postroad
import relayer


def test_postroad_is_the_same_library() -> None:
    assert postroad.__all__ == relayer.__all__ == dir(postroad)
    for name in relayer.__all__:
        assert getattr(postroad, name) is getattr(relayer, name)
    with pytest.raises(AttributeError, match="has no attribute 'conect'"):
        _ = postroad.conect


def test_neither_costs_anything_before_it_is_used() -> None:
    script = "import sys, postroad; print([name for name in ('aiohttp', 'web3', 'msgspec') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_library_does_not_import_web3_before_it_is_asked_for() -> None:
    script = "import sys, relayer; relayer.connect; import relayer.daemon, relayer.cli.main; print('web3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
