"""The queues of admitted runs: one for each agent and each squad, the oldest run first.

Nothing here reads through a queue to find another one: however many runs wait for one full agent,
the head of every queue is found by a step in the index.
"""

from datetime import datetime

from sqlalchemy import Connection, bindparam, text, update

from reconciler.core.runs.key import with_note
from reconciler.core.runs.queue import Queue
from reconciler.core.runs.run import Run, WaitingFor
from reconciler.store.engine.batches import batches
from reconciler.store.runs.conditions import as_read
from reconciler.store.runs.rows import LIGHT, read_runs, readable
from reconciler.store.runs.runs import IS_QUEUED, STILL_QUEUED, change_run
from reconciler.store.tables import QUEUED, Instant, autopilot_run

_R = autopilot_run.c
_DUE = "(next_attempt_at IS NULL OR next_attempt_at <= :now)"
_OLDEST_FIRST = "ORDER BY admitted_at, id LIMIT :most"

_NOW = bindparam("now", type_=Instant)
# From one queue to the next by the index: a DISTINCT would read every run that waits.
_HEADS = text(
    f"""
    WITH RECURSIVE line(queue) AS (
        SELECT min(queue) FROM autopilot_run WHERE {QUEUED}
        UNION ALL
        SELECT (SELECT min(queue) FROM autopilot_run WHERE {QUEUED} AND queue > line.queue)
          FROM line WHERE line.queue IS NOT NULL
    )
    SELECT (
        SELECT id FROM autopilot_run
         WHERE {QUEUED} AND queue = line.queue AND {_DUE} {_OLDEST_FIRST}
    ) FROM line WHERE line.queue IS NOT NULL
    """  # noqa: S608 - constants of this package
).bindparams(_NOW)
_OF_QUEUE = text(
    f"SELECT id FROM autopilot_run WHERE {QUEUED} AND queue = :queue AND {_DUE} {_OLDEST_FIRST}"  # noqa: S608
).bindparams(_NOW)
_TO_OFFER = text(
    f"SELECT id FROM autopilot_run WHERE {QUEUED} AND queue = :queue AND {_DUE} "  # noqa: S608
    f"AND NOT precheck_due {_OLDEST_FIRST}"
).bindparams(_NOW)
_READ_HEADS = LIGHT.where(_R.id.in_(_HEADS.columns(_R.id)))
_READ_OF_QUEUE = LIGHT.where(_R.id.in_(_OF_QUEUE.columns(_R.id)))
_HELD_OF_QUEUE = _READ_OF_QUEUE.with_for_update(skip_locked=True, of=autopilot_run)


def heads(tx: Connection, now: datetime) -> list[Run]:
    """The oldest run of each queue whose attempt is due."""
    runs: list[Run] = []
    for row in tx.execute(_READ_HEADS, {"now": now, "most": 1}):
        runs += readable([row]) or _first_of(tx, row.f_queue, now)
    return sorted(runs, key=_by_admission)


def _first_of(tx: Connection, queue: str, now: datetime) -> list[Run]:
    """The oldest run of a queue that can be read, behind one that cannot."""
    return read_runs(tx, _READ_OF_QUEUE, {"queue": queue, "now": now, "most": 1})


def queued(tx: Connection, queue: str, now: datetime, limit: int) -> list[Run]:
    """The oldest runs of one queue whose attempt is due, and that nobody is changing just now.

    Their rows are held to the end of the transaction, on PostgreSQL; those that another
    transaction holds are passed over.
    """
    runs = read_runs(tx, _HELD_OF_QUEUE, {"queue": queue, "now": now, "most": limit})
    return sorted(runs, key=_by_admission)


def _by_admission(run: Run) -> tuple[datetime, str]:
    return run.admitted_at or run.created_at, run.id


def offer_run(tx: Connection, run: Run, agent: str, note: str | None) -> bool:
    """Let workers of this agent claim a run; False where somebody else was first."""
    values = {
        "agent": agent,
        "waiting_for": WaitingFor.CLAIM,
        "next_attempt_at": None,
        "note": with_note(run, note),
    }
    return change_run(tx, run.id, values, STILL_QUEUED, as_read(run))


def offer(tx: Connection, queue: Queue, agent: str, now: datetime, limit: int) -> int:
    """Let workers of this agent claim the runs of a queue; return the number of runs.

    Those whose precheck has not passed stay in the queue: a server runs it first.
    """
    ids = list(tx.execute(_TO_OFFER, {"queue": str(queue), "now": now, "most": limit}).scalars())
    values = {"agent": agent, "waiting_for": WaitingFor.CLAIM, "next_attempt_at": None}
    return sum(
        tx.execute(
            # The condition again: another transaction may have moved a run since it was read.
            update(autopilot_run).where(_R.id.in_(batch), IS_QUEUED).values(values)
        ).rowcount
        for batch in batches(ids)
    )
