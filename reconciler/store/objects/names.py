"""The names of agents and squads, for whoever offers them to choose from: no manifests are read."""

from sqlalchemy import Connection, select, union

from reconciler.core.base.identity import Key
from reconciler.core.manifest.model import Kind
from reconciler.store.objects.current import TABLES
from reconciler.store.tables import agent, squad


def member_names(
    tx: Connection, kind: Kind, workspaces: frozenset[str] | None, limit: int
) -> list[tuple[str, str]]:
    """Workspace and name of the agents or squads of some workspaces, None for all, by name."""
    columns = TABLES[kind].c
    query = select(columns.workspace_id, columns.name).where(columns.archived_at.is_(None))
    if workspaces is not None:
        query = query.where(columns.workspace_id.in_(workspaces))
    rows = tx.execute(query.order_by(columns.name, columns.workspace_id).limit(limit))
    return [(workspace, name) for workspace, name in rows]


def workspaces_with(tx: Connection, key: Key, limit: int) -> list[str]:
    """The workspaces with a living object of this kind and name, whatever workspace `key` says."""
    columns = TABLES[Kind(key.kind)].c
    query = select(columns.workspace_id).where(columns.archived_at.is_(None))
    rows = tx.execute(
        query.where(columns.name == key.name).order_by(columns.workspace_id).limit(limit)
    )
    return sorted(rows.scalars())


def workspace_names(tx: Connection, workspaces: frozenset[str] | None, limit: int) -> list[str]:
    """The workspaces that have agents or squads; autopilots are only where these are."""
    each = [select(t.c.workspace_id).where(t.c.archived_at.is_(None)) for t in (agent, squad)]
    if workspaces is not None:
        each = [query.where(query.selected_columns[0].in_(workspaces)) for query in each]
    names = union(*each).subquery()
    return list(tx.execute(select(names).order_by(names.c[0]).limit(limit)).scalars())
