"""The API of agents and squads."""

from typing import Any, Literal

from reconciler.core.access.roles import Role
from reconciler.core.manifest.fields import Instant
from reconciler.core.manifest.model import AgentSpec, Kind, Metadata, SquadSpec
from reconciler.store.objects.members import Member, list_members
from reconciler.store.objects.overview import PageKey
from reconciler.web.api.runs import PageQuery
from reconciler.web.http.answers import Reply
from reconciler.web.http.cursor import decode_cursor, encode_cursor
from reconciler.web.http.operation import Call, NoBody, Operation, Wire, json_content
from reconciler.web.http.parameters import Text
from reconciler.web.models.autopilot import OriginView
from reconciler.web.models.run import Id


class MemberQuery(PageQuery):
    """Which agents or squads."""

    workspace: Text | None = None
    """Only this workspace."""
    name: Text | None = None
    """Only this name."""


class SquadStatusView(Wire):
    """What the server knows of a squad."""

    created_at: Instant
    """When it was first applied."""
    updated_at: Instant
    """When its manifest last changed."""
    created_by: str | None
    """The commit's author, or who applied it."""


class AgentStatusView(SquadStatusView):
    """What the server knows of an agent."""

    active_runs: int
    """Runs that are in flight on it."""
    unavailable_until: Instant | None
    """Set when it could not be reached: nothing is sent to it until then."""
    unavailable_reason: str | None
    """Why it could not be reached."""


class _MemberView(Wire):
    api_version: Literal["autopilots/v1"]
    """The version of the format."""
    metadata: Metadata
    """Who it is."""
    id: Id
    """UUIDv5 of workspace, kind and first name."""
    origin: OriginView | None
    """Where it is written."""


class AgentView(_MemberView):
    """An agent with its state."""

    kind: Literal["Agent"]
    """This is an agent."""
    spec: AgentSpec
    """How work reaches it."""
    status: AgentStatusView
    """What the server knows of it."""


class SquadView(_MemberView):
    """A squad with its state."""

    kind: Literal["Squad"]
    """This is a squad."""
    spec: SquadSpec
    """Who belongs to it."""
    status: SquadStatusView
    """What the server knows of it."""


class AgentPage(Wire):
    """Agents by name."""

    items: list[AgentView]
    """This page."""
    next_cursor: str | None
    """For the next page; null on the last one."""


class SquadPage(Wire):
    """Squads by name."""

    items: list[SquadView]
    """This page."""
    next_cursor: str | None
    """For the next page; null on the last one."""


async def agents(call: Call[MemberQuery, NoBody]) -> Reply:
    """Agents by name."""
    return await _page(call, Kind.AGENT)


async def squads(call: Call[MemberQuery, NoBody]) -> Reply:
    """Squads by name."""
    return await _page(call, Kind.SQUAD)


async def _page(call: Call[MemberQuery, NoBody], kind: Kind) -> Reply:
    query, after = call.query, None
    if query.cursor:
        name, id_ = decode_cursor(query.cursor, kind.value, str, str)
        after = PageKey(str(name), str(id_))
    rows = await call.context.database.aread(
        lambda tx: list_members(
            tx,
            kind,
            workspaces=call.caller.narrowed(query.workspace),
            name=query.name,
            limit=query.limit + 1,
            after=after,
        )
    )
    page = rows[: query.limit]
    more = len(rows) > query.limit
    cursor = encode_cursor(kind.value, *page[-1].place) if more else None
    return Reply(content={"items": [_document(member) for member in page], "nextCursor": cursor})


def _document(member: Member) -> dict[str, Any]:
    """The manifest goes out as the row means it: one that was edited by hand may load as none."""
    stored, load = member.stored, member.load
    status: dict[str, Any] = {
        "created_at": member.created_at,
        "updated_at": member.updated_at,
        "created_by": member.created_by,
    }
    if stored.key.kind == Kind.AGENT:
        view: SquadStatusView = AgentStatusView(
            **status,
            active_runs=load.active,
            unavailable_until=load.unavailable_until,
            unavailable_reason=load.unavailable_reason,
        )
    else:
        view = SquadStatusView(**status)
    origin = OriginView.of(stored.origin) if stored.origin else None
    return {**stored.document, "id": stored.id, "origin": origin, "status": view}


OPERATIONS = (
    Operation(
        method="GET", path="/v1/agents", handler=agents, role=Role.VIEWER, tag="agents",
        summary="List agents", query=MemberQuery,
        answers={200: json_content(AgentPage, "One page of agents, by name.", "ETag")},
    ),
    Operation(
        method="GET", path="/v1/squads", handler=squads, role=Role.VIEWER, tag="agents",
        summary="List squads", query=MemberQuery,
        answers={200: json_content(SquadPage, "One page of squads, by name.", "ETag")},
    ),
)  # fmt: skip
