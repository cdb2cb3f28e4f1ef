"""The agenda of one schedule trigger: its occurrences, bounded by startAt and endAt, with jitter.

This is what `decide` asks; all arithmetic of calendars and clocks is in `schedule.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from reconciler.core.jitter import jitter_of
from reconciler.core.occurrences import count_between, occurrences_before, schedule_next
from reconciler.core.timetable import Schedule, schedule_of
from reconciler.core.trigger import ScheduleTrigger


@dataclass(frozen=True, slots=True)
class Agenda:
    """A trigger's `Timetable` (see decide.py)."""

    trigger_id: str
    trigger: ScheduleTrigger
    schedule: Schedule

    @classmethod
    def of(cls, trigger_id: str, trigger: ScheduleTrigger) -> "Agenda":
        """Raises ScheduleError for a schedule that cannot be read."""
        return cls(trigger_id, trigger, schedule_of(trigger))

    def next_after(self, after: datetime) -> datetime | None:
        """The first occurrence after `after`, exclusive."""
        trigger = self.trigger
        return schedule_next(self.schedule, after, start_at=trigger.start_at, end_at=trigger.end_at)

    def newest_before(self, before: datetime, not_before: datetime) -> Iterator[datetime]:
        """Occurrences with `not_before < o < before`, newest first."""
        start, end = self.trigger.start_at, self.trigger.end_at
        found = occurrences_before(
            self.schedule, before, not_before=not_before, start_at=start, end_at=end
        )
        return (occurrence for occurrence in found if occurrence > not_before)

    def count(self, first: datetime, last: datetime) -> tuple[int, bool]:
        """How many occurrences lie in `first..last`, and whether all were counted."""
        return count_between(self.schedule, first, last)

    def due_at(self, occurrence: datetime) -> datetime:
        """The nominal moment plus the jitter of this occurrence."""
        if not self.trigger.jitter:
            return occurrence
        following = self.next_after(occurrence)
        gap = following - occurrence if following else None
        return occurrence + jitter_of(self.trigger_id, occurrence, self.trigger.jitter, gap)
