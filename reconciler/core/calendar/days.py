"""Days of the calendar in a time zone, as instants (docs/time.md#days-and-months)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from reconciler.core.calendar.wall import first_showing
from reconciler.core.calendar.zone import zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


class Day(NamedTuple):
    """From `start` up to, not including, `end`, in UTC."""

    date: date
    start: datetime
    end: datetime


def day_of(moment: datetime, timezone: str) -> date:
    """The day that a moment belongs to.

    A day begins once: where clocks are set back over midnight, what they show again belongs to the
    day that has begun.
    """
    instant = (moment - _EPOCH) // _SECOND
    shown = (_EPOCH + timedelta(seconds=instant + zone(timezone).segment(instant).offset)).date()
    return shown + _DAY if moment >= start_of(shown + _DAY, timezone) else shown


def start_of(day: date, timezone: str) -> datetime:
    """The first moment of a day, in UTC: when a clock there first shows it or a later one."""
    wall = (datetime.combine(day, time(), UTC) - _EPOCH) // _SECOND
    return _EPOCH + timedelta(seconds=first_showing(zone(timezone), wall).instant)


def days_between(start: datetime, end: datetime, timezone: str) -> Iterator[Day]:
    """The days from `start` up to `end`; the first and the last are cut there."""
    day = day_of(start, timezone)
    while start < end:
        after = min(start_of(day + _DAY, timezone), end)
        if start < after:  # a zone may leave out a whole day
            yield Day(day, start, after)
        day, start = day + _DAY, after
