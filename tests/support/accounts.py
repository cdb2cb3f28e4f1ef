"""The books of a schedule: each occurrence is a run, or lies in exactly one missed interval."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from reconciler.core.manifest.trigger import ScheduleTrigger
from reconciler.core.runs.run import MissedInterval, Run
from reconciler.core.schedule.agenda import Agenda
from reconciler.store.engine.database import Tx
from reconciler.store.objects.triggers import NamedTrigger, list_triggers
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.store.runs.missed import missed_between

FIRST = datetime.fromisoformat("1000-01-01T00:00:00+00:00")
LAST = datetime.fromisoformat("9000-01-01T00:00:00+00:00")
_TICK = timedelta(microseconds=1)


def occurrences(trigger: NamedTrigger, since: datetime, until: datetime) -> list[datetime]:
    """The nominal moments with `since < o <= until`, oldest first."""
    agenda = Agenda.of(trigger.id, ScheduleTrigger.model_validate(trigger.document))
    return [*agenda.newest_before(until + _TICK, since)][::-1]


def wrong_entries(
    due: Iterable[datetime], runs: Sequence[Run], intervals: Sequence[MissedInterval]
) -> list[str]:
    """What is not in the books exactly once, or is there without being due; empty when all is well.

    Runs and intervals are those of one trigger.
    """
    due = [*due]
    fired = Counter(run.scheduled_for for run in runs)
    wrong = [f"{moment}: due, not known" for moment in fired if moment not in set(due)]
    for moment in due:
        covering = [one for one in intervals if covers(one, moment)]
        if fired[moment] + len(covering) != 1:
            wrong.append(f"{moment}: {fired[moment]} runs and {len(covering)} intervals")
    for one in intervals:
        covered = sum(1 for moment in due if covers(one, moment))
        if one.last is not None and one.exact and covered != one.count:
            wrong.append(f"{one.first}..{one.last} says {one.count}, covers {covered}")
    return wrong


def covers(interval: MissedInterval, moment: datetime) -> bool:
    """Whether an occurrence lies in it; an open interval has no end."""
    return interval.first <= moment and (interval.last is None or moment <= interval.last)


def books(
    tx: Tx, autopilot_id: str, name: str
) -> tuple[NamedTrigger, list[Run], list[MissedInterval]]:
    """One trigger with all its runs and intervals."""
    trigger = next(one for one in list_triggers(tx, autopilot_id) if one.name == name)
    runs = list_runs(tx, RunFilter(autopilot_id=autopilot_id), limit=1_000_000)
    missed = missed_between(tx, autopilot_id, FIRST, LAST)
    return (
        trigger,
        [run for run in runs if run.trigger_id == trigger.id and run.scheduled_for],
        [one for one in missed if one.trigger_id == trigger.id],
    )
