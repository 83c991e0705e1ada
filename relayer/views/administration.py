# SPDX-License-Identifier: MIT
"""A change of an endpoint by its admins: what is planned, what came of it, and the calls for a multisig."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from relayer.views.finding import FindingView, finding_view

if TYPE_CHECKING:
    from relayer.endpoint.administration.decisions import ChangeDecision, PrintedCall
    from relayer.endpoint.administration.run import AdministrationPlan


class ChangeView(msgspec.Struct, frozen=True, kw_only=True):
    """One change.

    Attributes:
        name: of the command.
        effect: what it changes, for people.
        act: what is done next: `nothing`, `call`, `schedule`, `wait`, `execute`, `cancel` or `refused`.
        contract: the kind of contract that is called.
        target: that contract, 20 bytes.
        data: the calldata; None where it names a contract that is deployed first.
        call: the same, for people.
        role: the number of the role that it takes; None where only an owner may.
        label: what people call that role; None likewise.
        delay_s: how long the account's change waits.
        scheduled_by: who has scheduled it, 20 bytes; None where nobody has.
        ready_at: the second from which on it can be executed; None where it is not scheduled.
        compare: what a person compares, as lines.
    """

    name: str
    effect: str
    act: str
    contract: str
    target: bytes
    data: bytes | None
    call: str | None
    role: int | None
    label: str | None
    delay_s: int
    scheduled_by: bytes | None
    ready_at: int | None
    compare: tuple[str, ...]


class SentCallView(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that was sent: what it did, its hash, and what it cost."""

    what: str
    tx_hash: bytes
    gas_used: int
    fee_wei: int


class PrintedCallView(msgspec.Struct, frozen=True, kw_only=True):
    """A call for somebody else to send.

    Attributes:
        name: `call`, `schedule`, `execute` or `cancel`.
        change: what it changes, for people.
        when: when it may be sent, for people.
        ready_at: the second from which on it works; None where it works at once, or its delay has not begun.
        target: whom to call, 20 bytes.
        value: in wei; always 0.
        data: the calldata.
        batch: the same as a file of Safe's Transaction Builder.
    """

    name: str
    change: str
    when: str
    ready_at: int | None
    target: bytes
    value: int
    data: bytes
    batch: Mapping[str, Any]


class AdministrationView(msgspec.Struct, frozen=True, kw_only=True):
    """A plan and what came of it.

    Attributes:
        chain: whose endpoint is changed.
        account: who sends, 20 bytes.
        refused: whether a finding forbids it.
        findings: what speaks for and against it.
        changes: what is changed.
        gas: about what its transactions take; 0 where nothing is sent.
        applied: whether its transactions were sent.
        transactions: those that were sent, by this run or one before it that was cut short.
        calls: with `--print-call`, those to be sent by somebody else.
    """

    chain: str
    account: bytes
    refused: bool
    findings: tuple[FindingView, ...]
    changes: tuple[ChangeView, ...]
    gas: int
    applied: bool
    transactions: tuple[SentCallView, ...]
    calls: tuple[PrintedCallView, ...]


def administration_view(
    plan: AdministrationPlan,
    *,
    applied: bool = False,
    transactions: Sequence[SentCallView] = (),
    scheduled: Mapping[bytes, int] | None = None,
    created_at_ms: int | None = None,
) -> AdministrationView:
    """Return the view of a plan.

    Args:
        plan: the plan.
        applied: whether its transactions were sent.
        transactions: those.
        scheduled: from when on what was scheduled just now can be executed, by its calldata.
        created_at_ms: the time now, in milliseconds since 1970, for the calls of a multisig; None for none.
    """
    from relayer.endpoint.administration.decisions import printed_calls

    chain_id = plan.site.config.chain(plan.site.name).chain_id
    calls = [
        _printed(call, decision, chain_id, plan.account, created_at_ms)
        for decision in plan.decisions
        if created_at_ms is not None
        for call in printed_calls(decision, plan.site.view.authority, plan.account)
    ]
    return AdministrationView(
        chain=plan.site.name,
        account=plan.account,
        refused=plan.is_refused,
        findings=tuple(finding_view(finding) for finding in plan.findings),
        changes=tuple(_change(decision, scheduled or {}) for decision in plan.decisions),
        gas=plan.gas,
        applied=applied,
        transactions=tuple(transactions),
        calls=tuple(calls),
    )


def _change(decision: ChangeDecision, scheduled: Mapping[bytes, int]) -> ChangeView:
    from relayer.endpoint.access import role_text
    from relayer.endpoint.administration.decisions import SENDING_ACTS, Act, describe_arguments

    change, operation, role = decision.change, decision.operation, decision.permission.role
    is_final = not change.is_provisional or operation is not None
    # To cancel, the calldata of what is scheduled has to be found first.
    is_known = is_final and (decision.act is not Act.NOTHING or bool(change.done))
    # What takes a change back needs no comparing.
    is_compared = change.is_provisional or decision.act in SENDING_ACTS - {Act.CANCEL}
    ready_at = scheduled.get(decision.data) if operation is None else operation.ready_at
    return ChangeView(
        name=change.name,
        effect=change.effect,
        act=decision.act.value,
        contract=change.contract,
        target=change.target,
        data=decision.data if is_known else None,
        call=describe_arguments(change.contract, decision.data) if is_known else None,
        role=None if role is None else role.number,
        label=None if role is None else role_text(role),
        delay_s=decision.permission.delay_s,
        scheduled_by=None if operation is None else operation.caller,
        ready_at=ready_at,
        compare=change.compare if is_compared else (),
    )


def _printed(
    call: PrintedCall, decision: ChangeDecision, chain_id: int, account: bytes, created_at_ms: int
) -> PrintedCallView:
    change = decision.change
    batch = {
        "version": "1.0",
        "chainId": str(chain_id),
        "createdAt": created_at_ms,
        "meta": {
            "name": f"{change.name}: {call.name}",
            "description": f"{change.effect} ({call.when})",
            "createdFromSafeAddress": account,
        },
        "transactions": [
            {
                "to": call.target,
                "value": "0",
                "data": call.data,
                "contractMethod": None,
                "contractInputsValues": None,
            }
        ],
    }
    return PrintedCallView(
        name=call.name,
        change=change.effect,
        when=call.when,
        ready_at=call.ready_at or None,
        target=call.target,
        value=0,
        data=call.data,
        batch=batch,
    )
