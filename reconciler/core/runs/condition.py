"""How an autopilot fares: healthy, degraded, failing, late or paused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.runs.run import MissedInterval, MissedReason, Run, Source, Status
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


@dataclass(frozen=True, slots=True)
class Condition:
    """The health and the sentence that says where it comes from."""

    health: Health
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What health is judged by.

    `due` is the earliest `nextRunAt` of its triggers; `last` the newest run that was worked on to
    its end; `occurrences` say of the newest moments of its schedules, newest first, whether each
    became a run that was not skipped. `stalled` says which trigger is stalled and why, `ahead`
    which one a wrong clock left in the future, `dead_webhook` why a webhook can take no delivery.
    """

    switches: Switches
    due: datetime | None = None
    last: Run | None = None
    occurrences: tuple[bool, ...] = ()
    stalled: str | None = None
    ahead: str | None = None
    dead_webhook: str | None = None


def condition_of(signs: Signs, now: datetime) -> Condition:
    """The health at this moment; what needs somebody's attention first comes first."""
    switches = signs.switches
    if why := _why_paused(switches):
        return Condition(Health.PAUSED, why)
    if switches.breaker_opened_at is not None:
        return Condition(
            Health.FAILING, f"the breaker opened after {switches.failures} failures in a row"
        )
    if signs.due is not None and now - signs.due > LATE:
        return Condition(Health.LATE, "an occurrence has been due for more than a minute")
    if signs.stalled is not None:
        return Condition(Health.DEGRADED, f"nothing fires of {signs.stalled}")
    if signs.ahead is not None:
        return Condition(Health.DEGRADED, signs.ahead)
    if signs.dead_webhook is not None:
        return Condition(Health.DEGRADED, signs.dead_webhook)
    if signs.last is not None and signs.last.status is Status.FAILED:
        return Condition(Health.DEGRADED, "the last run failed")
    if len(signs.occurrences) >= RECENT and not any(signs.occurrences[:RECENT]):
        return Condition(Health.DEGRADED, f"the last {RECENT} occurrences were skipped or missed")
    return Condition(Health.HEALTHY, "nothing is wrong")


def _why_paused(switches: Switches) -> str | None:
    if switches.archived or switches.status is AutopilotStatus.ARCHIVED:
        return "it is archived"
    if switches.status is AutopilotStatus.PAUSED:
        return "the manifest says spec.status: paused"
    if switches.paused_at is None:
        return None
    return f"paused{f': {switches.pause_reason}' if switches.pause_reason else ''}"


def last_worked(runs: Iterable[Run]) -> Run | None:
    """The newest run (of runs newest first) that completed or failed."""
    return next((r for r in runs if r.status in (Status.COMPLETED, Status.FAILED)), None)


def recent_occurrences(runs: Sequence[Run], missed: Sequence[MissedInterval]) -> tuple[bool, ...]:
    """What became of the newest moments of an autopilot's schedules, newest first.

    A pause is no fault, so `paused` intervals do not count; an interval counts for as many
    occurrences as it covers.
    """
    moments = [
        (run.scheduled_for or run.triggered_at, [run.status is not Status.SKIPPED])
        for run in runs
        if run.source is Source.SCHEDULE
    ]
    moments += [
        (interval.last or interval.first, [False] * min(interval.count or RECENT, RECENT))
        for interval in missed
        if interval.reason is not MissedReason.PAUSED
    ]
    moments.sort(key=lambda moment: moment[0], reverse=True)
    return tuple(ran for _, outcome in moments for ran in outcome)[:RECENT]
