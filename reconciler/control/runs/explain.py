"""Why did it run, or not: the chain of decisions about one autopilot at one moment.

Everything comes from what was recorded at the time: runs with their reasons, missed intervals, the
switches, deliveries. Nothing is guessed; where nothing is known that is said (docs/runs.md#why).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.control.runs.told import Step, told
from reconciler.control.unreadable import find_readable, unreadable
from reconciler.core.base.errors import NotFound
from reconciler.core.base.units import format_duration
from reconciler.core.calendar.errors import ScheduleError
from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.trigger import ScheduleTrigger, TriggerKind
from reconciler.core.money.budget import statement
from reconciler.core.runs.ahead import DECIDED_AHEAD, is_ahead
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import MissedInterval, Run
from reconciler.core.runs.standing import InForce, standing_of
from reconciler.core.runs.streak import explained
from reconciler.core.schedule.agenda import Agenda
from reconciler.core.schedule.audit import within_calendar
from reconciler.store.engine.database import Tx
from reconciler.store.money.budgets import read_accounts
from reconciler.store.objects.overview import read_overviews
from reconciler.store.objects.triggers import NamedTrigger, list_triggers
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.store.runs.missed import missed_between
from reconciler.store.runs.runs import open_runs_of, run_of_occurrence
from reconciler.store.runs.switches import Switched, read_switches
from reconciler.store.webhooks.deliveries import Delivery, deliveries_between

NEAR = timedelta(minutes=1)
"""Runs and deliveries within this time of the moment are named."""
MOST = 20


@dataclass(frozen=True, slots=True)
class Retained:
    """The settings that an answer depends on: the breaker's cool-down, how long runs are kept."""

    cooldown: timedelta
    runs: timedelta


def explain(
    tx: Tx,
    autopilot_id: str,
    at: datetime,
    now: datetime,
    retained: Retained,
    *,
    to_all: bool = True,
) -> list[Step]:
    """The chain for the moment `at`, which may lie ahead. Raises NotFound.

    `to_all`: for a reader who may know of all workspaces, not of some.
    """
    at = within_calendar(at)
    row = read_switches(tx, [autopilot_id]).get(autopilot_id)
    if row is None:
        raise NotFound(f"there is no autopilot {autopilot_id}")
    steps = [_switches(row, at, now, retained.cooldown)]
    if at >= now:
        steps += _failing(tx, autopilot_id, steps[0].subject)
    live = find_readable(tx, autopilot_id)
    if live is not None and at >= now:
        steps += _money(tx, live, now, to_all=to_all)
    if live is None:
        why = str(unreadable(f"Autopilot {row.workspace}/{row.name}"))
        steps.append(Step(steps[0].subject, "unreadable", why))
    for trigger in list_triggers(tx, autopilot_id):
        steps += _trigger(tx, trigger, at, now, retained)
    runs = _others(tx, autopilot_id, at)
    if at >= now:
        named = {step.run for step in steps} | {run.id for run in runs}
        runs += [run for run in open_runs_of(tx, autopilot_id, MOST) if run.id not in named]
    return steps + [told(run, f"run {run.id}", now) for run in runs]


def _switches(live: Switched, at: datetime, now: datetime, cooldown: timedelta) -> Step:
    """What the switches say of the moment; of the past they only know when they changed last."""
    standing = standing_of(live.switches, cooldown, now)
    subject = f"autopilot {live.workspace}/{live.name}"
    if at >= now:
        if isinstance(standing, InForce):
            until_now = f" since {format_instant(standing.since)}" if standing.since else ""
            return Step(subject, "in force", f"it takes work now{until_now}")
        return Step(subject, standing.cause, f"it takes no work now: {standing.why}")
    since, paused = live.switches.in_force_since, live.switches.paused_at
    if isinstance(standing, InForce):
        if since is not None and since <= at:
            return Step(
                subject, "in force", f"it took work: in force since {format_instant(since)}"
            )
    elif paused is not None and paused <= at:
        return Step(subject, standing.cause, f"it took no work: {standing.why}")
    why = "how its switches stood is not recorded; what became of each occurrence is"
    return Step(subject, "past", why)


def _failing(tx: Tx, autopilot_id: str, subject: str) -> Iterator[Step]:
    """The failing streak, and the revision in which it began."""
    (overview,) = read_overviews(tx, [autopilot_id])
    if (streak := overview.streak) is not None:
        yield Step(subject, "failing", explained(streak), streak.run_id)


def _money(tx: Tx, live: LiveAutopilot, now: datetime, *, to_all: bool) -> Iterator[Step]:
    """How the budgets stand that its runs fall under, and which one keeps a run out now."""
    accounts = read_accounts(tx, [live], now, hold=False)
    for account in accounts.of(live):
        yield Step(f"budget of {account.owner}", "budget", statement(account, to_all=to_all))
    if (over := accounts.exceeded(live)) is not None:
        subject = f"autopilot {live.workspace}/{live.name}"
        yield Step(subject, "over budget", f"a run would be skipped now: {over.why}")


def _trigger(
    tx: Tx, trigger: NamedTrigger, at: datetime, now: datetime, retained: Retained
) -> Iterator[Step]:
    subject = f"{trigger.kind} trigger {trigger.name}"
    if not trigger.enabled and at >= now:
        yield Step(subject, "disabled", "the manifest says enabled: false")
    if trigger.kind == TriggerKind.WEBHOOK:
        for delivery in deliveries_between(tx, trigger.id, at - NEAR, at + NEAR, MOST):
            yield _delivery(subject, delivery)
    if trigger.kind != TriggerKind.SCHEDULE:
        return
    if trigger.stalled_reason is not None and at >= now:
        yield Step(subject, "stalled", trigger.stalled_reason)
        return
    if trigger.cursor is not None and is_ahead(trigger.cursor, now, DECIDED_AHEAD):
        yield Step(subject, "ahead of the clock", _ahead(trigger.cursor))
    yield _occurrence(tx, subject, trigger, at, now, retained)


def _ahead(cursor: datetime) -> str:
    return (
        f"it is decided up to {format_instant(cursor)}, which a clock that was ahead left behind; "
        "a running server puts it right within ten minutes, `reconciler resume` at once"
    )


def _delivery(subject: str, delivery: Delivery) -> Step:
    """What became of a request."""
    about = f"{subject}, request at {format_instant(delivery.received_at)}"
    again = f"; it stands for {delivery.attempts} such requests" if delivery.attempts > 1 else ""
    match delivery.verdict:
        case "accepted" | "skipped":
            if delivery.attempts > 1:
                again = f"; it came {delivery.attempts} times, the repeats were duplicates"
            why = f"delivery {delivery.id} made run {delivery.run_id}{again}"
            return Step(about, delivery.verdict, why, delivery.run_id)
        case "refused":
            why = f"answered {delivery.status_code}: {delivery.reason}{again}"
            return Step(about, "refused", why)
        case verdict:
            why = delivery.reason or f"answered {delivery.status_code}"
            return Step(about, verdict, f"{why}{again}", delivery.run_id)


def _occurrence(
    tx: Tx, subject: str, trigger: NamedTrigger, at: datetime, now: datetime, retained: Retained
) -> Step:
    """What became of the last occurrence at or before the moment."""
    try:
        agenda = Agenda.of(trigger.id, ScheduleTrigger.model_validate(trigger.document))
        occurrence = _last_until(agenda, at)
    except (ScheduleError, ValueError) as error:
        return Step(subject, "stalled", str(error))
    if occurrence is None:
        following = agenda.next_after(at)
        when = f"the first is at {format_instant(following)}" if following else "and never will be"
        return Step(subject, "not due", f"nothing was due by {format_instant(at)}; {when}")
    about = f"{subject}, due at {format_instant(occurrence)}"
    if (run := run_of_occurrence(tx, trigger.id, occurrence)) is not None:
        return told(run, about, now)
    for interval in _covering(tx, trigger, occurrence):
        until = format_instant(interval.last) if interval.last else "now"
        why = f"{interval.detail} (recorded from {format_instant(interval.first)} to {until})"
        return Step(about, interval.reason.value, why)
    return _undecided(about, agenda, trigger, occurrence, now, retained)


def _last_until(agenda: Agenda, at: datetime) -> datetime | None:
    just_after, long_ago = at + timedelta(microseconds=1), at - timedelta(days=366 * 5)
    return next(agenda.newest_before(just_after, long_ago), None)


def _covering(tx: Tx, trigger: NamedTrigger, at: datetime) -> Sequence[MissedInterval]:
    intervals = missed_between(tx, trigger.autopilot_id, at, at)
    return [interval for interval in intervals if interval.trigger_id == trigger.id]


def _undecided(
    subject: str,
    agenda: Agenda,
    trigger: NamedTrigger,
    occurrence: datetime,
    now: datetime,
    retained: Retained,
) -> Step:
    """What can be said of an occurrence that has neither a run nor an interval."""
    due = agenda.due_at(occurrence)
    if due > now:
        return Step(subject, "ahead", f"it is due at {format_instant(due)}")
    if trigger.cursor is None or occurrence > trigger.cursor:
        return Step(subject, "late", "no server has decided about it yet; is one running?")
    if occurrence <= trigger.created_at:
        why = f"the trigger was made at {format_instant(trigger.created_at)}, after that"
        return Step(subject, "before the change", why)
    if occurrence < now - retained.runs:
        age = format_duration(retained.runs)
        why = f"what became of it was deleted: runs and intervals are kept for {age} (keep_runs)"
        return Step(subject, "deleted", why)
    if occurrence <= trigger.updated_at:
        why = f"the trigger was changed at {format_instant(trigger.updated_at)}, after that"
        return Step(subject, "before the change", why)
    why = "nothing is recorded of it: its trigger was set anew after that, by a resume or a restart"
    return Step(subject, "before the change", why)


def _others(tx: Tx, autopilot_id: str, at: datetime) -> list[Run]:
    """Runs near the moment that no schedule started."""
    where = RunFilter(autopilot_id=autopilot_id, since=at - NEAR, until=at + NEAR)
    runs = list_runs(tx, where, limit=MOST)
    return [run for run in reversed(runs) if run.scheduled_for is None]
