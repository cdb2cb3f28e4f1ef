"""Agents and squads as the runner sees them: how work reaches them and how much they take."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, and_, select, update

from reconciler.core.runtime import Runtime
from reconciler.store.tables import agent, squad

_RUNTIME: TypeAdapter[Runtime] = TypeAdapter(Runtime)


@dataclass(frozen=True, slots=True)
class LiveAgent:
    """One agent. `unavailable_until` is set when it could not be reached."""

    workspace: str
    name: str
    max_concurrency: int
    runtime: Runtime
    unavailable_until: datetime | None = None
    unavailable_reason: str | None = None


@dataclass(frozen=True, slots=True)
class LiveSquad:
    """One squad; `turn` is the index of the next member for `round_robin`."""

    workspace: str
    name: str
    members: tuple[str, ...]
    strategy: str
    turn: int


def find_agent(tx: Connection, workspace: str, name: str) -> LiveAgent | None:
    """The agent of this name that is not archived."""
    row = tx.execute(_living(agent, workspace, name)).one_or_none()
    return _agent(row) if row else None


def find_agents(tx: Connection, workspace: str, names: Sequence[str]) -> dict[str, LiveAgent]:
    """Several agents of a workspace, by name."""
    where = and_(
        agent.c.workspace_id == workspace, agent.c.name.in_(names), agent.c.archived_at.is_(None)
    )
    return {row.name: _agent(row) for row in tx.execute(select(agent).where(where))}


def find_squad(tx: Connection, workspace: str, name: str) -> LiveSquad | None:
    """The squad of this name that is not archived."""
    row = tx.execute(_living(squad, workspace, name)).one_or_none()
    if row is None:
        return None
    members, strategy = tuple(row.spec["members"]), row.spec["strategy"]
    return LiveSquad(row.workspace_id, row.name, members, strategy, row.turn)


def _living(table: Any, workspace: str, name: str) -> Any:
    columns = table.c
    where = and_(
        columns.workspace_id == workspace, columns.name == name, columns.archived_at.is_(None)
    )
    return select(table).where(where)


def _agent(row: Row[Any]) -> LiveAgent:
    return LiveAgent(
        row.workspace_id,
        row.name,
        row.max_concurrency,
        _RUNTIME.validate_python(row.spec["runtime"]),
        row.unavailable_until,
        row.unavailable_reason,
    )


def mark_unavailable(
    tx: Connection, workspace: str, name: str, until: datetime | None, reason: str | None
) -> None:
    """Note that an agent cannot be reached until then, or (None) that it can."""
    where = and_(agent.c.workspace_id == workspace, agent.c.name == name)
    values = {"unavailable_until": until, "unavailable_reason": reason}
    tx.execute(update(agent).where(where, agent.c.archived_at.is_(None)).values(values))


def save_turn(tx: Connection, workspace: str, name: str, turn: int) -> None:
    """Note whose turn is next in a squad."""
    where = and_(squad.c.workspace_id == workspace, squad.c.name == name)
    tx.execute(update(squad).where(where, squad.c.archived_at.is_(None)).values(turn=turn))
