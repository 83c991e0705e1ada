# SPDX-License-Identifier: MIT
"""Real networks of validators on loopback, of a platform whose program the operator gives, and one run for
all of them: joined with a local chain by the commands of the how-tos, then relayed through what happens.
"""
