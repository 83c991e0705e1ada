# SPDX-License-Identifier: MIT
"""Changes of an endpoint after it was made, by those whom its AccessManager lets.

Each command names what shall be so. It goes through four parts:

1. site.py reads the endpoint as it stands: its remotes, its roles, and what is scheduled.
2. remotes.py, lanes.py, channels.py, roles.py and clients.py, one for each group of commands, return the
   calls that are wanted, and whether they were made already. They send nothing.
3. decisions.py, which is pure, tells for each call what comes next: call it, schedule it, wait, execute it,
   take it back, or refuse; and the bytes of that for a multisig.
4. run.py makes a plan of that, and sends it as a deployment is sent: each signed transaction is in the
   manifest before a node gets it.

Nothing but the chain says how far a change has come, so that a command is simply run again. Read decisions.py
first.
"""
