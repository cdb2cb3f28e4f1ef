"""The times of day that an hour and a minute field name, in minutes since midnight."""

from bisect import bisect_left, bisect_right

MINUTES = 1440


class TimesOfDay:
    """Each of `hours` with each of `minutes`; both sorted and not empty."""

    __slots__ = ("_hours", "_minutes", "first", "last")

    def __init__(self, hours: tuple[int, ...], minutes: tuple[int, ...]) -> None:
        self._hours = hours
        self._minutes = minutes
        self.first = hours[0] * 60 + minutes[0]
        self.last = hours[-1] * 60 + minutes[-1]

    def at_or_after(self, time: int) -> int | None:
        """The first time from `time` on, None where the day has no more."""
        hour, minute = divmod(time, 60)
        index = bisect_left(self._hours, hour)
        if index == len(self._hours):
            return None
        if self._hours[index] > hour:
            return self._hours[index] * 60 + self._minutes[0]
        at = bisect_left(self._minutes, minute)
        if at < len(self._minutes):
            return hour * 60 + self._minutes[at]
        return self.at_or_after((hour + 1) * 60)

    def at_or_before(self, time: int) -> int | None:
        """The last time up to and including `time`, None where the day has none before."""
        hour, minute = divmod(time, 60)
        index = bisect_right(self._hours, hour) - 1
        if index < 0:
            return None
        if self._hours[index] < hour:
            return self._hours[index] * 60 + self._minutes[-1]
        at = bisect_right(self._minutes, minute) - 1
        if at >= 0:
            return hour * 60 + self._minutes[at]
        return self.at_or_before(hour * 60 - 1)
