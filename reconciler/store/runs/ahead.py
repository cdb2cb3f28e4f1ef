"""Reads and writes moments that a wrong clock may have left behind (docs/time.md#wrong-clocks)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from reconciler.core.base.typed import mistyped, out_of_range, types_of
from reconciler.core.runs.ahead import RunMoments
from reconciler.store.runs.conditions import NOT_ENDED
from reconciler.store.tables import agent, autopilot, autopilot_run, idempotency_key, server

_R = autopilot_run.c
_MOMENTS = tuple(RunMoments.__dataclass_fields__)
_TYPES = types_of(RunMoments)
_INSTANTS = tuple(name for name, types in _TYPES.items() if datetime in types)


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has not ended, with the manifest that it keeps and its moments."""

    id: str
    spec_digest: str
    lease_owner: str | None
    claimed: bool
    moments: RunMoments


def open_runs(tx: Connection) -> list[OpenRun]:
    """Return every run that has not ended.

    Without those of which somebody edited a moment by hand into none: nothing is done with them,
    and they keep no server from its start.
    """
    columns = (_R.id, _R.spec_digest, _R.lease_owner, _R.lease_token.is_not(None))
    query = select(*columns, *(_R[name] for name in _MOMENTS)).where(NOT_ENDED)
    runs = []
    for id_, digest, owner, claimed, *at in tx.execute(query):
        moments = dict(zip(_MOMENTS, at, strict=True))
        if not (mistyped(moments.items(), _TYPES) or out_of_range(moments, _INSTANTS, {})):
            runs.append(OpenRun(id_, digest, owner, bool(claimed), RunMoments(**moments)))
    return runs


def save_moments(tx: Connection, run: OpenRun, changes: Mapping[str, datetime]) -> None:
    """Write moments of a run, each only where it is still as it was read."""
    same = [_R[name] == getattr(run.moments, name) for name in changes]
    statement = update(autopilot_run).where(_R.id == run.id, NOT_ENDED, *same)
    tx.execute(statement.values(dict(changes)))


_NOTED = {
    autopilot: ("last_run_at", "in_force_since", "paused_at", "breaker_opened_at"),
    server: ("seen_at", "started_at"),
}
"""Moments that say when something was: none of them lies ahead."""


def bring_back_noted(
    tx: Connection, now: datetime, latest: datetime, autopilot_ids: Sequence[str] | None = None
) -> int:
    """Set what was noted for a moment after `latest` to `now`; return the number of rows."""
    count = 0
    for table, names in _NOTED.items():
        if autopilot_ids is not None and table is not autopilot:
            continue
        chosen = [] if autopilot_ids is None else [table.c.id.in_(autopilot_ids)]
        for name in names:
            statement = update(table).where(table.c[name] > latest, *chosen)
            count += tx.execute(statement.values({name: now})).rowcount
    return count


def bring_back_bounds(
    tx: Connection, until: datetime, quota_until: datetime, keys_until: datetime
) -> int:
    """Let no agent be unavailable beyond its moment, and no key be kept beyond `keys_until`.

    `until` is that of an agent that could not be reached, `quota_until` of one without quota.
    """
    count = 0
    for out_of_quota, latest in ((False, until), (True, quota_until)):
        resting = update(agent).where(
            agent.c.unavailable_until > latest, agent.c.out_of_quota == out_of_quota
        )
        count += tx.execute(resting.values(unavailable_until=latest)).rowcount
    keys = update(idempotency_key).where(idempotency_key.c.expires_at > keys_until)
    return count + tx.execute(keys.values(expires_at=keys_until)).rowcount
