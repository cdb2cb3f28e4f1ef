"""Agents and squads as the runner sees them: how work reaches them and how much they take."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, Select, Text, and_, bindparam, cast, select, update

from reconciler.core.base.typed import Types, mistyped, types_of
from reconciler.core.manifest.model import SquadSpec
from reconciler.core.manifest.runtime import Runtime
from reconciler.store.engine.batches import IDS
from reconciler.store.engine.json_text import read_json
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
    out_of_quota: bool = False


_AGENT = types_of(LiveAgent)


@dataclass(frozen=True, slots=True)
class LiveSquad:
    """One squad; `turn` is the index of the next member for `round_robin`."""

    workspace: str
    name: str
    members: tuple[str, ...]
    strategy: str
    turn: int


_LIVE: Select[Any] = select(
    agent.c.workspace_id,
    agent.c.name,
    agent.c.max_concurrency,
    cast(agent.c.spec, Text).label("spec"),
    agent.c.unavailable_until,
    agent.c.unavailable_reason,
    agent.c.out_of_quota,
).where(agent.c.archived_at.is_(None))
_NAMED = _LIVE.where(agent.c.workspace_id == bindparam("in_workspace"), agent.c.name.in_(IDS))


def find_agent(tx: Connection, workspace: str, name: str) -> LiveAgent | None:
    """The agent of this name that is not archived; None also for a row that cannot be read."""
    return find_agents(tx, workspace, [name]).get(name)


def find_agents(tx: Connection, workspace: str, names: Sequence[str]) -> dict[str, LiveAgent]:
    """Several agents of a workspace, by name.

    A row that somebody made unreadable by hand is left out, as if it did not exist: it drifts, and
    the next apply puts it back.
    """
    agents: dict[str, LiveAgent] = {}
    for row in tx.execute(_NAMED, {"in_workspace": workspace, "ids": list(names)}):
        with suppress(LookupError, TypeError, ValueError):
            agents[row.name] = _agent(row)
    return agents


def list_agents(tx: Connection) -> list[LiveAgent]:
    """All agents that are not archived, by workspace and name, without unreadable rows."""
    query = _LIVE.order_by(agent.c.workspace_id, agent.c.name)
    agents: list[LiveAgent] = []
    for row in tx.execute(query).all():
        with suppress(LookupError, TypeError, ValueError):
            agents.append(_agent(row))
    return agents


def agent_caps(
    tx: Connection, names: Sequence[str], workspaces: frozenset[str] | None
) -> dict[tuple[str, str], int]:
    """The `maxConcurrency` of the agents of these names, by (workspace, name)."""
    a = agent.c
    query = select(a.workspace_id, a.name, a.max_concurrency)
    query = query.where(a.name.in_(names), a.archived_at.is_(None))
    if workspaces is not None:
        query = query.where(a.workspace_id.in_(workspaces))
    return {
        (workspace, name): cap for workspace, name, cap in tx.execute(query) if type(cap) is int
    }


def find_squad(tx: Connection, workspace: str, name: str) -> LiveSquad | None:
    """The squad of this name that is not archived; None also for a row that cannot be read."""
    columns = squad.c
    where = and_(
        columns.workspace_id == workspace, columns.name == name, columns.archived_at.is_(None)
    )
    row = tx.execute(select(squad).where(where)).one_or_none()
    try:
        spec = SquadSpec.model_validate(row.spec) if row else None
    except ValueError:
        return None
    if row is None or spec is None or type(row.turn) is not int:
        return None
    return LiveSquad(row.workspace_id, row.name, spec.members, spec.strategy, row.turn)


@lru_cache(maxsize=1024)
def _runtime(spec: str) -> Runtime:
    """Kept by text, and never changed: each run of an agent asks for the same."""
    return _RUNTIME.validate_python(read_json(spec)["runtime"])


def _agent(row: Row[Any]) -> LiveAgent:
    """Raises where somebody edited the row by hand into what no agent can be."""
    _require_types(row, _AGENT)
    return LiveAgent(
        row.workspace_id,
        row.name,
        row.max_concurrency,
        _runtime(row.spec),
        row.unavailable_until,
        row.unavailable_reason,
        bool(row.out_of_quota),
    )


def _require_types(row: Row[Any], types: Types) -> None:
    if (column := mistyped(row._asdict().items(), types)) is not None:
        raise TypeError(f"{column} holds what it cannot hold")


def mark_unavailable(
    tx: Connection,
    workspace: str,
    name: str,
    until: datetime | None,
    reason: str | None,
    *,
    out_of_quota: bool = False,
) -> None:
    """Note that an agent cannot be reached until then, or (None) that it can."""
    where = and_(agent.c.workspace_id == workspace, agent.c.name == name)
    values = {
        "unavailable_until": until,
        "unavailable_reason": reason,
        "out_of_quota": out_of_quota,
    }
    tx.execute(update(agent).where(where, agent.c.archived_at.is_(None)).values(values))


def save_turn(tx: Connection, workspace: str, name: str, turn: int) -> None:
    """Note whose turn is next in a squad."""
    where = and_(squad.c.workspace_id == workspace, squad.c.name == name)
    tx.execute(update(squad).where(where, squad.c.archived_at.is_(None)).values(turn=turn))
