"""audit: is every occurrence and every accepted delivery of a time accounted for? (docs/audit.md)

Pure: what is recorded goes in, and what is missing comes out. Occurrences are worked out anew from
each trigger as it has been since it was last changed; what was before that cannot be known.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from reconciler.core.calendar.errors import ScheduleError
from reconciler.core.runs.run import MissedInterval
from reconciler.core.schedule.decide import Timetable

GRACE = timedelta(minutes=1)
"""What is due for less is still being decided."""


FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Between these the calendar has room for every sum of a moment and a duration."""


def within_calendar(at: datetime) -> datetime:
    """The moment, or the nearest one that can be reckoned with."""
    return min(max(at, FIRST), LAST)


@dataclass(frozen=True, slots=True)
class Period:
    """A time: `since` belongs to it, `until` does not."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """What an entry is about, by name; `trigger` is None where it is not known."""

    workspace: str
    autopilot: str
    trigger: str | None

    def __str__(self) -> str:
        return f"{self.workspace}/{self.autopilot}/{self.trigger or '?'}"


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run as far as an audit cares."""

    id: str
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedTrigger:
    """A schedule trigger and what is recorded of it.

    It is what it is now for occurrences after `after`, None where it decides none, and until it
    left at `left`; up to `decided` they are decided. `timetable` is None where the row cannot be
    read. `runs` are by nominal moment.
    """

    place: Place
    made: datetime
    changed: datetime
    after: datetime | None
    left: datetime | None
    decided: datetime | None
    timetable: Timetable | None
    runs: Mapping[datetime, RecordedRun]
    intervals: "Intervals"


class Intervals:
    """Missed intervals of one trigger, asked for the one that covers an occurrence."""

    def __init__(self, intervals: Iterable[MissedInterval]) -> None:
        self._ordered = sorted(intervals, key=lambda interval: interval.first)
        self._firsts = [interval.first for interval in self._ordered]
        # After a wrong clock they may overlap: of those that began by then, the furthest counts.
        self._furthest: list[MissedInterval] = [*accumulate(self._ordered, _further)]

    def covering(self, at: datetime) -> MissedInterval | None:
        """An interval with this occurrence in it."""
        index = bisect_right(self._firsts, at) - 1
        candidate = self._furthest[index] if index >= 0 else None
        return candidate if candidate is not None and at <= _end(candidate) else None


def _further(earlier: MissedInterval, later: MissedInterval) -> MissedInterval:
    return earlier if _end(earlier) > _end(later) else later


def _end(interval: MissedInterval) -> datetime:
    return interval.last or datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RecordedDelivery:
    """An accepted delivery and the run that it names; `run` is None where there is no such run."""

    id: str
    place: Place
    at: datetime
    run_id: str | None
    run: RecordedRun | None


@dataclass(frozen=True, slots=True)
class OrphanRun:
    """A run of a webhook whose delivery is not there."""

    id: str
    place: Place
    at: datetime
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An occurrence or a delivery beside what became of it: a run, or an interval."""

    kind: str
    place: Place
    at: datetime
    run: RecordedRun | None = None
    interval: MissedInterval | None = None
    delivery_id: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """What should be recorded and is not."""

    kind: str
    place: Place
    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A stretch of the period of which nothing can be claimed, and why; of all without `place`."""

    place: Place | None
    since: datetime
    until: datetime
    why: str


@dataclass(slots=True)
class Audit:
    """The outcome. It is complete where nothing is `missing`; `unknown` bounds what that means."""

    period: Period
    entries: list[Entry] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything that can be known is accounted for."""
        return not self.missing


def audit(
    period: Period,
    now: datetime,
    triggers: Sequence[AuditedTrigger],
    deliveries: Sequence[RecordedDelivery],
    orphans: Sequence[OrphanRun],
    *,
    most: int,
) -> Audit:
    """Account for everything in `period`, which must not reach beyond `now`.

    At most `most` occurrences are worked out; what is left of the others is unknown, and said.
    """
    outcome = Audit(period)
    for trigger in triggers:
        outcome.unknown += _unknown(trigger, period)
        _audit_trigger(outcome, trigger, now, most)
    for delivery in deliveries:
        _audit_delivery(outcome, delivery)
    outcome.missing += [
        Missing("delivery", run.place, run.at, f"run {run.id} came of delivery {run.delivery_id}, "
                "which is not recorded")
        for run in orphans
    ]  # fmt: skip
    return outcome


def _unknown(trigger: AuditedTrigger, period: Period) -> Iterator[Unknown]:
    """From the making of a trigger to its last change, it was something else."""
    known_from = trigger.changed if trigger.after is None else trigger.after
    since, until = max(trigger.made, period.since), min(known_from, period.until)
    if since < until:
        why = "the trigger was changed since, and what it said before is not kept"
        yield Unknown(trigger.place, since, until, why)
    if trigger.timetable is None and trigger.after is not None:
        left = trigger.left or period.until
        since, until = max(trigger.after, period.since), min(left, period.until)
        if since < until:
            why = "the trigger cannot be read: apply its manifest again"
            yield Unknown(trigger.place, since, until, why)


def _audit_trigger(outcome: Audit, trigger: AuditedTrigger, now: datetime, most: int) -> None:
    occurrences = _expected(trigger, outcome.period, now)
    try:
        for occurrence in occurrences:
            if len(outcome.entries) + len(outcome.missing) >= most:
                why = f"more than {most:,} occurrences; ask for a shorter time"
                until = outcome.period.until
                outcome.unknown.append(Unknown(trigger.place, occurrence, until, why))
                return
            _audit_occurrence(outcome, trigger, occurrence)
    except ScheduleError as error:
        since, until = outcome.period.since, outcome.period.until
        outcome.unknown.append(Unknown(trigger.place, since, until, str(error)))


def _expected(trigger: AuditedTrigger, period: Period, now: datetime) -> Iterator[datetime]:
    """The occurrences that must be recorded, oldest first."""
    timetable = trigger.timetable
    if timetable is None or trigger.after is None:
        return
    just_before = period.since - timedelta(microseconds=1)
    occurrence = timetable.next_after(max(trigger.after, just_before))
    while occurrence is not None and occurrence < period.until:
        due = timetable.due_at(occurrence)
        if due > now - GRACE or (trigger.left is not None and occurrence > trigger.left):
            return
        yield occurrence
        occurrence = timetable.next_after(occurrence)


def _audit_occurrence(outcome: Audit, trigger: AuditedTrigger, at: datetime) -> None:
    run = trigger.runs.get(at)
    interval = None if run else trigger.intervals.covering(at)
    if run is not None or interval is not None:
        outcome.entries.append(Entry("occurrence", trigger.place, at, run, interval))
        return
    if trigger.decided is None or at > trigger.decided:
        why = "no server has decided about it yet; is one running?"
    else:
        why = "it was decided, but there is no run, no reason and no interval"
    outcome.missing.append(Missing("occurrence", trigger.place, at, why))


def _audit_delivery(outcome: Audit, delivery: RecordedDelivery) -> None:
    if delivery.run is not None:
        outcome.entries.append(
            Entry("delivery", delivery.place, delivery.at, delivery.run, delivery_id=delivery.id)
        )
        return
    run = f"run {delivery.run_id} is not there" if delivery.run_id else "it names no run"
    why = f"delivery {delivery.id} was accepted, and {run}"
    outcome.missing.append(Missing("delivery", delivery.place, delivery.at, why))
