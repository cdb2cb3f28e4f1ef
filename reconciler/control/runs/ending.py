"""The end of a run: recorded once, counted by the breaker, and the next one admitted.

All of it is one transaction, so that nothing waits for a run that is already over.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from reconciler.control.unreadable import find_readable
from reconciler.core.manifest.notify import Event
from reconciler.core.runs.admission import moved_blockers, promotable
from reconciler.core.runs.allowance import held_to_allowance
from reconciler.core.runs.context import last_completed
from reconciler.core.runs.key import with_note
from reconciler.core.runs.live import LiveAutopilot, SpecTimes
from reconciler.core.runs.precheck import NothingToDo
from reconciler.core.runs.run import (
    Completed,
    Failed,
    Outcome,
    Reason,
    Run,
    Status,
    WaitingFor,
)
from reconciler.core.runs.standing import Breaker, InForce, after_run, standing_of
from reconciler.store.engine.database import Tx
from reconciler.store.money.budgets import Accounts, read_accounts
from reconciler.store.notify.outbox import Occasion, note_occasions
from reconciler.store.objects.manifests import get_document
from reconciler.store.runs.approvals import settle_approval
from reconciler.store.runs.conditions import as_read, owned_by
from reconciler.store.runs.last import read_last_completed
from reconciler.store.runs.occupancy import any_waiting, read_occupancy, save_blockers, save_breaker
from reconciler.store.runs.runs import change_run, end_run, get_run, usage_columns, used_so_far


def finish(
    tx: Tx,
    run: Run,
    outcome: Outcome | NothingToDo,
    now: datetime,
    *,
    cooldown: timedelta,
    owner: str | None = None,
    unchanged: bool = False,
    counts: bool = True,
) -> bool:
    """End a run and let the next one in; return False where it had ended or the lease is lost.

    `owner`: only while that owner holds the lease. `unchanged`: only where the run stands as it
    was read, for whoever ends a run that nobody should have begun meanwhile. `counts`: whether a
    failure counts for the breaker; an agent without quota says nothing about the autopilot.

    1. Hold the autopilot's row.
    2. End the run, once; what completes has been running, if only for this moment.
    3. Count it in the breaker.
    4. Admit what may be admitted now.

    Where the autopilot's row cannot be read the run ends all the same, and that is all: what waits
    is looked for again once the row is put back.
    """
    live = find_readable(tx, run.autopilot_id, lock=True)
    if not isinstance(outcome, NothingToDo):
        if outcome.usage is not None or run.allowance_micros:
            run = used_so_far(tx, run)
        outcome = held_to_allowance(run, outcome)
    held = [] if owner is None else [owned_by(owner)]
    if unchanged:
        held.append(as_read(run))
    # The table of transitions knows no way to completed but through running.
    through = isinstance(outcome, Completed)
    if not end_run(tx, run.id, _ending(run, outcome, now), *held, through_running=through):
        return False
    if run.waiting_for is WaitingFor.APPROVAL:
        settle_approval(tx, run.id, now)
    if live is not None:
        moved = _count(tx, live, run.id, outcome, now, counts=counts)
        promote(tx, run.autopilot_id, now, cooldown, known=None if moved else live)
    return True


def _ending(run: Run, outcome: Outcome | NothingToDo, now: datetime) -> Mapping[str, Any]:
    """What the outcome says; of the usage the most that was ever reported."""
    if isinstance(outcome, NothingToDo):
        return {
            "status": Status.SKIPPED,
            "reason": Reason.NOTHING_TO_DO,
            "failure_reason": outcome.message,
            "completed_at": now,
            "attempts": 0,
        }
    used = {} if outcome.usage is None else usage_columns(outcome.usage.over(run.usage))
    noted = {} if outcome.note is None else {"note": with_note(run, outcome.note)}
    ended = {"result": outcome.result, "completed_at": now, **used, **noted}
    match outcome:
        case Completed():
            return {"status": Status.COMPLETED, **ended}
        case Failed(reason, message):
            return {
                "status": Status.FAILED,
                "reason": reason,
                "failure_reason": message,
                **ended,
            }


def _count(
    tx: Tx,
    live: LiveAutopilot,
    run_id: str,
    outcome: Outcome | NothingToDo,
    now: datetime,
    *,
    counts: bool,
) -> bool:
    """Count the end in the breaker; return whether that changed the autopilot's row."""
    switches = live.switches
    before = Breaker(switches.failures, switches.breaker_opened_at, switches.breaker_probe)
    status = Status.COMPLETED if isinstance(outcome, Completed) else Status.FAILED
    reason = outcome.reason if isinstance(outcome, Failed) and counts else None
    after = after_run(before, run_id, status, reason, live.pause_after_failures, now)
    if after == before:
        return False
    save_breaker(tx, live.id, after.failures, after.opened_at, after.probe)
    if before.opened_at is None and after.opened_at is not None:
        note_occasions(tx, [_opened(live, run_id, after)], now)
    return True


def _opened(live: LiveAutopilot, run_id: str, breaker: Breaker) -> Occasion:
    """A breaker that opens is told of once; a probe that fails keeps it open."""
    return Occasion(
        Event.BREAKER,
        f"breaker:{run_id}",
        live.id,
        live.workspace,
        live.digest,
        {"failures": breaker.failures},
        run_id,
    )


def promote(
    tx: Tx,
    autopilot_id: str,
    now: datetime,
    cooldown: timedelta,
    *,
    known: LiveAutopilot | None = None,
) -> list[str]:
    """Admit waiting runs, oldest first, while there is room; return their ids.

    `known` is the autopilot as this transaction has read and held it.

    Those that could pass a budget end instead, as `skipped`.

    While the autopilot is not in force, or its row cannot be read, waiting runs stay, until their
    `queueTtl`.
    """
    live = known or find_readable(tx, autopilot_id, lock=True)
    # Held first: nobody begins to wait between this read and the end of the transaction.
    if live is None or not any_waiting(tx, autopilot_id):
        return []
    standing = standing_of(live.switches, cooldown, now)
    if not isinstance(standing, InForce):
        return []
    occupancy = read_occupancy(tx, [live], now)[autopilot_id]
    admitted: list[str] = []
    accounts: Accounts | None = None
    while run_id := promotable(live.policy, occupancy):
        accounts = accounts or read_accounts(tx, [live], now)
        if (over := accounts.exceeded(live)) is not None:
            _skip_waiter(tx, run_id, over.why, now)
            occupancy.leave({run_id})
            continue
        if not _admit_waiter(tx, run_id, now, accounts.allowance(live)):
            occupancy.leave({run_id})  # it has ended meanwhile: its queueTtl passed, or a cancel
            continue
        occupancy.promote(run_id)
        accounts.enter(live)
        admitted.append(run_id)
        if standing.probe:
            switches = live.switches
            save_breaker(tx, live.id, switches.failures, switches.breaker_opened_at, run_id)
            break
    # Whoever still waits may name a run that has just ended.
    policy = replace(live.policy, max_active=1) if standing.probe else live.policy
    save_blockers(tx, moved_blockers(policy, occupancy))
    return admitted


def _skip_waiter(tx: Tx, run_id: str, why: str, now: datetime) -> None:
    """The budget is judged when a run is admitted, not when it begins to wait."""
    run = get_run(tx, run_id)
    if run is None:
        return
    values = {
        "status": Status.SKIPPED,
        "reason": Reason.OVER_BUDGET,
        "failure_reason": why,
        "completed_at": now,
    }
    end_run(tx, run_id, values, as_read(run))


def _admit_waiter(tx: Tx, run_id: str, now: datetime, allowance: int | None) -> bool:
    """Admit under the spec that the run was triggered with: its own timeout counts."""
    run = get_run(tx, run_id)
    if run is None:
        return False
    spec = get_document(tx, run.spec_digest)["spec"]
    values = {
        "admitted_at": now,
        "deadline_at": now + SpecTimes.of(spec).timeout,
        "waiting_for": WaitingFor.AGENT,
        "allowance_micros": allowance,
    }
    if "lastCompleted" in (spec.get("context") or ()):
        # The run before it, which ended in this transaction, is among those that are read.
        last = read_last_completed(tx, [run.autopilot_id])[run.autopilot_id]
        values["context"] = last_completed(last)
    return change_run(tx, run_id, values, as_read(run))


def expire(tx: Tx, run: Run, now: datetime) -> bool:
    """Fail a waiting run whose `queueTtl` has passed; False where it was admitted meanwhile."""
    waited = (
        f"waited longer than queueTtl for run {run.blocked_by}"
        if run.blocked_by
        else ("waited longer than queueTtl")
    )
    return end_run(
        tx,
        run.id,
        {
            "status": Status.FAILED,
            "reason": Reason.EXPIRED,
            "failure_reason": waited,
            "completed_at": now,
        },
        as_read(run),
    )
