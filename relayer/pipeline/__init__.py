# SPDX-License-Identifier: MIT
"""watch → verify → prove → submit → confirm: each arrow a frozen value, each hand-over a row in the journal."""
