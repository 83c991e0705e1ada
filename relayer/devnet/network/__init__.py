# SPDX-License-Identifier: MIT
"""The top floor: several local chains that live and die together, in this process or in the background."""
