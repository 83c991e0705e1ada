# SPDX-License-Identifier: MIT
"""What builds this project: installing the pinned tools, compiling the contracts."""
