# SPDX-License-Identifier: MIT
"""The commands that tests take from a how-to."""

from __future__ import annotations

from pathlib import Path

from tests.support.operator import read_commands

PAGE = Path(__file__).parents[3] / "docs/how-to/join-a-goquorum-chain.md"


def test_commands_are_what_is_indented_in_their_section(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n    no command\n\n## The commands\n\nSay:\n\n    one a \\\n        b   # why\n"
        "    two 's/^# (x) =/y/'\n\nThen:\n\n    three\n\n## More\n\n    no command\n"
    )
    assert read_commands(page) == ["one a b", "two 's/^# (x) =/y/'", "three"]


def test_the_page_goes_from_init_to_daily_operation() -> None:
    words = [" ".join(command.split()[1:3]) for command in read_commands(PAGE) if "postroad " in command]
    order = ["init --chain", "config check", "endpoint deploy", "endpoint register", "endpoint check", "run"]
    places = [words.index(word) for word in order]
    assert places == sorted(places)
    assert words[words.index("run") + 1 :] == ["send mine", "pending", "client status"]
