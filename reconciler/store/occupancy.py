"""What admission reads under the lock: autopilots, and their runs that have not ended."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, select, update

from reconciler.core.admission import Occupancy, Open
from reconciler.core.force import Switches
from reconciler.core.live import LiveAutopilot, SpecTimes, policy_of
from reconciler.core.model import AutopilotStatus
from reconciler.core.run import Source
from reconciler.store.batches import batches
from reconciler.store.tables import autopilot, autopilot_run

_A = autopilot.c
_LIVE: Select[Any] = select(
    _A.id, _A.workspace_id, _A.name, _A.title, _A.labels, _A.applied_digest, _A.origin_revision,
    _A.assignee_type, _A.assignee_id, _A.issue_title_template, _A.spec, _A.concurrency_policy,
    _A.status, _A.archived_at, _A.paused_at, _A.paused_by, _A.pause_reason, _A.in_force_since,
    _A.failures, _A.breaker_opened_at, _A.breaker_probe,
)  # fmt: skip
"""Not the description: it is long, and only the prompt needs it."""


def lock_autopilots(tx: Connection, ids: Sequence[str]) -> dict[str, LiveAutopilot]:
    """Read autopilots and hold their rows until the end of the transaction.

    Always in the order of the ids, so that two batches never wait for each other in a circle.
    """
    return read_live(tx, sorted(set(ids)), lock=True)


def read_live(
    tx: Connection, ids: Sequence[str], *, lock: bool = False
) -> dict[str, LiveAutopilot]:
    """Autopilots by id, as the run side sees them."""
    found: dict[str, LiveAutopilot] = {}
    for some in batches(ids):
        query = _LIVE.where(autopilot.c.id.in_(some)).order_by(autopilot.c.id)
        rows = tx.execute(query.with_for_update() if lock else query)
        found.update((row.id, _live(row)) for row in rows)
    return found


def _live(row: Row[Any]) -> LiveAutopilot:
    times = SpecTimes.of(row.spec)
    return LiveAutopilot(
        id=row.id,
        workspace=row.workspace_id,
        name=row.name,
        title=row.title,
        labels=row.labels,
        digest=row.applied_digest,
        revision=row.origin_revision,
        assignee=(row.assignee_type, row.assignee_id),
        template=row.issue_title_template,
        key_expression=row.spec.get("concurrencyKey"),
        policy=policy_of(row.concurrency_policy, row.spec),
        timeout=times.timeout,
        queue_ttl=times.queue_ttl,
        pause_after_failures=row.spec["pauseAfterFailures"],
        switches=_switches(row),
    )


def _switches(row: Row[Any]) -> Switches:
    return Switches(
        status=AutopilotStatus(row.status),
        archived=row.archived_at is not None,
        paused_at=row.paused_at,
        paused_by=row.paused_by,
        pause_reason=row.pause_reason,
        in_force_since=row.in_force_since,
        failures=row.failures,
        breaker_opened_at=row.breaker_opened_at,
        breaker_probe=row.breaker_probe,
    )


def read_occupancy(
    tx: Connection, autopilots: Sequence[LiveAutopilot], now: datetime
) -> dict[str, Occupancy]:
    """The open runs of these autopilots, oldest first, and recent admissions where limited."""
    found = {one.id: Occupancy() for one in autopilots}
    for some in batches(list(found)):
        for row in tx.execute(_open_runs(some)):
            found[row.autopilot_id].open.append(_open(row))
    limited = [one.id for one in autopilots if one.policy.windows]
    for some in batches(limited):
        for row in tx.execute(_admissions(some, now)):
            found[row.autopilot_id].admitted.append(row.admitted_at)
    return found


def _open_runs(ids: Sequence[str]) -> Any:
    r = autopilot_run.c
    columns = (
        r.id,
        r.autopilot_id,
        r.concurrency_key,
        r.admitted_at,
        r.triggered_at,
        r.trigger_id,
        r.source,
        r.trigger_payload.is_(None).label("bare"),
    )
    where = and_(r.autopilot_id.in_(ids), r.completed_at.is_(None))
    return select(*columns).where(where).order_by(r.id)


def _open(row: Row[Any]) -> Open:
    return Open(
        row.id,
        row.concurrency_key,
        row.admitted_at is not None,
        row.admitted_at or row.triggered_at,
        row.trigger_id,
        row.source == Source.SCHEDULE and bool(row.bare),
    )


def _admissions(ids: Sequence[str], now: datetime) -> Any:
    r = autopilot_run.c
    recent = r.admitted_at > now - timedelta(days=1)
    return select(r.autopilot_id, r.admitted_at).where(r.autopilot_id.in_(ids), recent)


def save_last_run(tx: Connection, moments: dict[str, datetime]) -> None:
    """Note when each autopilot was last triggered."""
    if moments:
        statement = (
            update(autopilot)
            .where(autopilot.c.id == bindparam("autopilot"))
            .values(last_run_at=bindparam("moment"))
        )
        tx.execute(statement, [{"autopilot": i, "moment": at} for i, at in moments.items()])


def save_breaker(
    tx: Connection,
    autopilot_id: str,
    failures: int,
    opened_at: datetime | None,
    probe: str | None,
) -> None:
    """Write the breaker of one autopilot, whose row is held."""
    tx.execute(
        update(autopilot)
        .where(autopilot.c.id == autopilot_id)
        .values(failures=failures, breaker_opened_at=opened_at, breaker_probe=probe)
    )


def save_pause(
    tx: Connection, autopilot_id: str, at: datetime, actor: str, reason: str | None
) -> None:
    """Set the runtime pause of one autopilot, whose row is held."""
    values = {"paused_at": at, "paused_by": actor, "pause_reason": reason}
    tx.execute(update(autopilot).where(autopilot.c.id == autopilot_id).values(values))


def save_resume(tx: Connection, autopilot_id: str, at: datetime) -> None:
    """Lift pause and breaker of one autopilot, whose row is held."""
    values = {
        "paused_at": None,
        "paused_by": None,
        "pause_reason": None,
        "failures": 0,
        "breaker_opened_at": None,
        "breaker_probe": None,
        "in_force_since": at,
    }
    tx.execute(update(autopilot).where(autopilot.c.id == autopilot_id).values(values))
