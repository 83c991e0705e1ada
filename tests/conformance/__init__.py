# SPDX-License-Identifier: MIT
"""Conformance with real data: vectors that nobody of this project made, read by one suite a folder.

How it works
    `registry` finds the suites, `runner` runs all cases of the folders that it is given and counts them,
    `__main__` is the command (`make conformance`), `case` is what suites are made of. Every other module here
    is a suite, or a part of one (those whose name begins with an underscore).

    The vectors lie in `../shared/vectors` beside the checkout, or in the folder that POSTROAD_VECTORS names.
    A folder in it that no suite reads, a file that its suite does not read, and a part that a suite knows but
    that is not there, are all reported as skipped, with the reason. What a suite raises while it reads is a
    failed case that names the file; the other files are read all the same.

How a new kind of consensus adds its vectors
    One module, which says the name of the folder that it reads and yields that folder's cases:

        FOLDER = "clique_headers"

        def cases(folder: Path) -> Iterator[Case]:
            for path in sorted(folder.rglob("*.json")):
                yield from cases_in(path, header_cases)

        def header_cases(path: Path) -> Iterator[Case]:
            block = read_json(path)
            yield Case(f"{path.stem}: hash", partial(check_hash, block))

    `NETWORK = True` beside FOLDER says that a suite starts a local chain. A module in this package is found
    because it is here. A package of somebody else names its module under the entry point group
    `postroad.conformance`:

        [project.entry-points."postroad.conformance"]
        clique = "postroad_clique.vectors"

    A suite asks the Python client alone. That the contract gives the same verdict on the same bytes (INV-8)
    is shown by the differential harness: `tests/differential/clients.py` compares any light client that is
    described to it by a `Consensus` and by the calls to make.
"""
