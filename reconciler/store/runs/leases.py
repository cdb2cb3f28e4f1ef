"""Who works on which run: leases that a living process renews and a dead one loses.

Every write here says the whole of what was read before it: a process that stalled between its read
and its write, or whose lease has expired meanwhile, changes nothing. `attempts` is the fencing
token: it grows whenever a run gets another owner.

Every list is of runs that have not ended, and is read by an index of just these. It is ordered by
the index or here: asked for the order of the ids, SQLite would rather read all runs there ever
were, since those come in that order.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, or_, select, update

from reconciler.core.runs.key import with_note
from reconciler.core.runs.run import Run, Status, WaitingFor
from reconciler.store.engine.batches import IDS
from reconciler.store.runs.conditions import EXPIRED, OWNED, UNEXPIRED, Condition, as_read, leased
from reconciler.store.runs.rows import FIRST, LIGHT, Listing, Which, read_runs, run_of
from reconciler.store.runs.runs import (
    ACTIVE,
    STILL_QUEUED,
    change_run,
    change_runs,
)
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c
_BEGUN = (Status.SESSION_CREATED, Status.RUNNING)
_FREED: dict[Any, Any] = {_R.lease_owner: None, _R.lease_until: None}
_TO_ITS_AGENT: dict[Any, Any] = {
    _R.waiting_for: WaitingFor.RETRY,
    _R.queue: func.coalesce(_R.workspace_id + "/agent/" + _R.agent, _R.queue),
}
"""Something may be left of an attempt that was begun: only the same agent can say."""


_DUE = or_(_R.next_attempt_at.is_(None), _R.next_attempt_at <= bindparam("now"))
_UNJUDGED = _R.unjudged_since.is_not(None)
# The runs of workers are read by `silent_workers`, until they have reported their end.
_OURS = or_(_R.lease_token.is_(None), _UNJUDGED)
IS_ABANDONED = and_(ACTIVE, _R.status.in_(_BEGUN), _OURS, _DUE, EXPIRED)
_ABANDONED = Listing.of(IS_ABANDONED, _R.id)
_HELD_ABANDONED = _ABANDONED.held()
IS_HELD = and_(ACTIVE, OWNED)
_HELD_BY = LIGHT.where(IS_HELD)


def abandoned(
    tx: Connection, now: datetime, which: Which = FIRST, *, lock: bool = False
) -> list[Run]:
    """Runs whose work began and whose server let its lease expire, also before it judged a result.

    With `lock`, in a write: the rows are held, and those that others hold are passed over.
    """
    return (_HELD_ABANDONED if lock else _ABANDONED).read(tx, {"now": now}, which)


def held_by(tx: Connection, owner: str) -> list[Run]:
    """The active runs that `owner` works on."""
    return sorted(read_runs(tx, _HELD_BY, {"held_by": owner}), key=lambda run: run.id)


class Lease(NamedTuple):
    """What a queued run is leased with for its next attempt."""

    owner: str
    until: datetime
    agent: str
    note: str | None = None
    deadline: datetime | None = None

    def of(self, run: Run) -> Run:
        """The run as it is then."""
        return replace(
            run,
            lease_owner=self.owner,
            lease_until=self.until,
            agent=self.agent,
            note=with_note(run, self.note),
            attempts=run.attempts + 1,
            waiting_for=None,
            deadline_at=self.deadline or run.deadline_at,
            remaining_ms=None,
        )


_TAKEN = ("lease_owner", "lease_until", "agent", "note", "attempts", "waiting_for", "deadline_at",
          "remaining_ms")  # fmt: skip
_MINE = select(_R.id, _R.attempts).where(_R.id.in_(IDS), _R.lease_owner == bindparam("held_by"))


def take(tx: Connection, taken: Sequence[tuple[Run, Lease]]) -> list[Run | None]:
    """Lease queued runs; return each as it is then, None where somebody else was first.

    They are written together; were some not written, those that were are found by their owner and
    the attempt, which no other lease has.
    """
    if not taken:
        return []
    after = [lease.of(run) for run, lease in taken]
    written = change_runs(
        tx,
        [
            (run.id, {name: getattr(run, name) for name in _TAKEN}, (STILL_QUEUED, as_read(before)))
            for (before, _), run in zip(taken, after, strict=True)
        ],
    )
    if written == len(taken):
        return [*after]
    mine = {
        (id_, attempts)
        for owner in {lease.owner for _, lease in taken}
        for id_, attempts in tx.execute(_MINE, {"ids": [run.id for run in after], "held_by": owner})
    }
    return [run if (run.id, run.attempts) in mine else None for run in after]


def adopt_run(
    tx: Connection, run: Run, owner: str, until: datetime, **more: datetime | None
) -> Run | None:
    """Lease work that another process began, to follow it or to stop what is left of it.

    What its agent asks is still asked. `more` are further fields that change. Return the run as it
    is then; None where somebody else was first.
    """
    asks = run.waiting_for is WaitingFor.APPROVAL
    values: dict[str, Any] = {
        "lease_owner": owner,
        "lease_until": until,
        "attempts": run.attempts + 1,
        "waiting_for": run.waiting_for if asks else None,
        **more,
    }
    return replace(run, **values) if change_run(tx, run.id, values, as_read(run)) else None


def keep(tx: Connection, run: Run, owner: str, until: datetime) -> bool:
    """Lease again what `owner` let expire and nobody has taken: its host was suspended."""
    return change_run(tx, run.id, {"lease_owner": owner, "lease_until": until}, as_read(run))


# Held in the order of ids before they are written: ends of several runs hold them so, and an update
# by itself takes them as they lie.
_RENEWED = select(_R.id).where(ACTIVE, OWNED, UNEXPIRED).order_by(_R.id).with_for_update()
_RENEW = update(autopilot_run).where(_R.id.in_(_RENEWED)).values(lease_until=bindparam("until"))


def renew(tx: Connection, owner: str, now: datetime, until: datetime) -> int:
    """Prolong every lease of `owner` that has not expired; return the number of leases.

    An expired one may be about to be taken by somebody else.
    """
    return tx.execute(_RENEW, {"held_by": owner, "now": now, "until": until}).rowcount


def release(tx: Connection, owner: str) -> int:
    """Hand every lease of `owner` back, so that another process need not wait for it to expire."""
    return _free(tx, _R.lease_owner == owner)


def release_all(tx: Connection) -> int:
    """Free every lease: for the one server of an SQLite file, which knows that it is alone."""
    return _free(tx, and_(_R.lease_owner.is_not(None), _OURS))


# Not `status = 'pending'`: SQLite would read all that wait, in place of the few with an owner.
IS_LOST_BEFORE_IT_BEGAN = and_(
    ACTIVE,
    _R.lease_owner.is_not(None),
    _R.lease_until <= bindparam("now"),
    _R.lease_token.is_(None),
    _R.status.not_in(_BEGUN),
    _R.cancel_requested_at.is_(None),
    _R.id.not_in(IDS),
)
_REQUEUE = update(autopilot_run).where(IS_LOST_BEFORE_IT_BEGAN).values(_FREED | _TO_ITS_AGENT)
_ANY_EXPIRED = select(_R.id).where(IS_LOST_BEFORE_IT_BEGAN).limit(1)


def requeue_expired(tx: Connection, now: datetime, busy: Collection[str] = ()) -> int:
    """Put runs back into a queue whose server died before their work began.

    `busy` are those that the caller's own process is still at: it will see that it was too late.
    """
    return tx.execute(_REQUEUE, {"now": now, "ids": list(busy)}).rowcount


def any_expired(tx: Connection, now: datetime, busy: Collection[str] = ()) -> bool:
    """Whether `requeue_expired` would find something."""
    return tx.execute(_ANY_EXPIRED, {"now": now, "ids": list(busy)}).first() is not None


def _free(tx: Connection, held: ColumnElement[bool]) -> int:
    """Free leases. What had not begun goes back into a queue, in a statement of its own."""
    pending = and_(ACTIVE, held, _R.status.not_in(_BEGUN))
    queued = update(autopilot_run).where(pending).values(_FREED | _TO_ITS_AGENT)
    freed = update(autopilot_run).where(ACTIVE, held).values(_FREED)
    return tx.execute(queued).rowcount + tx.execute(freed).rowcount


def wait_on(
    tx: Connection,
    run: Run,
    owner: str,
    now: datetime,
    waiting_for: WaitingFor,
    at: datetime | None,
    *,
    attempts: int | None = None,
    note: str | None = None,
) -> bool:
    """Give a leased run back to wait until `at` (None: until there is room).

    False where the lease was lost. A run that waits for `retry` stays with its agent.
    """
    values: dict[str, Any] = {
        "waiting_for": waiting_for,
        "next_attempt_at": at,
        "attempts": run.attempts if attempts is None else attempts,
        "lease_owner": None,
        "lease_until": None,
        "note": with_note(run, note),
    }
    if waiting_for is WaitingFor.RETRY:
        values["queue"] = f"{run.workspace}/agent/{run.agent}"
    return change_run(tx, run.id, values, leased(run, owner, now))


def give_back(tx: Connection, run: Run, owner: str, now: datetime, at: datetime, note: str) -> bool:
    """Put a leased run back into the queue of its agent, from `at`, as its start has failed.

    False where the lease was lost, or where its start has come further than was read.
    """
    values: dict[str, Any] = {
        "waiting_for": WaitingFor.RETRY,
        "next_attempt_at": at,
        "lease_owner": None,
        "lease_until": None,
        "note": with_note(run, note),
        "queue": f"{run.workspace}/agent/{run.agent}",
    }
    return change_run(tx, run.id, values, leased(run, owner, now), as_read(run))


_HOLDER = LIGHT.where(_R.holds == bindparam("holds"), _R.completed_at.is_(None))
_BEFORE_IT_BEGAN = Condition(_R.handle.is_(None))


def holder_of(tx: Connection, holds: str) -> Run | None:
    """The run that has not ended and uses what no other run may use meanwhile.

    Raises UnreadableRow.
    """
    row = tx.execute(_HOLDER, {"holds": holds}).first()
    return None if row is None else run_of(row)


def free_held(tx: Connection, run_id: str) -> bool:
    """Let others use what a run holds of which nothing has begun."""
    return change_run(tx, run_id, {"holds": None}, _BEFORE_IT_BEGAN)
