"""When schedules are due: the next and the last occurrence; the only importer of croniter.

croniter is asked one kind of question: which is the next (or last) *date* that canonical, naive
day, month and weekday fields match. The time of day is looked up in the expression's own values,
and `wall` maps the result to instants.
"""

import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import timezone as fixed_offset
from functools import lru_cache

from croniter import croniter

from reconciler.core.calendar.cron import Cron, parse
from reconciler.core.calendar.day_rule import ALL_DAYS, ALL_WEEKDAYS, DayRule
from reconciler.core.calendar.time_of_day import MINUTES, TimesOfDay
from reconciler.core.calendar.wall import change_note, first_showing, last_instant, next_instant
from reconciler.core.calendar.zone import DAY, zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_ORDINAL_OF_EPOCH = EPOCH.toordinal()
_FIRST_MOMENT = datetime.min.replace(tzinfo=UTC)
_LAST_MOMENT = datetime.max.replace(tzinfo=UTC)
_LOWEST = (_FIRST_MOMENT - EPOCH) // _SECOND
_HIGHEST = (_LAST_MOMENT - EPOCH) // _SECOND
# The calendar repeats after 400 years, to the weekday. Asking croniter within one such period,
# far from the years 1 and 9999, spares every caller the edges of `datetime`.
_PERIOD = 146_097
_PERIOD_START = date(2000, 1, 1).toordinal() - _ORDINAL_OF_EPOCH


class _Days:
    """The dates that a cron expression matches, as days since 1970; croniter finds them."""

    def __init__(self, cron: Cron) -> None:
        self.every = cron.days.every_day and len(cron.months) == 12
        self._rule = cron.days
        self._engine = croniter(_dates(cron), 0.0, ret_type=float, day_or=not cron.days.both)

    def at_or_after(self, day: int) -> int:
        return day if self.every else _day_at_or_after(self, day)

    def at_or_before(self, day: int) -> int:
        return day if self.every else _day_at_or_before(self, day)

    def find(self, day: int, *, forward: bool) -> int:
        """Ask croniter until a date is really meant: `L`, `LW` and `#` are asked for as the
        dates on which they can fall at all."""
        shift = (day - _PERIOD_START) // _PERIOD * _PERIOD
        near = day - shift
        # croniter's start is exclusive: a minute too early or a day too late includes `near`.
        seconds = float(near * DAY - 60 if forward else near * DAY + DAY)
        # A croniter keeps its place: a copy leaves other threads' searches alone.
        engine = copy.copy(self._engine)
        while True:
            step = engine.get_next if forward else engine.get_prev
            day_found = int(step(float, start_time=seconds)) // DAY
            if self._rule.matches(date.fromordinal(day_found + _ORDINAL_OF_EPOCH)):
                return day_found + shift
            seconds = float(day_found * DAY)


@lru_cache(maxsize=16384)
def _day_at_or_after(days: _Days, day: int) -> int:
    return days.find(day, forward=True)


@lru_cache(maxsize=16384)
def _day_at_or_before(days: _Days, day: int) -> int:
    return days.find(day, forward=False)


def _dates(cron: Cron) -> str:
    """The dates, as plain lists that mean one thing only: `*/1` and `5-5` mislead croniter."""
    rule = cron.days
    days = _day_candidates(rule)
    weekdays = {*rule.weekdays, *rule.last_of, *(weekday for weekday, _ in rule.nth)}
    return (
        f"0 0 {_list(days, len(ALL_DAYS))} {_list(set(cron.months), 12)} "
        f"{_list(weekdays, len(ALL_WEEKDAYS))}"
    )


def _day_candidates(rule: DayRule) -> set[int]:
    """Days of the month, with those on which the last day or the last workday can fall."""
    last = {28, 29, 30, 31} if rule.last else set()
    return {*rule.days, *last, *({26, 27, 28, 29, 30, 31} if rule.last_workday else ())}


def _list(values: set[int], whole: int) -> str:
    return "*" if len(values) == whole else ",".join(str(value) for value in sorted(values))


class _CronCalendar:
    """The wall seconds that a cron expression names (`wall.Calendar`)."""

    def __init__(self, cron: Cron) -> None:
        self.interval = cron.interval
        self._days = _Days(cron)
        self._times = TimesOfDay(cron.hours, cron.minutes)

    def next_wall(self, wall: int) -> int:
        day, minute = divmod(-(-wall // 60), MINUTES)
        if self._days.at_or_after(day) == day:
            time = self._times.at_or_after(minute)
            if time is not None:
                return day * DAY + time * 60
        return self._days.at_or_after(day + 1) * DAY + self._times.first * 60

    def last_wall(self, wall: int) -> int:
        day, minute = divmod(wall // 60, MINUTES)
        if self._days.at_or_before(day) == day:
            time = self._times.at_or_before(minute)
            if time is not None:
                return day * DAY + time * 60
        return self._days.at_or_before(day - 1) * DAY + self._times.last * 60


@lru_cache(maxsize=4096)
def _calendar(expr: str) -> _CronCalendar:
    return _CronCalendar(parse(expr))


def next_after(expr: str, timezone: str, after: datetime) -> datetime | None:
    """The first occurrence later than `after` (aware), in UTC; None where the calendar ends.

    Clock changes are those of docs/time.md#clock-changes. Raises CronError and TimezoneError.
    """
    # Whole seconds of UTC make the key of the memo: two moments of a repeated hour are equal as
    # local datetimes.
    return _next(expr, timezone, (as_moment(after) - EPOCH) // _SECOND)


def last_before(expr: str, timezone: str, before: datetime) -> datetime | None:
    """The last occurrence earlier than `before` (aware), in UTC; None where the calendar begins.

    Raises CronError and TimezoneError.
    """
    return _last(expr, timezone, -((EPOCH - as_moment(before)) // _SECOND))


@lru_cache(maxsize=16384)
def _next(expr: str, timezone: str, after: int) -> datetime | None:
    return _moment(next_instant(_calendar(expr), zone(timezone), after))


@lru_cache(maxsize=16384)
def _last(expr: str, timezone: str, before: int) -> datetime | None:
    return _moment(last_instant(_calendar(expr), zone(timezone), before))


def _moment(instant: int) -> datetime | None:
    if not _LOWEST <= instant <= _HIGHEST:
        return None
    return EPOCH + timedelta(seconds=instant)


def local_instant(local: datetime, timezone: str) -> datetime | None:
    """The moment that a naive local time means by the rule for fixed jobs, in UTC.

    The first occurrence in an overlap, the first instant after a gap; None where the clock jumped
    over it by more than 3 hours, or where the calendar ends (docs/time.md#clock-changes). Raises
    TimezoneError.
    """
    seconds, fraction = divmod(local - EPOCH.replace(tzinfo=None), _SECOND)
    showing = first_showing(zone(timezone), seconds)
    moment = None if showing.skipped else _moment(showing.instant)
    return moment if moment is None or showing.jumped else moment + fraction


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence for people: `at` in UTC, `local` with the offset then in force, and `note`,
    what a clock change did to it (`moved from ...`, `repeated: ...`) or None."""

    at: datetime
    local: datetime
    note: str | None


def occurrences(expr: str, timezone: str, after: datetime, count: int) -> list[Occurrence]:
    """The first `count` occurrences later than `after`, fewer where the calendar ends.

    Raises CronError and TimezoneError.
    """
    upcoming: list[Occurrence] = []
    at = next_after(expr, timezone, after)
    while at is not None and len(upcoming) < count:
        upcoming.append(_explained(expr, timezone, at))
        at = next_after(expr, timezone, at)
    return upcoming


def _explained(expr: str, timezone: str, at: datetime) -> Occurrence:
    instant = (at - EPOCH) // _SECOND
    return Occurrence(
        at=at,
        local=local_time(at, timezone),
        note=change_note(_calendar(expr), zone(timezone), instant),
    )


def local_time(at: datetime, timezone: str) -> datetime:
    """What the wall clock of `timezone` shows at the moment, with its offset from UTC.

    Raises TimezoneError.
    """
    offset = timedelta(seconds=zone(timezone).segment((at - EPOCH) // _SECOND).offset)
    try:
        return at.astimezone(fixed_offset(offset))
    except OverflowError:
        # The last hours of the year 9999 have no local time east of Greenwich.
        return at


def as_moment(moment: datetime) -> datetime:
    """The moment in UTC, or the first or last one that UTC has. ValueError for a naive one."""
    if moment.utcoffset() is None:
        raise ValueError(f"a moment must have an offset from UTC, found {moment.isoformat()}")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _FIRST_MOMENT if moment.year == 1 else _LAST_MOMENT
