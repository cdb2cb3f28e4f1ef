"""What is measured when somebody asks: queues, what is due, open breakers, revisions in force."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from reconciler.core.runs.run import WaitingFor
from reconciler.store.notify.lists import count_pending
from reconciler.store.objects.triggers import count_due
from reconciler.store.revisions.revisions import last_applied, list_sources
from reconciler.store.runs.runs import WAITING
from reconciler.store.tables import autopilot, autopilot_run

_A, _R = autopilot.c, autopilot_run.c


@dataclass(frozen=True, slots=True)
class Gauges:
    """The whole database at one moment. `applied` is the revision in force of each source,
    `notifications` how many each channel has yet to hear of, `runs_waiting` how many wait for
    each of the things that a run may wait for."""

    due_triggers: int
    queue_depth: int
    runs_waiting: dict[WaitingFor, int]
    breakers_open: int
    notifications: dict[str, int]
    applied: dict[str, str]


def read_gauges(tx: Connection, now: datetime) -> Gauges:
    """Count, each by an index of just these rows."""
    waiting = select(func.count()).select_from(autopilot_run).where(WAITING)
    waiting_for = (
        select(_R.waiting_for, func.count())
        .where(_R.completed_at.is_(None), _R.waiting_for.is_not(None))
        .group_by(_R.waiting_for)
    )
    living = _A.archived_at.is_(None)
    broken = select(func.count()).where(_A.breaker_opened_at.is_not(None), living)
    attempts = ((source, last_applied(tx, source)) for source in list_sources(tx))
    return Gauges(
        due_triggers=count_due(tx, now),
        queue_depth=tx.execute(waiting).scalar_one(),
        runs_waiting=dict.fromkeys(WaitingFor, 0)
        | {WaitingFor(word): count for word, count in tx.execute(waiting_for)},
        notifications=count_pending(tx),
        breakers_open=tx.execute(broken).scalar_one(),
        applied={source: last.revision.id for source, last in attempts if last is not None},
    )
