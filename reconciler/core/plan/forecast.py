"""What an autopilot will start: its next fire times, and the most runs that a day may bring.

Fire times are nominal: jitter, pauses, the breaker and policies come on top, and no plan knows
them.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from operator import index
from typing import Any

from reconciler.core.calendar.errors import ScheduleError
from reconciler.core.calendar.occurrences import count_between, schedule_next
from reconciler.core.calendar.schedule import local_time
from reconciler.core.calendar.timetable import EverySchedule, Schedule
from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.manifest.state import Document
from reconciler.core.manifest.trigger import ScheduleTrigger, TriggerKind, schedule_of

SHOWN = 3
"""Fire times of an autopilot that a forecast holds."""
_DAY, _TICK = timedelta(days=1), timedelta(microseconds=1)
_DAYS = 8
_EVERY_MINUTE = 24 * 60
_WHEN = ("cron", "every", "at", "timezone", "startAt", "endAt")


@dataclass(frozen=True, slots=True, order=True)
class FireTime:
    """One occurrence: in UTC, on the wall clock of its schedule's zone, and of which trigger."""

    at: datetime
    local: datetime
    trigger: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an autopilot will start, and may cost: None where nothing bounds it."""

    fires: tuple[FireTime, ...] = ()
    runs_per_day: int | None = 0
    micros_per_day: int | None = 0


@dataclass(slots=True)
class Forecaster:
    """Forecasts as of one moment; equal schedules of thousands of autopilots are asked once."""

    at: datetime
    _known: dict[Any, tuple[tuple[datetime, ...], int]] = field(default_factory=dict)

    def __call__(self, document: Document) -> Forecast:
        """Return the forecast of an autopilot's manifest; what takes no work starts nothing.

        Budgets are not asked here: they are those of other objects too.
        """
        spec = document["spec"]
        if spec["status"] != AutopilotStatus.ACTIVE:
            return Forecast()
        enabled = [trigger for trigger in spec["triggers"] if trigger["enabled"]]
        scheduled = [t for t in enabled if t["kind"] == TriggerKind.SCHEDULE]
        fires = merge(*(self._fires(trigger) for trigger in scheduled))
        by_schedule = sum(self._of(trigger)[1] for trigger in scheduled)
        called = len(scheduled) < len(enabled)
        most = _most(None if called else by_schedule, spec["limits"])
        return Forecast(tuple(islice(fires, SHOWN)), most, 0 if most == 0 else None)

    def _fires(self, trigger: Document) -> Iterator[FireTime]:
        for moment in self._of(trigger)[0]:
            yield FireTime(moment, local_time(moment, trigger["timezone"]), trigger["name"])

    def _of(self, trigger: Document) -> tuple[tuple[datetime, ...], int]:
        """The next fire times of a schedule, and the runs of its fullest day."""
        key = tuple(trigger.get(name) for name in _WHEN)
        if key not in self._known:
            try:
                self._known[key] = _ahead(ScheduleTrigger.model_validate(trigger), self.at)
            except (ScheduleError, ValueError):
                # A row may hold what this version, or the zone data of this host, cannot read.
                self._known[key] = ((), 0)
        return self._known[key]


def _ahead(trigger: ScheduleTrigger, after: datetime) -> tuple[tuple[datetime, ...], int]:
    schedule = schedule_of(trigger)
    coming = tuple(islice(_occurrences(trigger, schedule, after), SHOWN))
    if isinstance(schedule, EverySchedule) and coming:
        return coming, _in_a_day(schedule, coming[0], trigger.end_at)
    return coming, _fullest_day(_occurrences(trigger, schedule, after))


def _occurrences(
    trigger: ScheduleTrigger, schedule: Schedule, after: datetime
) -> Iterator[datetime]:
    start, end = trigger.start_at, trigger.end_at
    moment = schedule_next(schedule, after, start_at=start, end_at=end)
    while moment is not None:
        yield moment
        moment = schedule_next(schedule, moment, start_at=start, end_at=end)


def _fullest_day(occurrences: Iterable[datetime]) -> int:
    """Return the most occurrences within any 24 hours of the eight days from the first one on."""
    window: deque[datetime] = deque()
    most, first = 0, None
    for moment in occurrences:
        first = first or moment
        if moment - first >= _DAYS * _DAY or most >= _EVERY_MINUTE:
            break  # no cron expression has more
        while window and moment - window[0] >= _DAY:
            window.popleft()
        window.append(moment)
        most = max(most, len(window))
    return most


def _in_a_day(schedule: EverySchedule, first: datetime, end: datetime | None) -> int:
    """As `_fullest_day`, without asking 86,400 times: periods are fullest where they begin."""
    last = end if end is not None and end - first < _DAY else _later(first, _DAY - _TICK)
    return count_between(schedule, first, last)[0]


def _later(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _most(runs: int | None, limits: Document) -> int | None:
    """Raises TypeError for what is no number: a row edited by hand may hold a text."""
    bounds = [runs] if runs is not None else []
    if (per_day := limits.get("perDay")) is not None:
        bounds.append(index(per_day))
    if (per_hour := limits.get("perHour")) is not None:
        bounds.append(24 * index(per_hour))
    return min(bounds, default=None)
