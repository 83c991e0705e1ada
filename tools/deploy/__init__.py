# SPDX-License-Identifier: MIT
"""What checks and rehearses the files of deploy/.

programs.py   finds a program: what Go builds here by pinned version, what the lock installs, what is on PATH
check.py      `make deploy-check`: each file by the tools that judge such files
rehearse.py   `make deploy-rehearse`: what the files do, done in a bare folder
place.py      that folder: the environment that the image has, and the daemon as the unit starts it
watch.py      the Prometheus that watches it
"""
