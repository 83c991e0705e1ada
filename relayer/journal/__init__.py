# SPDX-License-Identifier: MIT
"""What the daemon knows, on disk: every hand-over is a row, so that a killed daemon resumes from the row (INV-6)."""
