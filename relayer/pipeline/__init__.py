# SPDX-License-Identifier: MIT
"""The pipeline: messages from the logs of one chain to the proven bitmap of another.

A message passes five steps: watch → verify → prove → submit → confirm. Every state that it comes to is a row
in the journal, so that a killed daemon goes on from the row (relayer.protocol.delivery lists the states).

The work is done by tasks that run for ever. The supervisor starts a task again when it ends, so that one bad
chain or lane slows no other. `Pipeline` makes the tasks and joins them:

    HeadWatcher ──▶ ChainTask ──▶ LightClientTask ──▶ LaneTask ──▶ Sender
       one a chain    one a chain    one a chain and      one a lane    one a chain
                          ▲          a destination            │             │
                          │                │                  │             │
                          └────────────────┴──────────────────┴─────────────┘

    HeadWatcher      keeps the newest head that providers tell of, and wakes its ChainTask.
    ChainTask        verifies the head, reads logs, has the sender look, proves page heads and delivered
                     bitmaps in one storage proof, judges them, and commits what follows in one commit. It
                     tells the light clients of the chain of the header. It wakes the lanes from the chain
                     when it has new proofs, and the lanes to it when bitmaps were judged. When the chain can
                     be asked again after an outage, it wakes the light clients on it and the lanes to it.
    LightClientTask  keeps the chain's light client on a destination current, anchors headers, freezes. It
                     wakes its lanes when the client is ready or they have to wait, and the ChainTask of its
                     source when proofs have to be made anew.
    LaneTask         plans batches, simulates them and has the sender send them. It has its LightClientTask
                     look again when the destination refuses a proof, or anchor a header. It wakes the
                     ChainTask of its source when a proof was refused, and the one of its destination when a
                     provider shows a message as delivered that a bitmap has to prove.
    Sender           (relayer.sending) signs, journals, offers and follows. Its outcomes go to the
                     ChainTask of its chain, which wakes the lanes to it: there is room for more.

Who is woken is an object with a method (`wakes` has what it has to offer), and a wake carries no value: the
task that is woken looks at the state that it shares with the others (`LaneProgress`, `Sender`,
`LightClientTask`) and decides anew. So a wake may come twice or for nothing. Every task also looks by itself
now and then, so that a lost wake only costs time.

A chain is the source of its outgoing lanes and the destination of its incoming ones. Therefore one verified
header and one proof serve both, and nothing that a ChainTask does waits for another chain.

What is decided is pure and stands in `rules`; the tasks ask, hand the answers to the rules, commit what these
return, and hand that to the methods of the lane (`rules.lane`), which nothing else changes. What waits, waits
by a clock that nobody sets (`rules.instant`). A batch that can't be sent holds back its page and no other.

    what is decided                   rules/
    what all tasks need               services, wakes
    parts of a chain's task           watch, log_repair, unfinalized, chain_commit
    parts of a lane's task            page_window, lane_waiting, destination
    the tasks, and what holds them    chain_task, client_task, lane_task, witness, supervise, pipeline
"""
