"""Who works on which run: leases that a living process renews and a dead one loses.

Every list here is of runs that have not ended, and is read by an index of just these. It is ordered
by the index or here: asked for the order of the ids, SQLite would rather read all runs there ever
were, since those come in that order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from reconciler.core.runs.run import Run, Status, WaitingFor
from reconciler.store.runs.runs import ACTIVE, LIGHT, NOT_ENDED, change_run, run_of
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c


def _free(now: datetime) -> ColumnElement[bool]:
    return or_(_R.lease_until.is_(None), _R.lease_until <= now)


def claimable(tx: Connection, now: datetime, limit: int) -> list[Run]:
    """Admitted runs that nobody works on, fair between workspaces, then oldest first.

    The oldest of each workspace comes before the second oldest of any.
    """
    ready = and_(
        ACTIVE,
        _R.status == Status.PENDING,
        _free(now),
        or_(_R.next_attempt_at.is_(None), _R.next_attempt_at <= now),
        _R.cancel_requested_at.is_(None),
        or_(_R.waiting_for.is_(None), _R.waiting_for != WaitingFor.CLAIM),
    )
    turn = func.row_number().over(partition_by=_R.workspace_id, order_by=(_R.admitted_at, _R.id))
    ranked = select(_R.id, turn.label("turn")).where(ready).subquery()
    query = LIGHT.join(ranked, ranked.c.id == _R.id).order_by(ranked.c.turn, _R.admitted_at, _R.id)
    return [run_of(row) for row in tx.execute(query.limit(limit))]


def abandoned(tx: Connection, now: datetime, limit: int = 100) -> list[Run]:
    """Runs whose work began and whose worker let its lease run out."""
    began = _R.status.in_((Status.SESSION_CREATED, Status.RUNNING))
    ours = _R.lease_token.is_(None)  # a worker's run is looked after by `silent_workers`
    due = or_(_R.next_attempt_at.is_(None), _R.next_attempt_at <= now)
    query = LIGHT.where(ACTIVE, began, ours, due, _free(now)).order_by(_R.id).limit(limit)
    return [run_of(row) for row in tx.execute(query)]


def held_by(tx: Connection, owner: str) -> list[Run]:
    """The active runs that `owner` works on."""
    query = LIGHT.where(ACTIVE, _R.lease_owner == owner)
    return sorted((run_of(row) for row in tx.execute(query)), key=lambda run: run.id)


def overdue(tx: Connection, now: datetime, limit: int = 200) -> list[Run]:
    """Active runs whose deadline has passed and which nobody has asked to stop."""
    late = and_(ACTIVE, _R.deadline_at <= now, _R.cancel_requested_at.is_(None))
    return [
        run_of(row) for row in tx.execute(LIGHT.where(late).order_by(_R.deadline_at).limit(limit))
    ]


def untouched_cancels(tx: Connection, now: datetime, limit: int = 200) -> list[Run]:
    """Runs that were asked to stop before they were ever given to an agent."""
    asked = and_(ACTIVE, _R.attempts == 0, _R.cancel_requested_at.is_not(None))
    query = LIGHT.where(asked, _free(now)).order_by(_R.cancel_requested_at).limit(limit)
    return [run_of(row) for row in tx.execute(query)]


def unattended_cancels(tx: Connection, now: datetime, limit: int = 200) -> list[Run]:
    """Pending runs that were asked to stop between two attempts: something may be left of one."""
    asked = and_(ACTIVE, _R.status == Status.PENDING, _R.cancel_requested_at.is_not(None))
    query = LIGHT.where(asked, _R.attempts > 0, _free(now)).order_by(_R.cancel_requested_at)
    return [run_of(row) for row in tx.execute(query.limit(limit))]


def take(
    tx: Connection,
    run: Run,
    owner: str,
    now: datetime,
    until: datetime,
    agent: str,
    note: str | None = None,
) -> bool:
    """Lease a run for its next attempt; False where somebody else was first."""
    values = {
        "lease_owner": owner,
        "lease_until": until,
        "agent": agent,
        "note": note or run.note,
        "attempts": run.attempts + 1,
        "waiting_for": None,
    }
    return change_run(tx, run.id, values, _free(now), _R.attempts == run.attempts)


def adopt_run(tx: Connection, run: Run, owner: str, now: datetime, until: datetime) -> bool:
    """Lease work that another process began, to follow it or to stop what is left of it."""
    values = {
        "lease_owner": owner,
        "lease_until": until,
        "attempts": run.attempts + 1,
        "waiting_for": None,
    }
    return change_run(tx, run.id, values, _free(now), _R.attempts == run.attempts)


def renew(tx: Connection, owner: str, until: datetime) -> int:
    """Prolong every lease of `owner`; answers how many there are."""
    held = and_(ACTIVE, _R.lease_owner == owner)
    return tx.execute(update(autopilot_run).where(held).values(lease_until=until)).rowcount


def release(tx: Connection, owner: str) -> int:
    """Hand every lease of `owner` back, so that another process need not wait for it to run out."""
    held = and_(ACTIVE, _R.lease_owner == owner)
    cleared = {"lease_owner": None, "lease_until": None}
    return tx.execute(update(autopilot_run).where(held).values(cleared)).rowcount


def release_all(tx: Connection) -> int:
    """Free every lease: for the one server of an SQLite file, which knows that it is alone."""
    held = and_(ACTIVE, _R.lease_owner.is_not(None), _R.lease_token.is_(None))
    cleared = {"lease_owner": None, "lease_until": None}
    return tx.execute(update(autopilot_run).where(held).values(cleared)).rowcount


def wait_on(
    tx: Connection,
    run_id: str,
    owner: str | None,
    waiting_for: WaitingFor,
    at: datetime | None,
    attempts: int,
) -> bool:
    """Give a run back to wait until `at` (None: until there is room)."""
    values = {
        "waiting_for": waiting_for,
        "next_attempt_at": at,
        "attempts": attempts,
        "lease_owner": None,
        "lease_until": None,
    }
    held = [] if owner is None else [_R.lease_owner == owner]
    return change_run(tx, run_id, values, *held)


def load_of(tx: Connection, workspaces: Sequence[str]) -> dict[tuple[str, str], int]:
    """How many runs each agent of these workspaces has in hand, by (workspace, agent)."""
    leased = and_(NOT_ENDED, _R.agent.is_not(None))
    query = select(_R.workspace_id, _R.agent, func.count()).where(leased)
    rows = tx.execute(query.group_by(_R.agent, _R.workspace_id))
    # Narrowed here: by workspace SQLite would read all the runs that one ever had.
    return {(space, agent): count for space, agent, count in rows if space in workspaces}


def count_leased(tx: Connection) -> int:
    """How many active runs have been given to an agent, over all."""
    leased = and_(NOT_ENDED, _R.agent.is_not(None))
    return tx.execute(select(func.count()).select_from(autopilot_run).where(leased)).scalar_one()


def waiting_for_claim(
    tx: Connection, agents: Sequence[str], workspaces: frozenset[str] | None, limit: int
) -> list[Run]:
    """Runs that wait for a worker of one of these agents, oldest first."""
    waits = and_(ACTIVE, _R.waiting_for == WaitingFor.CLAIM, _R.agent.in_(agents))
    query = LIGHT.where(waits, _R.cancel_requested_at.is_(None))
    if workspaces is not None:
        query = query.where(_R.workspace_id.in_(workspaces))
    rows = tx.execute(query.order_by(_R.admitted_at, _R.id).limit(limit))
    return [run_of(row) for row in rows]


def claim_run(tx: Connection, run_id: str, values: Mapping[str, Any]) -> bool:
    """Give a waiting run to a worker; False where another one was first."""
    return change_run(tx, run_id, values, _R.waiting_for == WaitingFor.CLAIM)


def token_hashes(tx: Connection, run_id: str) -> tuple[str | None, str | None]:
    """The hashes of a run's lease token and of its own token."""
    query = select(_R.lease_token, _R.run_token).where(_R.id == run_id)
    row = tx.execute(query).one_or_none()
    return (row.lease_token, row.run_token) if row else (None, None)


def prolong(tx: Connection, run_id: str, lease_token: str, until: datetime) -> bool:
    """Prolong the lease of a worker that still holds it."""
    return change_run(tx, run_id, {"lease_until": until}, _R.lease_token == lease_token)


def silent_workers(
    tx: Connection, now: datetime, overdue_since: datetime, limit: int = 100
) -> list[Run]:
    """Runs of workers whose lease ran out, or that were to stop and had their deadline long ago.

    A lease that runs out is no proof: a run that was asked to stop is held until its time is up.
    """
    asked = _R.cancel_requested_at.is_not(None)
    silent = or_(and_(_R.lease_until <= now, ~asked), and_(asked, _R.deadline_at <= overdue_since))
    held = and_(ACTIVE, _R.lease_token.is_not(None), silent)
    return [run_of(row) for row in tx.execute(LIGHT.where(held).limit(limit))]
