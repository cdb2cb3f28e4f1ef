"""decide: which occurrences of a schedule start now, and which are recorded as not started.

Pure: the trigger's cursor and the moment go in, a Decision comes out; deciding twice at the same
moment with the cursor that the first decision gave changes nothing (docs/time.md#late-occurrences).

Every occurrence after the cursor that is due is either started or lies in exactly one span. They
are enumerated backwards from now and spans are counted only up to a bound, so that a month away
costs a row and not 43,200.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

from reconciler.core.base.units import format_duration
from reconciler.core.manifest.trigger import CatchUp
from reconciler.core.runs.run import MissedReason
from reconciler.core.runs.standing import InForce, Standing

PROMPTLY = timedelta(minutes=1)
"""`catchUp: none` still starts what is at most this late."""
MOST_AT_ONCE = 100
"""`catchUp: all` starts at most so many."""


class Timetable(Protocol):
    """The occurrences of one trigger; nominal moments, aware and in UTC."""

    def next_after(self, after: datetime) -> datetime | None:
        """The first occurrence after `after`, exclusive."""
        ...

    def newest_before(self, before: datetime, not_before: datetime) -> Iterator[datetime]:
        """Occurrences with `not_before < o < before`, newest first, lazily."""
        ...

    def count(self, first: datetime, last: datetime) -> tuple[int, bool]:
        """Return the number in `first..last`, both included, and whether all were counted."""
        ...

    def due_at(self, occurrence: datetime) -> datetime:
        """The nominal moment plus jitter; always before the next occurrence."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """Occurrences `first..last` (both included) that do not become runs."""

    reason: MissedReason
    first: datetime
    last: datetime
    count: int
    exact: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Next:
    """The next occurrence: its nominal moment and when it is due."""

    scheduled_for: datetime
    run_at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What one trigger does at one moment.

    `starts` are nominal moments, oldest first. `cursor` is the newest occurrence that is decided;
    None where nothing is due and the cursor stays.
    """

    starts: tuple[datetime, ...]
    spans: tuple[Span, ...]
    cursor: datetime | None
    next: Next | None


def decide(
    timetable: Timetable,
    cursor: datetime,
    now: datetime,
    *,
    standing: Standing,
    catch_up: CatchUp = CatchUp.LATEST,
    window: timedelta = timedelta(hours=1),
) -> Decision:
    """Decide all occurrences with `cursor < nominal` and `nominal + jitter <= now`."""
    newest = _newest_due(timetable, cursor, now)
    if newest is None:
        return Decision((), (), None, upcoming(timetable, cursor))
    barrier = min(_barrier(standing, newest), newest)
    starts = _starts(timetable, max(cursor, barrier), newest, now, catch_up, window)
    why_late = _why_late(starts, catch_up, window)
    spans = _spans(timetable, cursor, barrier, starts, newest, standing, why_late)
    return Decision(starts, spans, newest, upcoming(timetable, newest))


def upcoming(timetable: Timetable, after: datetime) -> Next | None:
    """The first occurrence after `after` with the moment at which it is due."""
    occurrence = timetable.next_after(after)
    return Next(occurrence, timetable.due_at(occurrence)) if occurrence else None


def due_before(timetable: Timetable, cursor: datetime, now: datetime, why: str) -> Span | None:
    """What is due by `now` and was not decided: it is missed, whatever comes after `now`."""
    newest = _newest_due(timetable, cursor, now)
    return span_of(timetable, MissedReason.MISSED, cursor, newest, why) if newest else None


def lapsed(timetable: Timetable, cursor: datetime, now: datetime) -> Span | None:
    """What nobody decided before the trigger was changed at `now`: it can start no more.

    That is every nominal moment after the cursor up to now, also one that still waited for its
    jitter: the changed trigger fires for none of them (docs/time.md#edits).
    """
    why = "the trigger was changed before a server decided"
    return span_of(timetable, MissedReason.MISSED, cursor, now, why)


def _newest_due(timetable: Timetable, cursor: datetime, now: datetime) -> datetime | None:
    """Only the newest can still wait for its jitter: jitter is below the gap to the next one."""
    just_after_now = now + timedelta(microseconds=1)
    recent = islice(timetable.newest_before(just_after_now, cursor), 2)
    return next((o for o in recent if timetable.due_at(o) <= now), None)


def _barrier(standing: Standing, newest: datetime) -> datetime:
    """Occurrences up to here are never started."""
    if isinstance(standing, InForce):
        return standing.since or datetime.min.replace(tzinfo=newest.tzinfo)
    return newest


def _starts(
    timetable: Timetable,
    after: datetime,
    newest: datetime,
    now: datetime,
    catch_up: CatchUp,
    window: timedelta,
) -> tuple[datetime, ...]:
    """What starts, oldest first. `after` is exclusive."""
    if newest <= after:
        return ()
    limit, most = _reach(catch_up, window)
    just_after = newest + timedelta(microseconds=1)
    chosen = []
    for occurrence in islice(timetable.newest_before(just_after, after), most):
        if now - timetable.due_at(occurrence) > limit:
            break
        chosen.append(occurrence)
    return tuple(reversed(chosen))


def _reach(catch_up: CatchUp, window: timedelta) -> tuple[timedelta, int]:
    match catch_up:
        case CatchUp.NONE:
            return min(PROMPTLY, window), 1
        case CatchUp.LATEST:
            return window, 1
        case CatchUp.ALL:
            return window, MOST_AT_ONCE


def _why_late(starts: tuple[datetime, ...], catch_up: CatchUp, window: timedelta) -> str:
    """The sentence of those that a round does not start, though the autopilot is in force."""
    limit, most = _reach(catch_up, window)
    if catch_up is CatchUp.LATEST and starts:
        return f"of all that were due, only the newest was started, that of {_shown(starts[-1])}"
    if catch_up is CatchUp.ALL and len(starts) == most:
        return f"more than {most} were due at once; the newest {most} were started"
    return f"too late to start: catchUp {catch_up.value} allows {format_duration(limit)}"


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"


def _spans(
    timetable: Timetable,
    cursor: datetime,
    barrier: datetime,
    starts: tuple[datetime, ...],
    newest: datetime,
    standing: Standing,
    why_late: str,
) -> tuple[Span, ...]:
    """What does not start: first what was not in force, then what came too late."""
    why = "resumed after this" if isinstance(standing, InForce) else standing.why
    last_missed = starts[0] - timedelta(microseconds=1) if starts else newest
    paused = span_of(timetable, MissedReason.PAUSED, cursor, barrier, why)
    late = span_of(timetable, MissedReason.MISSED, max(cursor, barrier), last_missed, why_late)
    return tuple(span for span in (paused, late) if span)


def span_of(
    timetable: Timetable, reason: MissedReason, after: datetime, upto: datetime, detail: str
) -> Span | None:
    """The occurrences with `after < o <= upto`, if there are any."""
    if upto <= after:
        return None
    first = timetable.next_after(after)
    if first is None or first > upto:
        return None
    last = next(timetable.newest_before(upto + timedelta(microseconds=1), after))
    count, exact = timetable.count(first, last)
    return Span(reason, first, last, count, exact, detail)
