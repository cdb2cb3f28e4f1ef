"""The page of agents and squads: who takes work, who cannot, and what waits for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from reconciler.core.manifest.model import Kind
from reconciler.core.runs.queue import Queue
from reconciler.store.engine.database import Tx
from reconciler.store.objects.members import Member, list_members
from reconciler.store.objects.overview import PageKey
from reconciler.store.runs.backlog import Backlog, read_at_work, read_backlogs
from reconciler.web.http.cursor import decode_cursor, encode_cursor
from reconciler.web.http.operation import Wire
from reconciler.web.http.parameters import Text, read_query
from reconciler.web.pages.pickers import pickers_for
from reconciler.web.pages.serving import Visit

SHOWN = 100
MOST_SQUADS = 200
_NONE = Backlog(0, None)


class MemberQuery(Wire):
    """Which agents."""

    workspace: Text | None = None
    """Only this workspace."""
    cursor: Annotated[str, Field(max_length=600)] | None = None
    """Where the page before ended."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One agent or squad. `state` is `down`, `quota`, `full` or `free`; a squad has none."""

    member: Member
    backlog: Backlog
    state: str
    room: int = 0
    at_work: int = 0

    @property
    def name(self) -> str:
        """Its name."""
        return self.member.stored.key.name

    @property
    def workspace(self) -> str:
        """Its workspace."""
        return self.member.stored.key.workspace


@dataclass(frozen=True, slots=True)
class Roster:
    """What the page shows."""

    agents: list[Seat]
    squads: list[Seat]
    more: str | None


async def members(visit: Visit) -> Response:
    """Agents, those that cannot take work first; then squads."""
    query = read_query(visit.request, MemberQuery, from_form=True)
    now = visit.context.clock.now()
    roster = await visit.context.database.aread(lambda tx: _read(tx, visit, query, now))
    return visit.page("agents.html", pickers=await pickers_for(visit), roster=roster, query=query)


def _read(tx: Tx, visit: Visit, query: MemberQuery, now: datetime) -> Roster:
    workspaces, after = visit.caller.narrowed(query.workspace), None
    if query.cursor:
        name, id_ = decode_cursor(query.cursor, "agents", str, str)
        after = PageKey(str(name), str(id_))
    agents = list_members(tx, Kind.AGENT, workspaces=workspaces, limit=SHOWN + 1, after=after)
    squads = [] if after else list_members(tx, Kind.SQUAD, workspaces=workspaces, limit=MOST_SQUADS)
    backlogs, at_work = read_backlogs(tx, workspaces), read_at_work(tx, workspaces)
    more = encode_cursor("agents", *agents[SHOWN - 1].place) if len(agents) > SHOWN else None
    seats = [_agent(agent, backlogs, at_work, now) for agent in agents[:SHOWN]]
    order = {"down": 0, "quota": 1, "full": 2, "free": 3}
    return Roster(
        sorted(seats, key=lambda seat: order[seat.state]),
        [Seat(squad, backlogs.get(_queue(squad), _NONE), "") for squad in squads],
        more,
    )


def _agent(
    agent: Member,
    backlogs: Mapping[Queue, Backlog],
    at_work: Mapping[tuple[str, str], int],
    now: datetime,
) -> Seat:
    room, load = int(agent.stored.document["spec"]["maxConcurrency"]), agent.load
    is_away = load.unavailable_until is not None and load.unavailable_until > now
    working = at_work.get((agent.stored.key.workspace, agent.stored.key.name), 0)
    if is_away:
        state = "quota" if load.out_of_quota else "down"
    else:
        state = "full" if working >= room else "free"
    return Seat(agent, backlogs.get(_queue(agent), _NONE), state, room, working)


def _queue(member: Member) -> Queue:
    key = member.stored.key
    return Queue(key.workspace, key.kind.lower(), key.name)
