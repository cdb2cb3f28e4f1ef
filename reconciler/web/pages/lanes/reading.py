"""From the database to a lane: each run where they are few, counts where they are many."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from reconciler.core.runs.run import Run
from reconciler.core.runs.standing import InForce, standing_of
from reconciler.core.schedule.outlook import forecast
from reconciler.store.engine.database import Tx
from reconciler.store.objects.overview import Overview
from reconciler.store.runs.lanes import count_runs, step_near
from reconciler.store.runs.lists import RunFilter, find_runs
from reconciler.store.runs.missed import missed_between
from reconciler.store.runs.runs import open_runs_of
from reconciler.web.pages.lanes.layout import (
    Counted,
    Lane,
    Link,
    Mark,
    coming_mark,
    count_marks,
    late_mark,
    missed_marks,
    run_marks,
)
from reconciler.web.pages.lanes.window import WIDTH, Window

MOST_MISSED = 100
"""Bands of a lane: the newest."""
MOST_COMING = 60
LATE = timedelta(minutes=1)
_MOST_OPEN = 20


def read_lane(
    tx: Tx, overview: Overview, window: Window, cooldown: timedelta, *, most: int, cell: float
) -> Lane:
    """The lane of one autopilot; with more than `most` runs they are counted by cells of `cell`."""
    stored = overview.stored
    stretch = window.until - window.since
    rows = count_runs(tx, stored.id, window.since, window.until, stretch * (cell / WIDTH))
    missed = missed_between(tx, stored.id, window.since, window.until)[-MOST_MISSED:]
    names = {trigger.id: trigger.name for trigger in overview.triggers}
    bands = missed_marks(missed, window, names)
    others = [*_due(overview, window, cooldown)]
    if sum(row.count for row in rows) > most:
        counted = [Counted(row.first, row.last, row.status, row.count) for row in rows]
        width = max(cell, WIDTH * (step_near(stretch * (cell / WIDTH)) / stretch))
        marks = count_marks(counted, window, width, f"{stored.key.workspace}/{stored.key.name}")
        links, height = list[Link](), 2
    else:
        where = RunFilter(autopilot_id=stored.id, since=window.since, until=window.until)
        runs = find_runs(tx, where, limit=most) if rows else []
        runs += _still_open(tx, overview, window, {run.id for run in runs})
        marks, links, height = run_marks(runs, window)
    of_each = Counter[str]()
    for row in rows:
        of_each[row.status.replace("_", " ")] += row.count
    not_run = Counter[str]()
    for interval in missed:
        not_run[interval.reason] += interval.count or 1
    not_run["late"] = sum(mark.kind == "late" for mark in others)
    counts = [*of_each.most_common(), *not_run.most_common()]
    told = [f"{count} {word}" for word, count in counts if count]
    return Lane(
        id=stored.id,
        name=stored.key.name,
        workspace=stored.key.workspace,
        marks=[*bands, *sorted([*marks, *others], key=lambda mark: mark.x)],
        links=links,
        rows=height,
        summary=", ".join(told) or "nothing happened",
    )


def _still_open(tx: Tx, overview: Overview, window: Window, known: set[str]) -> list[Run]:
    """What began before the window and goes on."""
    if window.now > window.until or not (overview.active or overview.waiting):
        return []
    older = open_runs_of(tx, overview.stored.id, _MOST_OPEN)
    return [run for run in older if run.id not in known and run.triggered_at < window.since]


def _due(overview: Overview, window: Window, cooldown: timedelta) -> Iterator[Mark]:
    """What is late and what is to come, while the autopilot takes work."""
    now = window.now
    standing = standing_of(overview.switches, cooldown, now)
    if window.until <= now or not isinstance(standing, InForce) or overview.stored.archived:
        return
    for trigger in overview.triggers:
        if not trigger.enabled or trigger.stalled_reason is not None:
            continue
        due = trigger.next_run_at
        if due is not None and due < now - LATE:
            yield late_mark(due, trigger.name, window)
        for occurrence in forecast(trigger.id, trigger.document, now, MOST_COMING):
            if occurrence.at >= window.until:
                break
            yield coming_mark(occurrence.at, trigger.name, window)
