"""The occurrences of a schedule of any kind within its bounds: next, last, backwards, counted.

Every function takes `start_at` and `end_at` (aware, or None): occurrences at these very moments
belong to the schedule, those before `start_at` and after `end_at` do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.core.calendar.schedule import (
    EPOCH,
    as_moment,
    last_before,
    local_instant,
    next_after,
)
from reconciler.core.calendar.timetable import AtSchedule, CronSchedule, EverySchedule, Schedule

COUNT_CAP = 1000
_TICK = timedelta(microseconds=1)


def schedule_next(
    schedule: Schedule,
    after: datetime,
    *,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
) -> datetime | None:
    """The first occurrence later than `after`, in UTC; None where there is none.

    Raises CronError and TimezoneError.
    """
    after = as_moment(after)
    if start_at is not None and start_at > after:
        after = _moved(as_moment(start_at), -_TICK)
    occurrence = _next(schedule, after)
    return occurrence if occurrence is None or end_at is None or occurrence <= end_at else None


def schedule_last(
    schedule: Schedule,
    before: datetime,
    *,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
) -> datetime | None:
    """The last occurrence earlier than `before`, in UTC; None where there is none.

    Raises CronError and TimezoneError.
    """
    before = as_moment(before)
    if end_at is not None and end_at < before:
        before = _moved(as_moment(end_at), _TICK)
    occurrence = _last(schedule, before)
    return occurrence if occurrence is None or start_at is None or occurrence >= start_at else None


def occurrences_before(
    schedule: Schedule,
    before: datetime,
    *,
    not_before: datetime,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
) -> Iterator[datetime]:
    """Occurrences earlier than `before`, the newest first, down to and including `not_before`.

    Each is found when it is asked for: whoever needs the newest of a month pays for one.
    """
    lowest = not_before if start_at is None else max(start_at, not_before)
    occurrence = schedule_last(schedule, before, end_at=end_at)
    while occurrence is not None and occurrence >= lowest:
        yield occurrence
        occurrence = schedule_last(schedule, occurrence, end_at=end_at)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of occurrences: its first, its last, and how many; `exact` is False where there
    are more than `count`."""

    first: datetime
    last: datetime
    count: int
    exact: bool


def count_between(
    schedule: Schedule, first: datetime, last: datetime, *, cap: int = COUNT_CAP
) -> tuple[int, bool]:
    """How many occurrences there are from `first` to `last`, both included, and whether that is
    all: beyond `cap` the number reads "at least"."""
    if isinstance(schedule, EverySchedule):
        return _every_count(schedule, first, last), True
    count, occurrence = 0, schedule_next(schedule, _moved(first, -_TICK), end_at=last)
    while occurrence is not None and count < cap:
        count += 1
        occurrence = schedule_next(schedule, occurrence, end_at=last)
    return count, occurrence is None


def _next(schedule: Schedule, after: datetime) -> datetime | None:
    match schedule:
        case CronSchedule(expr, timezone):
            return next_after(expr, timezone, after)
        case EverySchedule():
            return _every_next(schedule, after)
        case AtSchedule():
            at = at_moment(schedule)
            return at if at is not None and at > after else None


def _last(schedule: Schedule, before: datetime) -> datetime | None:
    match schedule:
        case CronSchedule(expr, timezone):
            return last_before(expr, timezone, before)
        case EverySchedule():
            return _every_last(schedule, before)
        case AtSchedule():
            at = at_moment(schedule)
            return at if at is not None and at < before else None


def at_moment(schedule: AtSchedule) -> datetime | None:
    """The moment of a one-off schedule in UTC; None where its local time never comes, a jump of
    more than 3 hours having skipped it. Raises TimezoneError."""
    if schedule.at.tzinfo is not None:
        return as_moment(schedule.at)
    return local_instant(schedule.at, schedule.timezone)


def _anchor(schedule: EverySchedule) -> datetime:
    return EPOCH if schedule.start_at is None else as_moment(schedule.start_at)


def _every_next(schedule: EverySchedule, after: datetime) -> datetime | None:
    anchor = _anchor(schedule)
    try:
        return anchor + max(0, (after - anchor) // schedule.interval + 1) * schedule.interval
    except OverflowError:
        return None


def _every_last(schedule: EverySchedule, before: datetime) -> datetime | None:
    anchor = _anchor(schedule)
    index = -((anchor - before) // schedule.interval) - 1
    return anchor + index * schedule.interval if index >= 0 else None


def _every_count(schedule: EverySchedule, first: datetime, last: datetime) -> int:
    anchor = _anchor(schedule)
    lowest = max(0, -((anchor - first) // schedule.interval))
    return max(0, (last - anchor) // schedule.interval - lowest + 1)


def _moved(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return moment
