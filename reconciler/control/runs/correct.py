"""Moments that are wrong put right: what a wrong clock, or other zone rules, left behind.

Everything here can be done at any time and any number of times: only what cannot be right is
touched, and an occurrence that has a run already never starts again, as the database holds one run
for a trigger and a nominal moment.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from reconciler.control.runs.deciding import read_definition
from reconciler.core.runs.ahead import DECIDED_AHEAD, LONGEST_PAUSE, TOLERANCE, RunMoments
from reconciler.core.runs.live import SpecTimes
from reconciler.core.runs.retry import LONGEST_QUOTA
from reconciler.core.runs.run import MissedInterval
from reconciler.core.schedule.agenda import Agenda
from reconciler.core.schedule.decide import Next, Span, due_before, span_of, upcoming
from reconciler.core.webhooks.delivery_key import KEY_RETENTION
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.manifests import get_documents
from reconciler.store.objects.stored_schedules import (
    StoredSchedule,
    bring_back_fired,
    due_schedules,
    note_rules,
    outdated_schedules,
    schedule_anew,
    schedules_ahead,
    schedules_without_moment,
)
from reconciler.store.runs.ahead import (
    OpenRun,
    bring_back_bounds,
    bring_back_noted,
    open_runs,
    save_moments,
)
from reconciler.store.runs.missed import Missed, cut_missed, drop_known, record_missed

log = structlog.get_logger(__name__)


def correct_once(database: Database) -> int:
    """Bring back every moment that lies further ahead than it can; return how many there were."""
    count = database.write(lambda tx: _correct(tx, database.now(tx)))
    if count:
        log.warning("moments of a clock that was ahead brought back", moments=count)
    return count


def _correct(tx: Tx, now: datetime) -> int:
    latest = now + TOLERANCE
    count = bring_back_schedules(tx, now) + bring_back_noted(tx, now, latest)
    count += work_out_next(tx, now) + bring_back_fired(tx, now, latest)
    count += bring_back_bounds(tx, now + LONGEST_PAUSE, now + LONGEST_QUOTA, now + KEY_RETENTION)
    return count + _bring_back_runs(tx, open_runs(tx), now)


def bring_back_schedules(tx: Tx, now: datetime, autopilot_ids: Sequence[str] | None = None) -> int:
    """Let schedules that are decided far beyond `now` go on from now; return how many there were.

    Intervals end at their last occurrence until now: what they held beyond it is still to come.
    """
    ahead = schedules_ahead(tx, now + DECIDED_AHEAD, autopilot_ids)
    by_id = {schedule.id: schedule for schedule in ahead}
    cut_missed(tx, [*by_id], now, lambda interval: _left_of(by_id, interval, now))
    for schedule in ahead:
        schedule_anew(tx, schedule.id, now, next_of(schedule, now))
    return len(ahead)


def work_out_next(tx: Tx, now: datetime, autopilot_ids: Sequence[str] | None = None) -> int:
    """Work out again the next moments that somebody edited by hand into what is no moment.

    Nothing is lost: whatever was due since the cursor is due at once, as after an outage. Return
    how many there were.
    """
    without = schedules_without_moment(tx, autopilot_ids)
    for schedule in without:
        cursor = schedule.cursor if isinstance(schedule.cursor, datetime) else now
        schedule_anew(tx, schedule.id, cursor, next_of(schedule, cursor))
        was = f"{schedule.next_run_at!r:.80}"
        log.warning(
            "the next moment of a trigger is worked out again", trigger=schedule.id, was=was
        )
    return len(without)


def _left_of(
    schedules: dict[str, StoredSchedule], interval: MissedInterval, now: datetime
) -> Span | None:
    if interval.first > now:
        return None
    just_before = interval.first - timedelta(microseconds=1)
    agenda = agenda_of(schedules[interval.trigger_id])
    if agenda is None:  # it was of a schedule that is no more: at least its first one was missed
        return Span(interval.reason, interval.first, now, interval.count or 1, False, "")
    return span_of(agenda, interval.reason, just_before, now, interval.detail)


def agenda_of(schedule: StoredSchedule) -> Agenda | None:
    """The agenda of a trigger; None where its definition cannot be read."""
    try:
        return read_definition(schedule.definition).agenda.of_trigger(schedule.id)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the tick records it
        return None


def can_be_decided(schedule: StoredSchedule, now: datetime) -> bool:
    """Whether the occurrences of a trigger can be worked out."""
    try:
        agenda = read_definition(schedule.definition).agenda.of_trigger(schedule.id)
        upcoming(agenda, now)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, its reason is recorded
        return False
    return True


def next_of(schedule: StoredSchedule, after: datetime) -> Next | None:
    """The first occurrence after a moment. What cannot be worked out is due at once: the next round
    of the clock reads it and stalls it with the reason."""
    if not schedule.fires:
        return None
    agenda = agenda_of(schedule)
    try:
        return upcoming(agenda, after) if agenda else Next(after, after)
    except Exception:  # noqa: BLE001 - as above
        return Next(after, after)


def _bring_back_runs(tx: Tx, runs: Sequence[OpenRun], now: datetime) -> int:
    documents = get_documents(tx, {run.spec_digest for run in runs})
    count = 0
    for run in runs:
        if (times := _times_of(documents.get(run.spec_digest))) is not None:
            count += _save(tx, run, run.moments.corrected(times, now))
    return count


def _times_of(document: dict[str, object] | None) -> SpecTimes | None:
    try:
        return SpecTimes.of(document["spec"])  # type: ignore[index,arg-type]
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def _save(tx: Tx, run: OpenRun, moments: RunMoments) -> int:
    if changes := run.moments.changes(moments):
        save_moments(tx, run, changes)
    return bool(changes)


def settle_due(tx: Tx, autopilot_id: str, now: datetime, why: str) -> None:
    """Record what is due by now, and nobody decided, as missed before a switch is thrown.

    Otherwise the next round would take it for what was due while the switch was off.
    """
    for schedule in due_schedules(tx, autopilot_id, now):
        if span := _due_span(schedule, now, why):
            missed = Missed(schedule.id, autopilot_id, span, schedule.cursor)
            record_missed(tx, drop_known(tx, [missed]), now)
            schedule_anew(tx, schedule.id, span.last, next_of(schedule, span.last))


def _due_span(schedule: StoredSchedule, now: datetime, why: str) -> Span | None:
    agenda = agenda_of(schedule) if schedule.fires else None
    try:
        return due_before(agenda, schedule.cursor, now, why) if agenda else None
    except Exception:  # noqa: BLE001 - a schedule that cannot be worked out stops no switch
        return None


def allow_for_suspension(
    tx: Tx, length: timedelta, owner: str, *, alone: bool, now: datetime
) -> int:
    """Give runs the time back during which this host stood still; return how many there were.

    These are the runs that this process works on, and those of nobody where it is the only server.
    One that was over its time before the host stood still stays so.
    """
    runs = [run for run in open_runs(tx) if run.lease_owner == owner or _is_ours(run, alone=alone)]
    asleep_since = now - length
    return sum(
        _save(tx, run, run.moments.suspended(length))
        for run in runs
        if run.moments.deadline_at is None or run.moments.deadline_at > asleep_since
    )


def _is_ours(run: OpenRun, *, alone: bool) -> bool:
    return alone and (run.lease_owner is None or run.claimed)


def reschedule_once(database: Database) -> int:
    """Work the next moments out again that follow other zone rules; return how many moved.

    The cursor stays: a 09:00 that is earlier now, and has passed, is due at once.
    """
    moved = database.write(_reschedule)
    if moved:
        log.info("next moments worked out by new zone rules", triggers=moved)
    return moved


def _reschedule(tx: Tx) -> int:
    outdated = outdated_schedules(tx)
    following = {schedule.id: next_of(schedule, schedule.cursor) for schedule in outdated}
    moved = [schedule for schedule in outdated if _moves(schedule, following[schedule.id])]
    for schedule in moved:
        schedule_anew(tx, schedule.id, schedule.cursor, following[schedule.id])
    ids = _ids_without(outdated, moved)
    note_rules(tx, ids)
    return len(moved)


def _moves(schedule: StoredSchedule, following: Next | None) -> bool:
    return schedule.next_run_at != (following.run_at if following else None)


def _ids_without(
    schedules: Iterable[StoredSchedule], others: Iterable[StoredSchedule]
) -> list[str]:
    excluded = {schedule.id for schedule in others}
    return [schedule.id for schedule in schedules if schedule.id not in excluded]
