"""What is wrong with an autopilot, since when, and whose change it began with, for people."""

from dataclasses import dataclass
from datetime import datetime

from reconciler.core.runs.condition import Condition, Health
from reconciler.core.runs.run import Run, Status
from reconciler.core.runs.streak import Streak
from reconciler.store.engine.database import Tx
from reconciler.store.objects.overview import Overview
from reconciler.store.revisions.revisions import author_of

LONGEST = 200
"""Characters of an agent's own words in a list."""


@dataclass(frozen=True, slots=True)
class Change:
    """The change of the manifests that a trouble began with, or that was the last one before it.

    `began` tells the two apart; `same` says that the manifest had worked before, and the revision
    only was in force.
    """

    revision: str
    author: str | None
    began: bool
    same: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """One autopilot that needs somebody. `run_id` is the first run that failed."""

    why: str
    since: datetime | None
    change: Change | None
    run_id: str | None = None
    by: str | None = None
    """Who switched it off."""
    also: "Trouble | None" = None
    """Failures behind something that comes before them, such as a webhook without its secret."""


def trouble_of(tx: Tx, overview: Overview, condition: Condition) -> Trouble | None:
    """The trouble of an autopilot; None for one that is well."""
    if condition.health is Health.HEALTHY:
        return None
    if condition.health is Health.PAUSED:
        return Trouble(condition.why, condition.since, None, by=overview.switches.paused_by)
    failing = _failing(overview, condition.why if _is_of_runs(condition, overview) else None)
    if failing is not None and _is_of_runs(condition, overview):
        return failing
    change = _last_change(tx, overview)
    return Trouble(condition.why, condition.since, change, also=failing)


def _failing(overview: Overview, why: str | None) -> Trouble | None:
    """The streak of failures as a trouble, if there is one; `why` is its sentence."""
    streak = overview.streak
    if streak is None:
        return None
    times = "the last run" if streak.failures == 1 else f"the last {streak.failures} runs"
    return Trouble(
        why=_with_words(why or f"{times} failed", overview.runs),
        since=streak.began_at if streak.whole else None,
        change=_beginning(streak),
        run_id=streak.run_id,
    )


def _is_of_runs(condition: Condition, overview: Overview) -> bool:
    """Whether it is about runs that failed, so that the streak explains it."""
    if condition.health is Health.FAILING:
        return True
    worked = next((r for r in overview.runs if r.status in (Status.COMPLETED, Status.FAILED)), None)
    return worked is not None and condition.since == worked.completed_at


def _with_words(why: str, runs: tuple[Run, ...]) -> str:
    """The sentence, and what the last run that failed said."""
    failed = next((run for run in runs if run.status is Status.FAILED), None)
    words = " ".join((failed.failure_reason or "").split()) if failed else ""
    if not words:
        return why
    return f"{why}: {words[:LONGEST]}{'…' if len(words) > LONGEST else ''}"


def _beginning(streak: Streak) -> Change | None:
    if streak.revision is None or not streak.whole:
        return None
    return Change(streak.revision, streak.author, began=True, same=not streak.changed)


def _last_change(tx: Tx, overview: Overview) -> Change | None:
    stored = overview.stored
    if stored.origin is None or stored.origin.revision is None or stored.source_id is None:
        return None
    author = author_of(tx, stored.source_id, stored.origin.revision)
    return Change(stored.origin.revision, author, began=False)
