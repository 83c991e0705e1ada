# SPDX-License-Identifier: MIT
"""The library under the project's own name: `import postroad` is `import relayer`.

The package index has a distribution `relayer` of somebody else, with the same top-level package. Both in one
environment overwrite each other; this name is ours alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from relayer import __all__ as __all__
from relayer import __dir__ as __dir__
from relayer import __getattr__ as __getattr__

if TYPE_CHECKING:
    from relayer import *  # noqa: F403
