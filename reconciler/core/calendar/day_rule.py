"""Which days of a month a cron expression means: the day field and the weekday field together."""

import calendar
from dataclasses import dataclass
from datetime import date

ALL_DAYS = tuple(range(1, 32))
ALL_WEEKDAYS = tuple(range(7))
# 28 years in a row hold each of the 14 shapes that a year can have (no century in between).
_ALL_SHAPES = range(2000, 2028)
_LONGEST = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class DayRule:
    """The days on which an expression fires; weekdays count from Sunday = 0.

    days          days of the month, sorted
    last          `L`, the last day of the month
    last_workday  `LW`, its last Monday-to-Friday day
    weekdays      sorted
    nth           `FRI#2` as (5, 2), sorted
    last_of       `FRIL` as 5, sorted
    both          True: the day and the weekday must match; False: one of them is enough
    """

    days: tuple[int, ...]
    last: bool
    last_workday: bool
    weekdays: tuple[int, ...]
    nth: tuple[tuple[int, int], ...]
    last_of: tuple[int, ...]
    both: bool

    @property
    def every_day(self) -> bool:
        """No day is left out, in any month."""
        return self.both and self.days == ALL_DAYS and self.weekdays == ALL_WEEKDAYS

    def matches(self, day: date) -> bool:
        """Whether the rule means this day; months are not looked at."""
        by_day, by_weekday = self._by_day(day), self._by_weekday(day)
        return (by_day and by_weekday) if self.both else (by_day or by_weekday)

    def _by_day(self, day: date) -> bool:
        if day.day in self.days:
            return True
        if not (self.last or self.last_workday):
            return False
        length = calendar.monthrange(day.year, day.month)[1]
        if self.last and day.day == length:
            return True
        return self.last_workday and day.day == length - _weekend_at_end(day, length)

    def _by_weekday(self, day: date) -> bool:
        weekday = day.isoweekday() % 7
        if weekday in self.weekdays or (weekday, (day.day + 6) // 7) in self.nth:
            return True
        if weekday not in self.last_of:
            return False
        return day.day + 7 > calendar.monthrange(day.year, day.month)[1]

    def ever_matches(self, months: tuple[int, ...]) -> bool:
        """Whether there is such a day in any year at all."""
        return any(
            self.matches(date(year, month, day))
            for year in _ALL_SHAPES
            for month in months
            for day in range(1, calendar.monthrange(year, month)[1] + 1)
        )

    def simplified(self, months: tuple[int, ...]) -> "DayRule":
        """The same days in `months`, said in the one way in which equal rules are equal."""
        longest = max(_LONGEST.get(month, 31) for month in months)
        all_days, all_weekdays = self.days == ALL_DAYS, self.weekdays == ALL_WEEKDAYS
        days = self.days if all_days else tuple(day for day in self.days if day <= longest)
        no_day_left = not (days or self.last or self.last_workday)
        either = not self.both
        if either and (all_days or all_weekdays):
            return DayRule(ALL_DAYS, False, False, ALL_WEEKDAYS, (), (), both=True)
        if either and no_day_left:
            days, all_days, either = ALL_DAYS, True, False
        return DayRule(
            days=days,
            last=self.last and not all_days,
            last_workday=self.last_workday and not all_days,
            weekdays=self.weekdays,
            nth=tuple(pair for pair in self.nth if pair[0] not in self.weekdays),
            last_of=tuple(day for day in self.last_of if day not in self.weekdays),
            both=not either,
        )


def _weekend_at_end(day: date, length: int) -> int:
    """How many of a month's last days are Saturday or Sunday, seen from its last weekday."""
    return max(0, day.replace(day=length).weekday() - _SATURDAY + 1)
