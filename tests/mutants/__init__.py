# SPDX-License-Identifier: MIT
"""Whether the contracts' tests would notice a rule that is gone: `make mutants`.

`mutations/` lists rules of the contracts; a mutation drops or weakens one of them, and names the test that
must fail then. `runner.py` copies solidity/ to a folder of its own and asks that test twice, as the contracts
are and mutated. A mutation whose test passes both times has survived: the test does not hold the rule.

A rule that moves in the sources takes its mutation along: tests/unit/test_mutations.py compares the texts.
"""
