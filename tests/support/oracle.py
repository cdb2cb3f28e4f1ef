"""A slow, obvious second opinion on schedules: it walks every minute and shares no code with the
engine. Expressions are trusted to be valid; zones are read by `zoneinfo` from the same package.

Interval jobs: each instant whose local time matches and has no seconds. Fixed jobs: each local
minute that matches is placed by PEP 495, `fold=0` being the first of two and a time that does not
survive the way to UTC and back being in a gap.
"""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


@lru_cache(maxsize=1024)
def zone_info(name: str) -> ZoneInfo:
    """The zone, from the pinned package."""
    path = resources.files("tzdata.zoneinfo")
    for part in name.split("/"):
        path = path / part
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


class Oracle:
    """All occurrences of one expression in one zone, between two moments."""

    def __init__(self, expr: str, timezone: str) -> None:
        text = expr.strip().upper()
        fields = _MACROS.get(text.lower(), text).split()
        self.zone = zone_info(timezone)
        self.minute = _values(fields[0], 0, 59)
        self.hour = _values(fields[1], 0, 23)
        self.day = fields[2].split(",")
        self.month = _values(fields[3], 1, 12, _MONTHS, first=1)
        self.weekday = fields[4].split(",")
        self.interval = fields[0][0] == "*" or fields[1][0] == "*"
        self.both = fields[2][0] == "*" or fields[4][0] == "*"
        self._days: dict[date, bool] = {}

    def between(self, start: datetime, end: datetime) -> list[datetime]:
        """Occurrences from `start` up to, not including, `end`, in UTC and in order."""
        walk = self._interval if self.interval else self._fixed
        return sorted({at for at in walk(start, end) if start <= at < end})

    def matches(self, local: datetime) -> bool:
        """Whether the five fields match this wall-clock time."""
        return (
            local.minute in self.minute
            and local.hour in self.hour
            and local.month in self.month
            and self._day_matches(local.date())
        )

    def _day_matches(self, day: date) -> bool:
        if day not in self._days:
            by_day = any(_in_day_item(item, day) for item in self.day)
            by_weekday = any(_in_weekday_item(item, day) for item in self.weekday)
            self._days[day] = (by_day and by_weekday) if self.both else (by_day or by_weekday)
        return self._days[day]

    def _interval(self, start: datetime, end: datetime) -> Iterator[datetime]:
        at = start.replace(second=0, microsecond=0)
        while at < end:
            local = at.astimezone(self.zone)
            odd = local.second or (at + MINUTE).astimezone(self.zone).second
            for second in range(60) if odd else (0,):
                moment = at + timedelta(seconds=second)
                local = moment.astimezone(self.zone)
                if local.second == 0 and self.matches(local):
                    yield moment
            at += MINUTE

    def _fixed(self, start: datetime, end: datetime) -> Iterator[datetime]:
        # No wall clock is further than 16 hours from UTC; what is outside is filtered.
        shown = [at.astimezone(self.zone).replace(tzinfo=None) for at in _hours(start, end)]
        local = min(shown).replace(second=0) - 4 * HOUR
        while local < max(shown) + 4 * HOUR:
            if self.matches(local):
                yield from self._place(local)
            local += MINUTE

    def _place(self, local: datetime) -> Iterator[datetime]:
        first = local.replace(tzinfo=self.zone)
        at = first.astimezone(UTC)
        if at.astimezone(self.zone).replace(tzinfo=None) == local:
            yield at
            return
        before, after = first.utcoffset(), first.replace(fold=1).utcoffset()
        assert before is not None
        assert after is not None
        if after - before <= 3 * HOUR:
            yield self._end_of_gap(local.replace(tzinfo=UTC) - after, after)

    def _end_of_gap(self, at: datetime, offset: timedelta) -> datetime:
        """The first second from `at` on that has the offset."""
        step = MINUTE
        while at.astimezone(self.zone).utcoffset() != offset:
            at += step
        while (at - timedelta(seconds=1)).astimezone(self.zone).utcoffset() == offset:
            at -= timedelta(seconds=1)
        return at


def _hours(start: datetime, end: datetime) -> list[datetime]:
    count = int((end - start) / HOUR) + 1
    return [start + n * HOUR for n in range(count)] + [end]


def _values(
    text: str, low: int, high: int, names: list[str] | None = None, first: int = 0
) -> set[int]:
    found: set[int] = set()
    for item in text.split(","):
        found |= _item(item, low, high, names or [], first)
    return found


def _item(item: str, low: int, high: int, names: list[str], first: int) -> set[int]:
    def number(word: str) -> int:
        return names.index(word) + first if word in names else int(word)

    body, _, step = item.partition("/")
    begin, dash, end = body.partition("-")
    if begin == "*":
        lowest, highest = low, high
    elif dash:
        lowest, highest = number(begin), number(end)
    else:
        lowest = number(begin)
        highest = high if step else lowest
    if end == "SUN" and lowest > 0:
        highest = 7
    return {n for n in range(lowest, highest + 1) if (n - lowest) % int(step or 1) == 0}


def _in_day_item(item: str, day: date) -> bool:
    length = calendar.monthrange(day.year, day.month)[1]
    if item == "L":
        return day.day == length
    if item == "LW":
        workdays = [n for n in range(1, length + 1) if day.replace(day=n).weekday() < 5]
        return day.day == workdays[-1]
    return day.day in _item(item, 1, 31, [], 0)


def _in_weekday_item(item: str, day: date) -> bool:
    def same(word: str) -> bool:
        weekday = _WEEKDAYS.index(word) if word in _WEEKDAYS else int(word) % 7
        return day.isoweekday() % 7 == weekday

    if "#" in item:
        word, _, nth = item.partition("#")
        return same(word) and (day.day - 1) // 7 + 1 == int(nth)
    if item.endswith("L"):
        return same(item[:-1]) and (day + timedelta(days=7)).month != day.month
    return day.isoweekday() % 7 in {n % 7 for n in _item(item, 0, 7, _WEEKDAYS, 0)}
