"""Autopilots as lists and pages show them: the manifest with its state, page by page."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select, tuple_

from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import Stored
from reconciler.core.money.own import OwnSpending
from reconciler.core.runs.run import MissedInterval, Run, Status
from reconciler.core.runs.standing import Switches
from reconciler.core.runs.streak import Streak
from reconciler.store.checked import moment_of
from reconciler.store.engine.batches import batches
from reconciler.store.money.own import read_own_spending
from reconciler.store.objects.autopilot_filter import RECENT, AutopilotFilter
from reconciler.store.objects.current import list_objects
from reconciler.store.objects.documents import trigger_document
from reconciler.store.revisions.revisions import author_of
from reconciler.store.runs.newest import newest_missed, newest_runs
from reconciler.store.runs.streaks import read_streak
from reconciler.store.runs.switches import read_switches
from reconciler.store.tables import autopilot, autopilot_run, autopilot_trigger

_A = autopilot.c
_T = autopilot_trigger.c


class PageKey(NamedTuple):
    """Where a page ended: lists are by name, and by id where names are the same."""

    name: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTrigger:
    """A trigger with its state. `document` is the trigger as canonical JSON."""

    id: str
    name: str
    document: dict[str, Any]
    next_run_at: datetime | None
    next_scheduled_for: datetime | None
    cursor: datetime | None
    last_fired_at: datetime | None
    stalled_at: datetime | None
    stalled_reason: str | None

    @property
    def kind(self) -> str:
        """schedule, webhook or api."""
        return str(self.document["kind"])

    @property
    def enabled(self) -> bool:
        """The manifest's own switch of this trigger."""
        return bool(self.document["enabled"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One autopilot. `runs` are the newest ones, newest first, `missed` likewise.

    `streak` is the failing streak that its runs end with, if they do.
    """

    stored: Stored
    switches: Switches
    triggers: tuple[ShownTrigger, ...]
    last_run_at: datetime | None
    created_at: datetime
    updated_at: datetime
    created_by: str | None
    active: int
    waiting: int
    runs: tuple[Run, ...]
    missed: tuple[MissedInterval, ...]
    streak: Streak | None = None
    spending: OwnSpending | None = None

    @property
    def place(self) -> PageKey:
        """Where it stands in lists."""
        return PageKey(self.stored.key.name, self.stored.id)

    @property
    def next_run_at(self) -> datetime | None:
        """The earliest moment at which one of its triggers is due."""
        return min((t.next_run_at for t in self.triggers if t.next_run_at), default=None)


def list_overviews(
    tx: Connection, where: AutopilotFilter, *, limit: int = 50, after: PageKey | None = None
) -> list[Overview]:
    """Autopilots by name; `after` is where the page before ended."""
    query = select(_A.id).where(*where.conditions()).order_by(_A.name, _A.id).limit(limit)
    if after is not None:
        query = query.where(tuple_(_A.name, _A.id) > tuple_(after.name, after.id))
    return read_overviews(tx, list(tx.execute(query).scalars()))


def get_overview(tx: Connection, autopilot_id: str) -> Overview | None:
    """One autopilot, archived ones too."""
    overviews = read_overviews(tx, [autopilot_id])
    return overviews[0] if overviews else None


def read_overviews(tx: Connection, ids: Sequence[str]) -> list[Overview]:
    """Autopilots by id, in the order of `ids`, as far as there are any."""
    overviews: dict[str, Overview] = {}
    for batch in batches(ids):
        overviews.update((overview.stored.id, overview) for overview in _overviews(tx, batch))
    return [overviews[id_] for id_ in ids if id_ in overviews]


def _overviews(tx: Connection, ids: Sequence[str]) -> Iterator[Overview]:
    stored = list_objects(tx, Kind.AUTOPILOT, _A.id.in_(ids), archived=True)
    rows, triggers, counts = read_switches(tx, ids), _triggers(tx, ids), _counts(tx, ids)
    runs, missed = newest_runs(tx, ids, RECENT), newest_missed(tx, ids, RECENT)
    columns = (_A.id, _A.last_run_at, _A.created_at, _A.updated_at, _A.created_by)
    dates = {row.id: row for row in tx.execute(select(*columns).where(_A.id.in_(ids)))}
    budgeted = [row.id for row in stored if row.document["spec"].get("budget")]
    spending = read_own_spending(tx, budgeted) if budgeted else {}
    for autopilot_row in stored:
        id_ = autopilot_row.id
        row, (active, waiting) = dates[id_], counts.get(id_, (0, 0))
        yield Overview(
            stored=autopilot_row,
            switches=rows[id_].switches,
            triggers=tuple(triggers[id_]),
            last_run_at=row.last_run_at,
            created_at=row.created_at,
            updated_at=row.updated_at,
            created_by=row.created_by,
            active=active,
            waiting=waiting,
            runs=tuple(runs.get(id_, ())),
            missed=tuple(missed.get(id_, ())),
            streak=streak_of_autopilot(tx, autopilot_row, runs.get(id_, ()))
            if _may_fail(rows[id_].switches, runs.get(id_, ()))
            else None,
            spending=spending.get(id_),
        )


def streak_of_autopilot(
    tx: Connection, stored: Stored, newest: Sequence[Run] = ()
) -> Streak | None:
    """The failing streak of an autopilot, with the author of the commit in which it began.

    `newest` are its newest runs, newest first, where they are known already.
    """
    streak = read_streak(tx, stored.id, newest)
    if streak is None or streak.commit is None or stored.source_id is None:
        return streak
    return replace(streak, author=author_of(tx, stored.source_id, streak.commit))


def _may_fail(switches: Switches, newest: Sequence[Run]) -> bool:
    """Whether there may be a streak: most autopilots work, and their runs are not looked at."""
    return switches.failures > 0 or any(run.status is Status.FAILED for run in newest)


def _triggers(tx: Connection, ids: Sequence[str]) -> dict[str, list[ShownTrigger]]:
    query = select(autopilot_trigger).where(_T.autopilot_id.in_(ids), _T.removed_at.is_(None))
    triggers: dict[str, list[ShownTrigger]] = defaultdict(list)
    for row in tx.execute(query.order_by(_T.autopilot_id, _T.position, _T.name)):
        triggers[row.autopilot_id].append(_shown(row))
    return triggers


def _shown(row: Row[Any]) -> ShownTrigger:
    return ShownTrigger(
        id=row.id,
        name=row.name,
        document=trigger_document(row._mapping),  # noqa: SLF001 - the documented accessor
        next_run_at=moment_of(row.next_run_at),
        next_scheduled_for=moment_of(row.next_scheduled_for),
        cursor=moment_of(row.cursor),
        last_fired_at=moment_of(row.last_fired_at),
        stalled_at=moment_of(row.stalled_at),
        stalled_reason=row.stalled_reason,
    )


def _counts(tx: Connection, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Active and waiting runs of each autopilot that has any."""
    r = autopilot_run.c
    query = (
        select(r.autopilot_id, func.count(r.admitted_at), func.count())
        .where(r.autopilot_id.in_(ids), r.completed_at.is_(None))
        .group_by(r.autopilot_id)
    )
    return {id_: (active, open_ - active) for id_, active, open_ in tx.execute(query)}
