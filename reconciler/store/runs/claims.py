"""Runs that workers claim, and the leases that they hold by a token."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, bindparam, func, or_, select

from reconciler.core.runs.run import Run
from reconciler.store.engine.batches import IDS
from reconciler.store.runs.conditions import THIS_RUN, Condition, as_read
from reconciler.store.runs.rows import FIRST, LIGHT, Listing, Which, read_most
from reconciler.store.runs.runs import ACTIVE, IS_CLAIMABLE, change_run
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c


_CLAIMED = (
    LIGHT.where(_R.id.in_(IDS))
    .order_by(_R.admitted_at, _R.id)
    .with_for_update(skip_locked=True, of=autopilot_run)
)


def waiting_for_claim(tx: Connection, workspace: str, agent: str, limit: int) -> list[Run]:
    """Runs that wait for a worker of this agent, oldest first; those that others claim left out."""
    waits = and_(IS_CLAIMABLE, _R.agent == agent, _R.workspace_id == workspace)
    ids = select(_R.id).where(waits, _R.cancel_requested_at.is_(None))

    def read(most: int) -> Sequence[Row[Any]]:
        oldest = list(tx.execute(ids.order_by(_R.admitted_at, _R.id).limit(most)).scalars())
        return tx.execute(_CLAIMED, {"ids": oldest}).all()

    return read_most(read, limit)


def claim_run(tx: Connection, run: Run, values: Mapping[str, Any]) -> bool:
    """Give a waiting run to a worker; False where somebody else was first."""
    return change_run(tx, run.id, values, as_read(run))


_TOKENS = select(_R.lease_token, _R.run_token).where(THIS_RUN)
_HELD_BY_TOKEN = and_(_R.lease_token == bindparam("held_token"), _R.lease_until > bindparam("now"))


def token_hashes(tx: Connection, run_id: str) -> tuple[str | None, str | None]:
    """The hashes of a run's lease token and of its own token."""
    row = tx.execute(_TOKENS, {"this_run": run_id}).one_or_none()
    return (row.lease_token, row.run_token) if row else (None, None)


def prolong(tx: Connection, run_id: str, lease_token: str, now: datetime, until: datetime) -> bool:
    """Prolong the lease of a worker that still holds it; an expired one is lost."""
    held = Condition(_HELD_BY_TOKEN, {"held_token": lease_token, "now": now})
    return change_run(tx, run_id, {"lease_until": until}, held)


class Unclaimed(NamedTuple):
    """Runs of an agent that wait for a worker, the oldest of them admitted at `since`."""

    workspace: str
    agent: str
    runs: int
    since: datetime


def unclaimed(tx: Connection, now: datetime, before: datetime) -> list[Unclaimed]:
    """Return the agents whose runs wait since before `before` while no worker holds one of them."""
    other = autopilot_run.alias()
    held = select(other.c.id).where(
        other.c.lease_token.is_not(None),
        other.c.lease_until > now,
        other.c.agent == _R.agent,
        other.c.workspace_id == _R.workspace_id,
    )
    query = (
        select(_R.workspace_id, _R.agent, func.count(), func.min(_R.admitted_at))
        .where(IS_CLAIMABLE, _R.admitted_at < before, ~held.exists())
        .group_by(_R.workspace_id, _R.agent)
        .order_by(_R.workspace_id, _R.agent)
    )
    return [Unclaimed._make(row) for row in tx.execute(query)]


_ASKED = _R.cancel_requested_at.is_not(None)
IS_SILENT = and_(
    ACTIVE,
    _R.lease_token.is_not(None),
    _R.unjudged_since.is_(None),
    or_(
        and_(_R.lease_until <= bindparam("now"), ~_ASKED),
        and_(_ASKED, _R.deadline_at <= bindparam("overdue_since")),
    ),
)
_SILENT = Listing.of(IS_SILENT)


def silent_workers(
    tx: Connection, now: datetime, overdue_since: datetime, which: Which = FIRST
) -> list[Run]:
    """Runs of workers whose lease expired, or that were to stop and had their deadline long ago.

    A lease that expires is no proof: a run that was asked to stop is held until its time is up. A
    worker whose result waits to be judged has reported its end.
    """
    return _SILENT.read(tx, {"now": now, "overdue_since": overdue_since}, which)
