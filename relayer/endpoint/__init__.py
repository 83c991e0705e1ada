# SPDX-License-Identifier: MIT
"""Endpoints: a gateway on a chain, light clients of other chains beside it, and who may change them.

An endpoint is made in four steps, and the manifest keeps what was done:

1. survey.py reads a chain at its newest block and judges whether it can be served: its id, its rules
   (probes.py runs small programs on it), and what trust in its consensus can begin with.
2. plan.py compares what is wanted with what lies on the chains and in the manifest. A plan has the
   transactions that are missing (steps.py) and findings; people see both before anything is sent.
3. apply.py sends the steps. Each is written into manifest.py before and after, so a run that was cut short is
   resumed, and a second run does nothing.
4. check.py judges what stands there, as view.py reads it from the chains, at any time afterwards.

Whoever may, changes an endpoint afterwards: administration/ has a module for each group of commands. Who may
do what, access.py reads; access_rules.py judges it for check.py.

What depends on the kind of consensus is asked of the kind (relayer.consensus.kind.EndpointRole). Read
steps.py, then plan.py.
"""
