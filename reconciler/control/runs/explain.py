"""Why did it run, or not: the chain of decisions about one autopilot at one moment.

Everything comes from what was recorded at the time: runs with their reasons, missed intervals, the
switches. Nothing is guessed; where nothing is known that is said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.control.unreadable import find_readable, unreadable
from reconciler.core.base.errors import NotFound
from reconciler.core.calendar.errors import ScheduleError
from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.trigger import ScheduleTrigger, TriggerKind
from reconciler.core.runs.run import MissedInterval, Run, Status
from reconciler.core.runs.standing import InForce, standing_of
from reconciler.core.schedule.agenda import Agenda
from reconciler.store.engine.database import Tx
from reconciler.store.objects.triggers import NamedTrigger, list_triggers
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.store.runs.missed import missed_between
from reconciler.store.runs.runs import run_of_occurrence
from reconciler.store.runs.switches import Switched, read_switches

NEAR = timedelta(minutes=1)
"""Runs that started within this time of the moment are named."""
MOST = 20


@dataclass(frozen=True, slots=True)
class Step:
    """One link of the chain: what it is about, the verdict in a word, and the sentence.

    `run` is the id of the run that it speaks of, if it speaks of one.
    """

    subject: str
    verdict: str
    why: str
    run: str | None = None


def explain(
    tx: Tx, autopilot_id: str, at: datetime, now: datetime, cooldown: timedelta
) -> list[Step]:
    """The chain for the moment `at`, which may lie ahead. Raises NotFound."""
    row = read_switches(tx, [autopilot_id]).get(autopilot_id)
    if row is None:
        raise NotFound(f"there is no autopilot {autopilot_id}")
    steps = [_switches(row, now, cooldown)]
    if find_readable(tx, autopilot_id) is None:
        why = str(unreadable(f"Autopilot {row.workspace}/{row.name}"))
        steps.append(Step(steps[0].subject, "unreadable", why))
    for trigger in list_triggers(tx, autopilot_id):
        steps += _trigger(tx, trigger, at, now)
    steps += [_told(run, f"run {run.id}") for run in _others(tx, autopilot_id, at)]
    return steps


def _switches(live: Switched, now: datetime, cooldown: timedelta) -> Step:
    standing = standing_of(live.switches, cooldown, now)
    subject = f"autopilot {live.workspace}/{live.name}"
    if isinstance(standing, InForce):
        since = f" since {format_instant(standing.since)}" if standing.since else ""
        return Step(subject, "in force", f"it takes work now{since}")
    return Step(subject, standing.cause, f"it takes no work now: {standing.why}")


def _trigger(tx: Tx, trigger: NamedTrigger, at: datetime, now: datetime) -> Iterator[Step]:
    subject = f"{trigger.kind} trigger {trigger.name}"
    if not trigger.enabled:
        yield Step(subject, "disabled", "the manifest says enabled: false")
    if trigger.kind != TriggerKind.SCHEDULE:
        return
    if trigger.stalled_reason is not None:
        yield Step(subject, "stalled", trigger.stalled_reason)
        return
    yield _occurrence(tx, subject, trigger, at, now)


def _occurrence(tx: Tx, subject: str, trigger: NamedTrigger, at: datetime, now: datetime) -> Step:
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
    moment = format_instant(occurrence)
    if (run := run_of_occurrence(tx, trigger.id, occurrence)) is not None:
        return _told(run, f"{subject}, due at {moment}")
    for interval in _covering(tx, trigger, occurrence):
        until = format_instant(interval.last) if interval.last else "now"
        why = f"{interval.detail} (recorded from {format_instant(interval.first)} to {until})"
        return Step(f"{subject}, due at {moment}", interval.reason.value, why)
    return _undecided(f"{subject}, due at {moment}", agenda, trigger, occurrence, now)


def _last_until(agenda: Agenda, at: datetime) -> datetime | None:
    just_after, long_ago = at + timedelta(microseconds=1), at - timedelta(days=366 * 5)
    return next(agenda.newest_before(just_after, long_ago), None)


def _covering(tx: Tx, trigger: NamedTrigger, at: datetime) -> Sequence[MissedInterval]:
    found = missed_between(tx, trigger.autopilot_id, at, at)
    return [one for one in found if one.trigger_id == trigger.id]


def _undecided(
    subject: str, agenda: Agenda, trigger: NamedTrigger, occurrence: datetime, now: datetime
) -> Step:
    due = agenda.due_at(occurrence)
    if due > now:
        return Step(subject, "ahead", f"it is due at {format_instant(due)}")
    if trigger.cursor is not None and occurrence <= trigger.cursor:
        why = f"the trigger was made or changed at {format_instant(trigger.cursor)}, after that"
        return Step(subject, "before the change", why)
    return Step(subject, "late", "no server has decided about it yet; is one running?")


def _others(tx: Tx, autopilot_id: str, at: datetime) -> list[Run]:
    """Runs near the moment that no schedule started."""
    where = RunFilter(autopilot_id=autopilot_id, since=at - NEAR, until=at + NEAR)
    runs = list_runs(tx, where, limit=MOST)
    return [run for run in reversed(runs) if run.scheduled_for is None]


def _told(run: Run, subject: str) -> Step:
    """What became of a run."""
    if run.waiting:
        blocked = f" for run {run.blocked_by}" if run.blocked_by else ""
        return Step(subject, "waiting", f"waits ({run.waiting_for}){blocked}", run.id)
    if run.status in (Status.SKIPPED, Status.FAILED):
        return Step(subject, run.status.value, f"{run.failure_reason} [{run.reason}]", run.id)
    return Step(subject, run.status.value, f"run {run.id} by {run.source}", run.id)
