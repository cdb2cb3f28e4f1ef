"""Agents and squads as lists and pages show them: manifests with their state, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, tuple_

from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import Stored
from reconciler.store.objects.current import TABLES, list_objects
from reconciler.store.objects.overview import PageKey
from reconciler.store.runs.runs import ACTIVE
from reconciler.store.tables import agent, autopilot_run


@dataclass(frozen=True, slots=True)
class Load:
    """How many runs an agent has. `unavailable_until` is set when it could not be reached."""

    active: int = 0
    unavailable_until: datetime | None = None
    unavailable_reason: str | None = None
    out_of_quota: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One agent or squad; `load` speaks of agents only."""

    stored: Stored
    created_at: datetime
    updated_at: datetime
    created_by: str | None
    load: Load

    @property
    def place(self) -> PageKey:
        """Where it stands in lists."""
        return PageKey(self.stored.key.name, self.stored.id)


def list_members(
    tx: Connection,
    kind: Kind,
    *,
    workspaces: frozenset[str] | None = None,
    name: str | None = None,
    limit: int = 50,
    after: PageKey | None = None,
) -> list[Member]:
    """Agents or squads by name, without archived ones; `after` is where the page before ended."""
    columns = TABLES[kind].c
    query = select(columns.id).where(columns.archived_at.is_(None))
    if workspaces is not None:
        query = query.where(columns.workspace_id.in_(workspaces))
    if name is not None:
        query = query.where(columns.name == name)
    if after is not None:
        query = query.where(tuple_(columns.name, columns.id) > tuple_(after.name, after.id))
    ids = list(tx.execute(query.order_by(columns.name, columns.id).limit(limit)).scalars())
    return _members(tx, kind, ids)


def _members(tx: Connection, kind: Kind, ids: Sequence[str]) -> list[Member]:
    columns = TABLES[kind].c
    stored = {row.id: row for row in list_objects(tx, kind, columns.id.in_(ids))}
    times = (columns.id, columns.created_at, columns.updated_at, columns.created_by)
    rows = {row.id: row for row in tx.execute(select(*times).where(columns.id.in_(ids)))}
    loads = _loads(tx, ids) if kind is Kind.AGENT else {}
    return [
        Member(
            stored=stored[id_],
            created_at=rows[id_].created_at,
            updated_at=rows[id_].updated_at,
            created_by=rows[id_].created_by,
            load=loads.get(id_, Load()),
        )
        for id_ in ids
    ]


def _loads(tx: Connection, ids: Sequence[str]) -> dict[str, Load]:
    """Active runs of each agent, and whether it could be reached."""
    r, a = autopilot_run.c, agent.c
    mine = (ACTIVE, r.workspace_id == a.workspace_id, r.agent == a.name)
    active = select(func.count()).where(*mine).scalar_subquery()
    columns = (a.id, active, a.unavailable_until, a.unavailable_reason, a.out_of_quota)
    rows = tx.execute(select(*columns).where(a.id.in_(ids)))
    return {id_: Load(*load) for id_, *load in rows}
