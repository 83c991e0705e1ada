# SPDX-License-Identifier: MIT
"""What there is to see of a relayer and of its messages, as frozen values with one JSON form.

A view is a `msgspec.Struct` whose fields are the keys of its JSON object. Units stand in the names, except
for `timestamp`, `at`, `since` and `expires_at`, which are seconds since 1970, and `deadline`, which a message
carries in the same unit. None says that a value is not known, or that there is none. Bytes stay bytes:
`relayer.views.encoding` alone turns values into JSON, bytes as 0x-hex and enums by their value.
`docs/reference/cli.md` promises the shapes, and only ever adds keys.

One noun a module:

    chain.py         a chain that the relayer serves           provider.py  one of its RPC providers
    account.py       an account of the relayer's, or its key   policy.py    what its operator allows it
    lane.py          one direction between two endpoints       client.py    a light client on a destination
    message.py       a message                                 story.py     what happened to it
    pending.py       a message that waits, and why             delivery.py  its delivery, and the proof of it
    proof.py         what proves that it was sent              relayer.py   all of a running relayer
    transaction.py   a transaction of ours                     event.py    what happens meanwhile
    endpoint.py      an endpoint, as it is listed              plan.py      what a deployment would send
    finding.py       what a check found                        local_chain.py  a local chain of the devnet
    configuration.py a file that was written                   demo.py      what came of a demo

Who makes a view gives it values that are already at hand: a row of the journal, a task of the pipeline, a
receipt. Nothing here asks a chain or a disk, so a view of a running relayer is taken between two steps of its
event loop and is consistent.

Commands print views (`relayer.cli.output.print_json`), the HTTP API answers with them (`relayer.api`), and
`gauges.py` shows them to Prometheus. Modules are imported one by one: a command that shows a message loads no
pipeline, and no metrics.
"""
