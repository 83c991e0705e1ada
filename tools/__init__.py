# SPDX-License-Identifier: MIT
"""Programs for building and checking this project; the Makefile runs them.

install.py installs the pinned tools, build_contracts.py compiles the contracts, wheels.py and kind_names.py
are checks, and which.py tells recipes where a tool is. live/ installs real clients of other teams.
"""
