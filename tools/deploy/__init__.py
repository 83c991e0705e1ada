# SPDX-License-Identifier: MIT
"""What checks and rehearses the files of deploy/.

programs.py   finds a program: what Go builds here by pinned version, what the lock installs, what is on PATH
check.py      `make deploy-check`: each file by the tools that judge such files
"""
