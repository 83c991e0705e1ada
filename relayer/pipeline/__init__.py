# SPDX-License-Identifier: MIT
"""The pipeline: messages from the logs of one chain to the proven bitmap of another.

A message passes five steps: watch → verify → prove → submit → confirm. Every state that it comes to is a row
in the journal, so that a killed daemon goes on from the row (relayer.protocol.delivery lists the states).

The work is done by tasks that run for ever. The supervisor starts a task again when it ends, so that one bad
chain or lane slows no other. `Pipeline` makes the tasks and joins them:

    HeadWatcher  one for a chain: keeps the newest head that providers tell of
        │
        │ a new head
        ▼
    ChainTask  one for a chain: verifies the head, reads logs and receipts, proves page heads and delivered
        │      bitmaps in one storage proof, judges them, and commits what follows in one commit
        │
        ├─ on_source_header ─▶ LightClientTask  one for a chain and a destination: keeps the chain's light
        │                        │              client there current, anchors headers, freezes
        │                        │
        │                        │ wake: the client is ready, or its lanes have to wait
        │                        ▼
        └─ wake ─────────────▶ LaneTask  one for a lane: plans batches, simulates, journals, broadcasts

    ChainTask wakes     the LaneTasks of lanes from it, when it has new proofs; of lanes to it, when bitmaps
                        were judged or transactions have left the queue
    LightClientTask     wakes the ChainTask of its source, when proofs have to be made anew
    LaneTask            wakes the ChainTask of its source, when the destination refuses a proof, and the one
                        of its destination, when a provider shows a message as delivered that a bitmap has
                        to prove; calls `recheck` and `anchor` of its LightClientTask, which wake that

A wake says only that something changed. It carries no value: the task that is woken looks at the state that
it shares with the others (`LaneProgress`, `TransactionTracker`, `LightClientTask`) and decides anew. So a
wake may come twice or for nothing. Every task also looks by itself now and then, so that a lost wake only
costs time.

A chain is the source of its outgoing lanes and the destination of its incoming ones. Therefore one verified
header and one proof serve both, and nothing that a ChainTask does waits for another chain.

    pure, values in and values out    rules/
    parts of a chain's task           watch, log_repair, unfinalized, chain_commit
    parts of a lane's task            page_window, lane_waiting, destination
    transactions                      tracked_transaction, transactions
    the tasks, and what holds them    chain_task, client_task, lane_task, supervise, pipeline
"""
