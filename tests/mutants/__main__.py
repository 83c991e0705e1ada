# SPDX-License-Identifier: MIT
"""`make mutants`: drops the contracts' rules one by one, and expects the test that guards it to fail.

Prints a line for every mutation and writes .bench/mutants.json. Exits with 1 where one survived, or could not
be tried.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from tests.mutants.mutations import MUTATIONS
from tests.mutants.runner import choose, workshop
from tests.support.relaynet import write_json

OUTPUT: Final = Path(".bench/mutants.json")


def main(words: list[str]) -> int:
    """Try the mutations that were asked for. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="names of mutations, or how they begin, by commas")
    chosen = choose(MUTATIONS, [name for name in parser.parse_args(words).only.split(",") if name])
    if not chosen:
        print("no such mutation; known: " + ", ".join(mutation.name for mutation in MUTATIONS))
        return 2
    rows = []
    with workshop() as bench:
        for mutation in chosen:
            outcome = bench.try_out(mutation)
            print(
                f"{outcome.verdict:9} {outcome.took_s:5.1f} s  {mutation.name:36} {mutation.killer}"
                + ("" if outcome.verdict == "killed" else f"\n{'':18}{outcome.told}"),
                flush=True,
            )
            rows.append(
                {
                    "name": mutation.name,
                    "rule": mutation.rule,
                    "source": mutation.source,
                    "test": mutation.killer,
                    "verdict": outcome.verdict,
                    "told": outcome.told,
                    "took_s": round(outcome.took_s, 1),
                }
            )
    verdicts = Counter(str(row["verdict"]) for row in rows)
    write_json(OUTPUT, {"verdicts": verdicts, "mutations": rows})
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())))
    return 0 if set(verdicts) == {"killed"} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
