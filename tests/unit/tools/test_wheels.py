# SPDX-License-Identifier: MIT
"""Which wheels fit where, and what the check of the locks says about those that lack."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools import wheels
from tools.wheels import LeftOut, UnreadableLockError, find_lacking, judge, make_targets, read_packages

TARGETS = make_targets()
EVERYWHERE = {str(target) for target in TARGETS}


def lock_of(*names: str, marker: str = "") -> str:
    files = ", ".join(
        f'{{ url = "x://y/{name}", hashes = {{ sha256 = "{number:064x}" }} }}'
        for number, name in enumerate(names)
    )
    said = f'marker = "{marker}"\n' if marker else ""
    return f'[[packages]]\nname = "Some_Thing"\nversion = "1.0"\n{said}wheels = [{files}]\n'


def lacking(*names: str, marker: str = "", hashes: int = 9) -> set[str]:
    packages = read_packages(lock_of(*names, marker=marker))
    lacks = find_lacking(packages, TARGETS, {f"{number:064x}" for number in range(hashes)})
    return {str(lack.target) for lack in lacks if lack.is_locked}


def problems(*names: str, marker: str = "", left_out: tuple[LeftOut, ...] = ()) -> list[str]:
    packages = read_packages(lock_of(*names, marker=marker))
    return judge(find_lacking(packages, TARGETS, {f"{number:064x}" for number in range(9)}), left_out)


def test_four_pythons_on_three_platforms() -> None:
    assert len(EVERYWHERE) == 12
    assert {"CPython 3.11 on macOS arm64", "CPython 3.14 on Linux arm64"} < EVERYWHERE


def test_pure_wheels_fit_everywhere() -> None:
    assert lacking("some_thing-1.0-py3-none-any.whl") == set()
    assert lacking("some_thing-1.0-py2.py3-none-any.whl") == set()
    assert lacking() == EVERYWHERE


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64", {"CPython 3.13 on Linux x86-64"}),
        ("cp313-cp313-manylinux2014_aarch64", {"CPython 3.13 on Linux arm64"}),
        ("cp312-cp312-manylinux_2_28_x86_64", {"CPython 3.12 on Linux x86-64"}),
        ("cp311-cp311-macosx_10_9_universal2", {"CPython 3.11 on macOS arm64"}),
        ("cp311-cp311-macosx_11_0_arm64", {"CPython 3.11 on macOS arm64"}),
        (
            "cp312-abi3-manylinux1_x86_64",
            {f"CPython {python} on Linux x86-64" for python in ("3.12", "3.13", "3.14")},
        ),
        ("py3-none-macosx_13_0_arm64", {target for target in EVERYWHERE if "macOS" in target}),
        # A newer glibc or macOS than we ask for, another C library, free threads, another processor, system
        # or interpreter.
        ("cp313-cp313-manylinux_2_34_x86_64", set()),
        ("cp313-cp313-macosx_15_0_arm64", set()),
        ("cp313-cp313-musllinux_1_2_x86_64", set()),
        ("cp313-cp313t-manylinux2014_x86_64", set()),
        ("cp313-cp313-macosx_10_12_x86_64", set()),
        ("cp313-cp313-win_amd64", set()),
        ("cp310-cp310-manylinux2014_x86_64", set()),
        ("pp311-pypy311_pp73-manylinux2014_x86_64", set()),
    ],
)
def test_a_wheel_fits_where_its_tags_say(tag: str, fits: set[str]) -> None:
    assert lacking(f"some_thing-1.0-{tag}.whl") == EVERYWHERE - fits


def test_a_wheel_whose_hash_is_not_locked_does_not_count() -> None:
    wheel = "some_thing-1.0-py3-none-any.whl"
    assert lacking(wheel, hashes=0) == EVERYWHERE
    found = find_lacking(read_packages(lock_of(wheel)), TARGETS, set())
    assert "whose hash is not in the lock" in judge(found, ())[0]


def test_what_is_locked_and_lacks_a_wheel_is_named() -> None:
    wheel = "some_thing-1.0-cp313-cp313-macosx_11_0_arm64.whl"
    found = problems(wheel)
    assert len(found) == 11
    assert found[0].startswith(
        "some-thing 1.0 lacks a wheel for CPython 3.11 on Linux x86-64: found 1 wheels, none of which fits."
    )


def test_what_a_marker_leaves_out_needs_a_row() -> None:
    wheel = "some_thing-1.0-py3-none-manylinux2014_x86_64.whl"
    marker = "platform_machine == 'x86_64' or (platform_machine == 'aarch64' and python_version < '3.11')"
    row = LeftOut(
        "some-thing", ("3.11", "3.12", "3.13", "3.14"), ("Linux arm64", "macOS arm64"), "another one serves"
    )
    assert len(problems(wheel, marker=marker)) == 8
    assert problems(wheel, marker=marker, left_out=(row,)) == []


def test_what_is_for_another_system_is_lacked_by_nobody() -> None:
    assert problems("one-1-cp311-cp311-win_amd64.whl", marker="sys_platform == 'win32'") == []
    assert problems("one-1-cp311-cp311-macosx_14_0_arm64.whl", marker="sys_platform == 'darwin'") != []


def test_a_row_does_not_excuse_what_is_locked() -> None:
    row = LeftOut("some-thing", ("3.14",), ("Linux arm64",), "none")
    found = problems("some_thing-1.0-py3-none-macosx_11_0_arm64.whl", left_out=(row,))
    assert any("CPython 3.14 on Linux arm64" in problem for problem in found)


def test_a_row_that_is_not_needed_is_a_problem() -> None:
    row = LeftOut("some-thing", ("3.14",), ("Linux arm64",), "none")
    (found,) = problems("some_thing-1.0-py3-none-any.whl", marker="sys_platform == 'win32'", left_out=(row,))
    assert "some-thing has a wheel for CPython 3.14 on Linux arm64 by now" in found


def test_what_has_wheels_may_be_left_out_as_it_likes() -> None:
    assert problems("some_thing-1.0-py3-none-any.whl", marker="sys_platform == 'win32'") == []
    assert problems("one-1-cp311-cp311-macosx_14_0_arm64.whl", marker="sys_platform == 'darwin'") != []


def test_another_list_than_the_lock_is_refused() -> None:
    packages = read_packages(lock_of("some_thing-1.0-py3-none-any.whl"))
    wheels.check_names(Path("lock.txt"), "some-thing==1.0 \\\n", packages)
    with pytest.raises(UnreadableLockError, match=r"differ in other==2\.0.*make lock"):
        wheels.check_names(Path("lock.txt"), "some-thing==1.0 \\\nother==2.0 ; x \\\n", packages)


def test_an_index_that_can_not_be_asked_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wheels, "UV", tmp_path / "uv")
    with pytest.raises(UnreadableLockError, match="found no uv"):
        wheels.ask_index(Path("lock.txt"))

    (tmp_path / "uv").write_text("#!/bin/sh\necho 'no such package' >&2\nexit 2\n")
    (tmp_path / "uv").chmod(0o755)
    with pytest.raises(UnreadableLockError, match=r"uv failed on lock.txt:\nno such package"):
        wheels.ask_index(Path("lock.txt"))

    def hang(*_: Any, **__: Any) -> None:
        raise subprocess.TimeoutExpired("uv", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(UnreadableLockError, match="is the package index reachable"):
        wheels.ask_index(Path("lock.txt"))
