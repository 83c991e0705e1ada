# SPDX-License-Identifier: MIT
"""The rules of the contracts that are dropped: a module for the gateway, one for what light clients share,
and one for each light client. Another light client adds its module, with its `MUTATIONS`, and nothing else.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Final

from tests.mutants.mutation import Mutation

MUTATIONS: Final[tuple[Mutation, ...]] = tuple(
    mutation
    for module in pkgutil.iter_modules(__path__, f"{__name__}.")
    for mutation in import_module(module.name).MUTATIONS
)
