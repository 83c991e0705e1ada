# SPDX-License-Identifier: MIT
"""Print where a tool is: `python -m tools.which forge`.

For recipes and scripts; Python code asks the toolchain module.
"""

from __future__ import annotations

import sys

from tools._toolchain import toolchain

FINDERS = {
    "anvil": toolchain.find_anvil,
    "forge": toolchain.find_forge,
    "node": toolchain.find_node,
    "solc": toolchain.find_solc,
}


def main(words: list[str]) -> int:
    """Print one tool's path; 1 when it is nowhere, 2 when the word is not a tool."""
    if len(words) != 1 or words[0] not in FINDERS:
        print(f"usage: python -m tools.which {{{','.join(FINDERS)}}}", file=sys.stderr)
        return 2
    try:
        print(FINDERS[words[0]]())
    except toolchain.ToolNotFoundError as error:
        print(f"tools: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
