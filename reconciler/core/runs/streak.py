"""A failing streak: in which run and revision it began, and what would undo it.

A streak are the failures since the last completed run. Runs that say nothing about the work
(skipped, cancelled, replaced, still under way) neither belong to it nor end it
(docs/runs.md#failing-since).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from reconciler.core.manifest.fields import format_instant
from reconciler.core.runs.run import BREAKER_REASONS, Run, Status

MOST = 2000
"""Runs that are looked back at; a streak that is longer has no known beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """Failures in a row. `run_id`, `began_at` and `revision` are those of the first one.

    `changed`: whether the manifest is another one than that of the last completed run, or there is
    none. `whole` is False where the beginning was not found.
    """

    run_id: str
    began_at: datetime
    failures: int
    revision: str | None = None
    commit: str | None = None
    author: str | None = None
    changed: bool = True
    whole: bool = True

    @property
    def revert(self) -> str | None:
        """The command that undoes the commit with which the streak began; None where it is no
        commit, or where the same manifest worked before.
        """
        suspicious = self.commit is not None and self.changed and self.whole
        return f"git revert {self.commit}" if suspicious else None


def streak_of(newest_first: Iterable[Run], most: int = MOST) -> Streak | None:
    """The streak that the runs of an autopilot end with; None where the last one completed.

    No more runs are taken than needed, and at most `most`.
    """
    failures: list[Run] = []
    last_good: Run | None = None
    whole = True
    for number, run in enumerate(newest_first):
        if run.status is Status.COMPLETED:
            last_good = run
            break
        if number == most:
            whole = False
            break
        if run.status is Status.FAILED and run.reason in BREAKER_REASONS:
            failures.append(run)
    if not failures:
        return None
    first = failures[-1]
    return Streak(
        run_id=first.id,
        began_at=first.triggered_at,
        failures=len(failures),
        revision=first.revision,
        commit=first.commit,
        changed=last_good is None or last_good.spec_digest != first.spec_digest,
        whole=whole,
    )


def explained(streak: Streak) -> str:
    """The streak as a sentence."""
    times = "once" if streak.failures == 1 else f"{streak.failures} times in a row"
    if not streak.whole:
        return f"it failed at least {times}; where that began is too long ago to be looked up"
    sentence = f"it failed {times}, since run {streak.run_id} at {format_instant(streak.began_at)}"
    if streak.revision is not None:
        author = f" by {streak.author}" if streak.author else ""
        sentence += f", the first under revision {streak.revision}{author}"
    if streak.revert is not None:
        return f"{sentence}; `{streak.revert}` undoes it"
    if not streak.changed:
        return f"{sentence}; the same manifest had worked before"
    return sentence
