"""How an autopilot fares: healthy, degraded, failing, late or paused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.runs.run import (
    MissedInterval,
    MissedReason,
    Reason,
    Source,
    Status,
)
from reconciler.core.runs.standing import Switches

LATE = timedelta(minutes=1)
"""How long an occurrence may be due."""
RECENT = 3
"""Occurrences in a row that must not have run for `degraded`."""


class Health(StrEnum):
    """One word for people and filters."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    FAILING = "failing"
    LATE = "late"
    PAUSED = "paused"


NEEDS_ATTENTION = (Health.FAILING, Health.LATE, Health.DEGRADED)
"""What somebody should see to, worst first. A pause is somebody's decision."""
WORST_FIRST = (*NEEDS_ATTENTION, Health.PAUSED, Health.HEALTHY)
"""The order of lists."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The health, the sentence behind it, and since when it is so where that is known."""

    health: Health
    why: str
    since: datetime | None = None

    @property
    def needs_attention(self) -> bool:
        """Whether somebody should see to it."""
        return self.health in NEEDS_ATTENTION


class AnyEnd(Protocol):
    """What health asks of the last run that was worked on."""

    @property
    def status(self) -> Status:
        """Where it is in its life."""

    @property
    def completed_at(self) -> datetime | None:
        """When it ended."""


class AnyRun(AnyEnd, Protocol):
    """What health asks of a run."""

    @property
    def source(self) -> Source:
        """What started it."""

    @property
    def reason(self) -> Reason | None:
        """Why it was skipped or failed."""

    @property
    def scheduled_for(self) -> datetime | None:
        """The moment of the schedule that it is of."""

    @property
    def triggered_at(self) -> datetime:
        """When it was made."""


R = TypeVar("R", bound=AnyRun)


@dataclass(frozen=True, slots=True)
class Occurred:
    """One moment of a schedule: whether it became a run that was not skipped."""

    at: datetime
    ran: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What health is judged by.

    `due` is the earliest `nextRunAt` of its triggers; `last` the newest run that was worked on to
    its end; `occurrences` say of the newest moments of its schedules, newest first, whether each
    became a run that was not skipped. `stalled` says which trigger is stalled and why, `stalled_at`
    since when, `ahead` which one a wrong clock left in the future, `dead_webhook` why a webhook can
    take no delivery, `nearly_spent` how much of its budget it has used.
    """

    switches: Switches
    due: datetime | None = None
    last: AnyEnd | None = None
    occurrences: tuple[Occurred, ...] = ()
    stalled: str | None = None
    stalled_at: datetime | None = None
    ahead: str | None = None
    dead_webhook: str | None = None
    nearly_spent: str | None = None


WELL = Condition(Health.HEALTHY, "nothing is wrong")


def condition_of(signs: Signs, now: datetime) -> Condition:
    """The health at this moment; what needs somebody's attention first comes first."""
    switches = signs.switches
    if why := _why_paused(switches):
        return Condition(Health.PAUSED, why, switches.paused_at)
    if (opened := switches.breaker_opened_at) is not None:
        why = f"the breaker opened after {switches.failures} failures in a row"
        return Condition(Health.FAILING, why, opened)
    if signs.due is not None and now - signs.due > LATE:
        why = "an occurrence has been due for more than a minute"
        return Condition(Health.LATE, why, signs.due)
    return _degraded(signs) or WELL


def _degraded(signs: Signs) -> Condition | None:
    if signs.stalled is not None:
        why = f"nothing fires of {signs.stalled}"
        return Condition(Health.DEGRADED, why, signs.stalled_at)
    if signs.ahead is not None:
        return Condition(Health.DEGRADED, signs.ahead)
    if signs.dead_webhook is not None:
        return Condition(Health.DEGRADED, signs.dead_webhook)
    if signs.last is not None and signs.last.status is Status.FAILED:
        return Condition(Health.DEGRADED, "the last run failed", signs.last.completed_at)
    if signs.nearly_spent is not None:
        return Condition(Health.DEGRADED, signs.nearly_spent)
    newest = signs.occurrences[:RECENT]
    if len(newest) == RECENT and not any(occurred.ran for occurred in newest):
        why = f"the last {RECENT} occurrences were skipped or missed"
        return Condition(Health.DEGRADED, why, newest[-1].at)
    return None


def _why_paused(switches: Switches) -> str | None:
    if switches.archived or switches.status is AutopilotStatus.ARCHIVED:
        return "it is archived"
    if switches.status is AutopilotStatus.PAUSED:
        return "the manifest says spec.status: paused"
    if switches.paused_at is None:
        return None
    return f"paused{f': {switches.pause_reason}' if switches.pause_reason else ''}"


def last_worked(runs: Iterable[R]) -> R | None:
    """The newest run (of runs newest first) that completed or failed."""
    return next((r for r in runs if r.status in (Status.COMPLETED, Status.FAILED)), None)


def _did_its_part(run: AnyRun) -> bool:
    """A quiet night is no fault: that there was nothing to do is what was to be found out."""
    return run.status is not Status.SKIPPED or run.reason is Reason.NOTHING_TO_DO


def recent_occurrences(
    runs: Sequence[AnyRun], missed: Sequence[MissedInterval]
) -> tuple[Occurred, ...]:
    """What became of the newest moments of an autopilot's schedules, newest first.

    A pause is no fault, so `paused` intervals do not count; an interval counts for as many
    occurrences as it covers.
    """
    moments = [
        (run.scheduled_for or run.triggered_at, [_did_its_part(run)])
        for run in runs
        if run.source is Source.SCHEDULE
    ]
    moments += [
        (interval.last or interval.first, [False] * min(interval.count or RECENT, RECENT))
        for interval in missed
        if interval.reason is not MissedReason.PAUSED
    ]
    moments.sort(key=lambda moment: moment[0], reverse=True)
    return tuple(Occurred(at, ran) for at, outcome in moments for ran in outcome)[:RECENT]
