"""The newest runs of many autopilots: as letters where that tells, whole where it does not."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, case, func, select

from reconciler.core.runs.glance import COMPLETED, FAILED, IDLE, OPEN, SKIPPED, Glance, glance
from reconciler.core.runs.run import Reason, Source, Status
from reconciler.store.engine.batches import IDS, batches
from reconciler.store.objects.autopilot_filter import RECENT
from reconciler.store.runs.newest import newest_run_ids
from reconciler.store.tables import autopilot, autopilot_run

_A = autopilot.c
_R = autopilot_run.c


class NewestRun(NamedTuple):
    """The newest run of an autopilot: its letter, empty where there is none.

    `missed_at` is the newest moment that was missed, `completed_at` is of a run that failed.
    """

    letter: str
    scheduled_for: datetime | None
    missed_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunMark:
    """As much of a run as health asks for."""

    source: Source
    status: Status
    reason: Reason | None
    scheduled_for: datetime | None
    triggered_at: datetime
    completed_at: datetime | None


def not_well(
    tx: Connection, newest: Mapping[str, NewestRun], scheduled: frozenset[str]
) -> frozenset[str]:
    """Those of these autopilots whose runs, or missed moments, may be a sign of trouble.

    One run further back is read at a time, of those of which nothing is known yet.
    """
    unclear, letters = set[str](), dict[str, str]()
    for id_, run in newest.items():
        if run.missed_at is not None and id_ in scheduled and not _is_over(run):
            unclear.add(id_)
            continue
        verdict = glance(run.letter, id_ in scheduled, not run.letter)
        if verdict is Glance.MORE:
            letters[id_] = run.letter
        elif verdict is not Glance.WELL:
            unclear.add(id_)
    for place in range(1, RECENT):
        before = _letters_at(tx, list(letters), place)
        for id_, seen in list(letters.items()):
            letters[id_] = seen + before.get(id_, "")
            is_all = id_ not in before or place == RECENT - 1
            verdict = glance(letters[id_], id_ in scheduled, is_all)
            if verdict is not Glance.MORE:
                del letters[id_]
            if verdict not in (Glance.MORE, Glance.WELL):
                unclear.add(id_)
    return frozenset(unclear)


def _is_over(run: NewestRun) -> bool:
    """Whether a run of a schedule came after what was missed, and was not skipped."""
    ran = run.letter.isupper() and run.letter.lower() != SKIPPED
    if not ran or run.scheduled_for is None or run.missed_at is None:
        return False
    return run.scheduled_for > run.missed_at


def _letters_at(tx: Connection, ids: Sequence[str], place: int) -> dict[str, str]:
    letters: dict[str, str] = {}
    for batch in batches(ids):
        rows = tx.execute(_letter_at(place), {"ids": batch})
        letters.update((id_, letter) for id_, letter in rows if letter is not None)
    return letters


@lru_cache
def _letter_at(place: int) -> Select[Any]:
    newest_first = select(LETTER).where(_R.autopilot_id == _A.id).order_by(_R.id.desc())
    letter = newest_first.limit(1).offset(place).correlate(autopilot).scalar_subquery()
    return select(_A.id, letter).where(_A.id.in_(IDS))


def newest_marks(
    tx: Connection, autopilot_ids: Sequence[str], most: int
) -> dict[str, list[RunMark]]:
    """The newest runs of each autopilot that has any, newest first."""
    rows: dict[str, list[Any]] = defaultdict(list)
    for ids in newest_run_ids(tx, autopilot_ids, most):
        for row in tx.execute(_MARKS, {"ids": ids}):
            rows[row.autopilot_id].append(row)
    return {
        id_: [_mark(*row[2:]) for row in sorted(marks, key=attrgetter("id"), reverse=True)]
        for id_, marks in rows.items()
    }


def _mark(
    source: str,
    status: str,
    reason: str | None,
    scheduled_for: datetime | None,
    triggered_at: datetime,
    completed_at: datetime | None,
) -> RunMark:
    known = Reason(reason) if reason is not None else None
    return RunMark(Source(source), Status(status), known, scheduled_for, triggered_at, completed_at)


_MARKS = select(
    _R.autopilot_id, _R.id, _R.source, _R.status, _R.reason, _R.scheduled_for, _R.triggered_at,
    _R.completed_at,
).where(_R.id.in_(IDS))  # fmt: skip
_IS_IDLE = and_(_R.status == Status.SKIPPED, _R.reason == Reason.NOTHING_TO_DO)
_SMALL = case(
    (_R.id.is_(None), ""),
    (_R.status == Status.COMPLETED, COMPLETED),
    (_R.status == Status.FAILED, FAILED),
    (_IS_IDLE, IDLE),
    (_R.status == Status.SKIPPED, SKIPPED),
    else_=OPEN,
)
LETTER = case((_R.source == Source.SCHEDULE, func.upper(_SMALL)), else_=_SMALL)
"""A run as `core/runs/glance.py` reads it."""
