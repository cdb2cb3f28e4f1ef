"""What of a changed trigger nobody decided before the change: spans, counted within a budget.

It is asked within the transaction of an apply, which holds the one writer of an SQLite file.
After an outage of a day a thousand schedules that fire each minute have a million occurrences
between them: so equal schedules are counted once, and all of them together only up to `BUDGET`.
Beyond it a span still has its first and its last occurrence, and its count reads "at least".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.core.calendar.occurrences import COUNT_CAP, count_between
from reconciler.core.manifest.state import Document
from reconciler.core.manifest.trigger import ScheduleTrigger
from reconciler.core.schedule.agenda import Agenda
from reconciler.core.schedule.decide import Span, lapsed

BUDGET = 25_000
"""Occurrences that one apply counts over all triggers; some microseconds each."""
_WHICH = ("cron", "every", "at", "timezone", "startAt", "endAt")
"""What nominal moments depend on. Jitter moves none of them."""


@dataclass(slots=True)
class Undecided:
    """Function (trigger, trigger id, cursor, now) that remembers its answers; one per apply."""

    budget: int = BUDGET
    _known: dict[Any, Span | None] = field(default_factory=dict)

    def __call__(self, trigger: Document, id_: str, cursor: datetime, now: datetime) -> Span | None:
        """The occurrences later than `cursor`, up to and including `now`; None for nothing.

        Nor for a schedule that cannot be worked out: nobody can say which occurrences it had.
        """
        key = (*(trigger.get(name) for name in _WHICH), cursor, now)
        if key not in self._known:
            self._known[key] = self._work_out(trigger, id_, cursor, now)
        return self._known[key]

    def _work_out(
        self, trigger: Document, id_: str, cursor: datetime, now: datetime
    ) -> Span | None:
        try:
            agenda = Agenda.of(id_, ScheduleTrigger.model_validate(trigger))
            return lapsed(_Bounded(agenda, self), cursor, now)
        except Exception:  # noqa: BLE001 - what is broken must not hinder the edit that fixes it
            return None


@dataclass(frozen=True, slots=True)
class _Bounded:
    """An agenda that counts no further than what is left of the budget."""

    agenda: Agenda
    budget_of: Undecided

    def next_after(self, after: datetime) -> datetime | None:
        return self.agenda.next_after(after)

    def newest_before(self, before: datetime, not_before: datetime) -> Iterator[datetime]:
        return self.agenda.newest_before(before, not_before)

    def due_at(self, occurrence: datetime) -> datetime:
        return self.agenda.due_at(occurrence)

    def count(self, first: datetime, last: datetime) -> tuple[int, bool]:
        cap = max(1, min(COUNT_CAP, self.budget_of.budget))
        count, exact = count_between(self.agenda.schedule, first, last, cap=cap)
        self.budget_of.budget -= min(count, cap)
        return count, exact
