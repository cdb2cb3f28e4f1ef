"""The end of a run: recorded once, counted by the breaker, and the next one admitted.

All of it is one transaction, so that nothing waits for a run that is already over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from reconciler.control.unreadable import find_readable
from reconciler.core.manifest.notify import Event
from reconciler.core.runs.admission import Occupancy, moved_blockers, promotable
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
from reconciler.store.runs.conditions import Condition, as_read
from reconciler.store.runs.ends import RunEnd, end_run, end_runs
from reconciler.store.runs.last import read_last_completed
from reconciler.store.runs.occupancy import (
    any_waiting,
    lock_autopilots,
    read_occupancy,
    save_blockers,
    save_breaker,
)
from reconciler.store.runs.runs import (
    change_runs,
    hold_waiting,
    usage_columns,
    used_so_far,
)

_READ_AHEAD = 50
"""Waiting runs that are read at once."""


class Finish(NamedTuple):
    """An end that somebody found. `counts`: whether a failure counts for the breaker; an agent
    without quota says nothing about the autopilot."""

    run: Run
    outcome: Outcome | NothingToDo
    counts: bool = True


def finish(
    tx: Tx,
    run: Run,
    outcome: Outcome | NothingToDo,
    now: datetime,
    *,
    cooldown: timedelta,
    unchanged: bool = False,
) -> bool:
    """End a run and let the next one in; return False where it had ended already.

    `unchanged`: only where the run stands as it was read, for whoever ends a run that nobody
    should have begun meanwhile.
    """
    where = [as_read(run)] if unchanged else []
    return finish_all(tx, [Finish(run, outcome)], now, *where, cooldown=cooldown) != [None]


def finish_all(
    tx: Tx,
    ends: Sequence[Finish],
    now: datetime,
    *where: Condition,
    cooldown: timedelta,
) -> list[Run | None]:
    """End runs for which the conditions still hold, and let the next ones in.

    Return each that has ended, with the handles that its row had then; None for one that had ended
    before, or of which somebody else holds the lease.

    1. Hold the rows of the autopilots.
    2. End the runs, each once; what completes has been running, if only for this moment.
    3. Count them in the breakers.
    4. Admit what may be admitted now.

    Where the autopilot's row cannot be read a run ends all the same, and that is all: what waits
    is looked for again once the row is put back.
    """
    lives = lock_autopilots(tx, [end.run.autopilot_id for end in ends])
    # In the order of ids: who renews leases meanwhile holds the same rows.
    in_order = sorted(range(len(ends)), key=lambda place: ends[place].run.id)
    within = {place: _within_allowance(tx, ends[place]) for place in in_order}
    judged = [within[place] for place in range(len(ends))]
    written = end_runs(tx, [_run_end(end, now) for end in judged], *where)
    finished: list[Run | None] = []
    for (run, outcome, counts), handles in zip(judged, written, strict=True):
        finished.append(None if handles is None else handles.on(run))
        if handles is None:
            continue
        if run.waiting_for is WaitingFor.APPROVAL:
            settle_approval(tx, run.id, now)
        if (live := lives.get(run.autopilot_id)) is not None:
            # The next end of the same autopilot counts on from here.
            lives[live.id] = _count(tx, live, run.id, outcome, now, counts=counts)
    for autopilot_id in dict.fromkeys(run.autopilot_id for run in finished if run is not None):
        if (live := lives.get(autopilot_id)) is not None:
            promote(tx, autopilot_id, now, cooldown, known=live)
    return finished


def _within_allowance(tx: Tx, end: Finish) -> Finish:
    run, outcome, counts = end
    if isinstance(outcome, NothingToDo):
        return end
    if outcome.usage is not None or run.allowance_micros:
        run = used_so_far(tx, run)
    return Finish(run, held_to_allowance(run, outcome), counts)


def _run_end(end: Finish, now: datetime) -> RunEnd:
    # The table of transitions knows no way to completed but through running.
    through = isinstance(end.outcome, Completed)
    return RunEnd(end.run.id, _ending(end.run, end.outcome, now), through_running=through)


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
) -> LiveAutopilot:
    """Count the end in the breaker; return the autopilot as it is then."""
    switches = live.switches
    before = Breaker(switches.failures, switches.breaker_opened_at, switches.breaker_probe)
    status = Status.COMPLETED if isinstance(outcome, Completed) else Status.FAILED
    reason = outcome.reason if isinstance(outcome, Failed) and counts else None
    after = after_run(before, run_id, status, reason, live.pause_after_failures, now)
    if after == before:
        return live
    save_breaker(tx, live.id, after.failures, after.opened_at, after.probe)
    if before.opened_at is None and after.opened_at is not None:
        note_occasions(tx, [_opened(live, run_id, after)], now)
    counted = replace(
        switches,
        failures=after.failures,
        breaker_opened_at=after.opened_at,
        breaker_probe=after.probe,
    )
    return replace(live, switches=counted)


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
    waiters = _Waiters(tx, occupancy)
    admitted: dict[str, tuple[Run, Mapping[str, Any]]] = {}
    accounts: Accounts | None = None
    while run_id := promotable(live.policy, occupancy):
        if (waiter := waiters.hold(run_id)) is None:
            occupancy.leave({run_id})  # it has ended meanwhile: its queueTtl passed, or a cancel
            continue
        accounts = accounts or read_accounts(tx, [live], now)
        if (over := accounts.exceeded(live)) is not None:
            _skip_waiter(tx, waiter, over.why, now)
            occupancy.leave({run_id})
            continue
        admitted[run_id] = waiter, _admission(tx, waiter, now, accounts.allowance(live))
        occupancy.promote(run_id)
        accounts.enter(live)
        if standing.probe:
            switches = live.switches
            save_breaker(tx, live.id, switches.failures, switches.breaker_opened_at, run_id)
            break
    change_runs(tx, [(run.id, values, [as_read(run)]) for run, values in admitted.values()])
    # Whoever still waits may name a run that has just ended.
    policy = replace(live.policy, max_active=1) if standing.probe else live.policy
    save_blockers(tx, moved_blockers(policy, occupancy))
    return [*admitted]


class _Waiters:
    """The waiting runs of an autopilot, read and held several at once as their turns come."""

    def __init__(self, tx: Tx, occupancy: Occupancy) -> None:
        self._tx = tx
        self._ids = [run.id for run in occupancy.waiting()]
        self._runs: dict[str, Run | None] = {}

    def hold(self, run_id: str) -> Run | None:
        """The run; None where it waits no more."""
        if run_id not in self._runs:
            start = self._ids.index(run_id)
            ids = self._ids[start : start + _READ_AHEAD]
            self._runs |= dict.fromkeys(ids) | hold_waiting(self._tx, ids)
        return self._runs[run_id]


def _skip_waiter(tx: Tx, run: Run, why: str, now: datetime) -> None:
    """The budget is judged when a run is admitted, not when it begins to wait."""
    values = {
        "status": Status.SKIPPED,
        "reason": Reason.OVER_BUDGET,
        "failure_reason": why,
        "completed_at": now,
    }
    end_run(tx, run.id, values, as_read(run))


def _admission(tx: Tx, run: Run, now: datetime, allowance: int | None) -> Mapping[str, Any]:
    """What is written under the spec that the run was triggered with: its own timeout counts."""
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
    return values


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
