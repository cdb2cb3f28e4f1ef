"""From the wall clock to instants: what a job does when clocks are changed.

The rules are those of docs/time.md#clock-changes.

Times are whole seconds. An *instant* counts UTC since 1970; a *wall* second counts what the clock
on the wall shows, as if it were UTC.

- An interval job fires at each instant at which the wall clock shows a matching minute.
- A fixed job fires when the wall clock first shows its time *or a later one*: at that time on an
  ordinary day, at the first instant after a gap that swallows it, at the first of two occurrences
  in an overlap. A clock that jumps more than 3 hours ahead takes the times in between with it.
"""

from typing import NamedTuple, Protocol

from reconciler.core.calendar.zone import DAY, Zone

LONGEST_JUMP = 3 * 3600
# No offset reaches a day: what the wall showed two days ago lies below all that it shows now.
_REACH = 2 * DAY


class Calendar(Protocol):
    """The wall seconds that a job names, regardless of any zone; there is always one more."""

    @property
    def interval(self) -> bool:
        """Whether the job is an interval job."""
        ...

    def next_wall(self, wall: int) -> int:
        """The first one at or after `wall`."""
        ...

    def last_wall(self, wall: int) -> int:
        """The last one at or before `wall`."""
        ...


class Showing(NamedTuple):
    """The first `instant` at which the wall shows a time or a later one.

    `before` and `shown` are what it would have shown next and what it shows; they differ where
    the clock jumped over the time that was asked for.
    """

    instant: int
    before: int
    shown: int

    @property
    def skipped(self) -> bool:
        """The clock jumped too far for a fixed job to be made up for."""
        return self.shown - self.before > LONGEST_JUMP

    @property
    def jumped(self) -> bool:
        """The time that was asked for does not exist."""
        return self.shown > self.before


def first_showing(zone: Zone, wall: int) -> Showing:
    """When the wall clock first shows `wall` or later."""
    segment = zone.segment(wall - _REACH)
    before = wall
    while wall >= segment.end + segment.offset:
        before = segment.end + segment.offset
        segment = zone.segment(segment.end)
    shown = segment.start + segment.offset
    if wall < shown:
        return Showing(segment.start, before, shown)
    return Showing(wall - segment.offset, wall, wall)


def next_instant(calendar: Calendar, zone: Zone, after: int) -> int:
    """The first occurrence later than the instant `after`."""
    if calendar.interval:
        return _next_interval(calendar, zone, after)
    # From the furthest time shown so far, not from the current one: after a clock was set back,
    # what was shown before has fired already.
    showing = first_showing(zone, calendar.next_wall(_furthest(zone, after) + 1))
    while showing.skipped:
        showing = first_showing(zone, calendar.next_wall(showing.shown))
    return showing.instant


def last_instant(calendar: Calendar, zone: Zone, before: int) -> int:
    """The last occurrence earlier than the instant `before`."""
    if calendar.interval:
        return _last_interval(calendar, zone, before)
    showing = first_showing(zone, calendar.last_wall(_furthest(zone, before - 1)))
    while showing.skipped:
        showing = first_showing(zone, calendar.last_wall(showing.before - 1))
    return showing.instant


def _furthest(zone: Zone, instant: int) -> int:
    """The latest time that the wall has shown up to and including `instant`."""
    segment = zone.segment(instant)
    furthest = instant + segment.offset
    while segment.start > instant - _REACH:
        segment = zone.segment(segment.start - 1)
        furthest = max(furthest, segment.end - 1 + segment.offset)
    return furthest


def _next_interval(calendar: Calendar, zone: Zone, after: int) -> int:
    instant = after + 1
    while True:
        segment = zone.segment(instant)
        candidate = calendar.next_wall(instant + segment.offset) - segment.offset
        # Beyond the segment's end the offset is another one: this candidate is not an instant.
        if candidate < segment.end:
            return candidate
        # Far from the segment's end no later one can show what lies before `found`.
        far = segment.end - instant > _REACH
        instant = max(segment.end, candidate - _REACH) if far else segment.end


def _last_interval(calendar: Calendar, zone: Zone, before: int) -> int:
    instant = before - 1
    while True:
        segment = zone.segment(instant)
        candidate = calendar.last_wall(instant + segment.offset) - segment.offset
        if candidate >= segment.start:
            return candidate
        far = instant - segment.start > _REACH
        instant = min(segment.start - 1, candidate + _REACH) if far else segment.start - 1


def change_note(calendar: Calendar, zone: Zone, instant: int) -> str | None:
    """What a clock change did to the occurrence at `instant`, in words; None: nothing."""
    segment = zone.segment(instant)
    wall = instant + segment.offset
    if calendar.next_wall(wall) != wall:
        before = instant + zone.segment(instant - 1).offset
        return f"moved from {_skipped_times(calendar, before, wall)}, which the clock change skips"
    if calendar.interval and first_showing(zone, wall).instant < instant:
        return f"repeated: the second {_clock(wall)}, as the clock was set back"
    return None


def _skipped_times(calendar: Calendar, before: int, shown: int) -> str:
    """The nominal times between the two wall seconds: at most three of them and the number."""
    times, wall, count = [], calendar.next_wall(before), 0
    while wall < shown:
        count += 1
        if count <= 3:
            times.append(_clock(wall))
        wall = calendar.next_wall(wall + 1)
    more = f" and {count - 3} more" if count > 3 else ""
    return ", ".join(times) + more


def _clock(wall: int) -> str:
    hour, minute = divmod(wall % DAY // 60, 60)
    return f"{hour:02}:{minute:02}"
