"""Moments that lie further ahead than any right clock can have put them, and what becomes of them.

A clock that was ahead for a while leaves moments behind that nothing would ever reach again
(docs/time.md#wrong-clocks). Each is brought back to the latest moment that it can have.
"""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from reconciler.core.runs.lease import LONGEST
from reconciler.core.runs.live import SpecTimes

TOLERANCE = timedelta(minutes=1)
"""Clocks of several hosts differ a little; what lies ahead by less puts itself right."""
DECIDED_AHEAD = timedelta(hours=1)
"""A schedule that is decided further ahead is put right. One that is decided less far waits until
the clock is there again, so that small corrections of a clock decide nothing twice."""
LONGEST_PAUSE = timedelta(hours=1)
"""An agent that is said to be unavailable for longer is asked once more."""


def is_ahead(moment: datetime | None, latest: datetime, tolerance: timedelta = TOLERANCE) -> bool:
    """Whether a moment lies beyond the latest one that it can have."""
    return moment is not None and moment - latest > tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMoments:
    """The moments of a run that has not ended."""

    triggered_at: datetime
    admitted_at: datetime | None = None
    started_at: datetime | None = None
    deadline_at: datetime | None = None
    expires_at: datetime | None = None
    next_attempt_at: datetime | None = None
    lease_until: datetime | None = None
    remaining_ms: int | None = None

    def corrected(self, times: SpecTimes, now: datetime) -> "RunMoments":
        """Return the same moments, those in the past not after `now`, bounds not beyond theirs.

        A run never has more than its whole `timeout` or `queueTtl` ahead of it, nor a longer lease
        than there is. An attempt waits for the moment that the agent named, but not beyond the
        deadline.
        """
        stands = self.remaining_ms is not None
        longest = max(times.timeout, times.queue_ttl) if stands else times.timeout
        deadline = _at_most(self.deadline_at, now + longest)
        attempt = self.next_attempt_at
        if attempt is not None and deadline is not None and is_ahead(attempt, deadline):
            attempt = now
        return RunMoments(
            triggered_at=_at_most(self.triggered_at, now) or now,
            admitted_at=_at_most(self.admitted_at, now),
            started_at=_at_most(self.started_at, now),
            deadline_at=deadline,
            expires_at=_at_most(self.expires_at, now + times.queue_ttl),
            next_attempt_at=attempt,
            lease_until=_at_most(self.lease_until, now + LONGEST),
            remaining_ms=self.remaining_ms,
        )

    def suspended(self, length: timedelta) -> "RunMoments":
        """Return the bounds later by the time during which the host stood still."""
        names = ("deadline_at", "expires_at", "lease_until")
        moved = {name: at + length for name in names if (at := getattr(self, name)) is not None}
        return replace(self, **moved)

    def changes(self, after: "RunMoments") -> dict[str, datetime]:
        """Return the fields that differ in `after`, with their new values."""
        names = [field.name for field in fields(self)]
        return {n: getattr(after, n) for n in names if getattr(after, n) != getattr(self, n)}


def _at_most(moment: datetime | None, latest: datetime) -> datetime | None:
    return latest if is_ahead(moment, latest) else moment
