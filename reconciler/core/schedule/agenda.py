"""The agenda of one schedule trigger: its occurrences, bounded by startAt and endAt, with jitter.

`decide` asks it; all arithmetic of calendars and clocks is in `core/calendar`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.core.calendar.jitter import jitter_of
from reconciler.core.calendar.occurrences import count_between, occurrences_before, schedule_next
from reconciler.core.calendar.timetable import Schedule
from reconciler.core.manifest.trigger import ScheduleTrigger, schedule_of


@dataclass(frozen=True, slots=True)
class Agenda:
    """A trigger's `Timetable` (see decide.py).

    `seed` spreads the jitter: the trigger's id, or nothing where there is no jitter, so that
    triggers with the same occurrences have equal agendas.
    """

    schedule: Schedule
    start_at: datetime | None
    end_at: datetime | None
    jitter: timedelta
    seed: str

    @classmethod
    def of(cls, trigger_id: str, trigger: ScheduleTrigger) -> "Agenda":
        """Return the agenda of a trigger. Raises ScheduleError where it cannot be read."""
        seed = trigger_id if trigger.jitter else ""
        return cls(schedule_of(trigger), trigger.start_at, trigger.end_at, trigger.jitter, seed)

    def of_trigger(self, trigger_id: str) -> "Agenda":
        """The agenda of another trigger that says the same."""
        return replace(self, seed=trigger_id) if self.jitter else self

    def next_after(self, after: datetime) -> datetime | None:
        """The first occurrence after `after`, exclusive."""
        return schedule_next(self.schedule, after, start_at=self.start_at, end_at=self.end_at)

    def newest_before(self, before: datetime, not_before: datetime) -> Iterator[datetime]:
        """Occurrences with `not_before < o < before`, newest first."""
        start, end = self.start_at, self.end_at
        occurrences = occurrences_before(
            self.schedule, before, not_before=not_before, start_at=start, end_at=end
        )
        return (occurrence for occurrence in occurrences if occurrence > not_before)

    def count(self, first: datetime, last: datetime) -> tuple[int, bool]:
        """Return the number of occurrences in `first..last`, and whether all were counted."""
        return count_between(self.schedule, first, last)

    def due_at(self, occurrence: datetime) -> datetime:
        """The nominal moment plus the jitter of this occurrence."""
        if not self.jitter:
            return occurrence
        following = self.next_after(occurrence)
        gap = following - occurrence if following else None
        return occurrence + jitter_of(self.seed, occurrence, self.jitter, gap)
