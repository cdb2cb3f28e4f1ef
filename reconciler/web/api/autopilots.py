"""The API of autopilots: list, show, pause and resume."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from reconciler.control.access.secrets import SecretStore
from reconciler.control.runs import switches
from reconciler.core.access.roles import Caller, Role
from reconciler.core.base.errors import NotFound
from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.runs.condition import Health
from reconciler.core.webhooks.payload import parse_json
from reconciler.manifest.edit.writer import as_yaml
from reconciler.store.engine.database import Tx
from reconciler.store.objects.autopilot_filter import AutopilotFilter
from reconciler.store.objects.overview import Overview, PageKey, get_overview, list_overviews
from reconciler.web.api.runs import PageQuery
from reconciler.web.http.answers import Reply, encode
from reconciler.web.http.cursor import decode_cursor, encode_cursor
from reconciler.web.http.faults import ASSIGNEE
from reconciler.web.http.negotiation import YAML, prefers_yaml
from reconciler.web.http.operation import (
    Call,
    Content,
    NoBody,
    NoQuery,
    Operation,
    Wire,
    json_content,
)
from reconciler.web.http.parameters import Text
from reconciler.web.models.autopilot import (
    AutopilotPage,
    AutopilotView,
    autopilot_document,
    condition_at,
)

_BATCH = 200
_MOST_JUDGED = 2000
"""Autopilots whose health is judged for one page."""


class AutopilotQuery(PageQuery):
    """Which autopilots. Archived ones are listed with `status=archived` only."""

    workspace: Text | None = None
    """Only this workspace."""
    name: Text | None = None
    """Only this name."""
    status: AutopilotStatus | None = None
    """`spec.status`."""
    health: Health | None = None
    """Only this health. A page may be short, even empty, while `nextCursor` goes on."""
    label: Annotated[tuple[Text, ...], Field(max_length=20)] = ()
    """`key=value`, or `key` for any value; each one given must fit."""
    assignee: Annotated[str, Field(pattern=ASSIGNEE)] | None = None
    """`agent:NAME` or `squad:NAME`."""
    trigger: TriggerKind | None = None
    """Those that have a trigger of this kind."""
    q: Text | None = None
    """A part of name, title or description."""


class PauseOrder(Wire):
    """Why an autopilot is paused."""

    reason: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """What people read."""


async def list_all(call: Call[AutopilotQuery, NoBody]) -> Reply:
    """Autopilots by name."""
    context, now = call.context, call.context.clock.now()
    rows, cursor = await context.database.aread(
        lambda tx: find_page(tx, call.query, call.caller, now, context.secret_store)
    )
    items = [autopilot_document(row, context, now) for row in rows]
    return Reply(content={"items": items, "nextCursor": cursor})


def find_page(
    tx: Tx, query: AutopilotQuery, caller: Caller, now: datetime, secrets: SecretStore
) -> tuple[list[Overview], str | None]:
    """A page of autopilots and the cursor of the next one.

    Health is judged one by one. A page of a health that is rare is short, so that nobody waits
    until all autopilots are judged; the cursor says where to go on.
    """
    where, after = autopilot_filter(query, caller, now), _after(query.cursor)
    rows: list[Overview] = []
    judged, size = 0, query.limit + 1
    while len(rows) <= query.limit and judged < _MOST_JUDGED:
        batch = list_overviews(tx, where, limit=size, after=after)
        rows += [row for row in batch if _fits(row, query, now, secrets)]
        if len(batch) < size:
            after = None
            break
        judged, after, size = judged + size, batch[-1].place, _BATCH
    if len(rows) > query.limit:
        rows = rows[: query.limit]
        after = rows[-1].place
    return rows, encode_cursor("autopilots", *after) if after else None


def _after(cursor: str | None) -> PageKey | None:
    if cursor is None:
        return None
    name, id_ = decode_cursor(cursor, "autopilots", str, str)
    return PageKey(str(name), str(id_))


def _fits(row: Overview, query: AutopilotQuery, now: datetime, secrets: SecretStore) -> bool:
    return query.health is None or condition_at(row, now, secrets).health is query.health


def autopilot_filter(query: AutopilotQuery, caller: Caller, now: datetime) -> AutopilotFilter:
    """Which autopilots a query asks for, as far as the caller sees them."""
    return AutopilotFilter(
        workspaces=caller.narrowed(query.workspace),
        name=query.name,
        status=query.status,
        assignee=_assignee(query.assignee) if query.assignee else None,
        text=query.q,
        labels=tuple(_label(label) for label in query.label),
        trigger=query.trigger,
        may_be=(query.health, now) if query.health else None,
    )


def _label(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    return key, value if equals else None


def _assignee(text: str) -> tuple[str, str]:
    kind, _, name = text.partition(":")
    return kind, name


async def show(call: Call[NoQuery, NoBody]) -> Reply:
    """One autopilot, archived ones too."""
    overview = await read_one(call)
    document = autopilot_document(overview, call.context, call.context.clock.now())
    version = overview.stored.digest
    if prefers_yaml(call.request.headers.get("accept")):
        return Reply(
            content=as_yaml(parse_json(encode(document))), media_type=YAML, version=version
        )
    return Reply(content=document, version=version)


async def read_one(call: Call[Any, Any]) -> Overview:
    """The autopilot of the path, if the caller may know of it. Raises NotFound."""
    id_ = call.path["id"].lower()
    return await call.context.database.aread(lambda tx: require_overview(tx, id_, call.caller))


def require_overview(tx: Tx, autopilot_id: str, caller: Caller) -> Overview:
    """The autopilot, if the caller may know of it. Raises NotFound."""
    overview = get_overview(tx, autopilot_id)
    if overview is None or not caller.sees(overview.stored.key.workspace):
        raise NotFound(f"there is no autopilot {autopilot_id}")
    return overview


async def pause(call: Call[NoQuery, PauseOrder]) -> Reply:
    """Stop taking work, until it is resumed; active runs finish."""

    def write(tx: Tx, id_: str, now: datetime) -> None:
        switches.pause(tx, id_, call.caller.name, call.body.reason, now)

    return await _switch(call, write)


async def resume(call: Call[NoQuery, NoBody]) -> Reply:
    """Lift the runtime pause and the breaker; what was due meanwhile never starts."""
    return await _switch(call, switches.resume)


async def _switch(call: Call[Any, Any], write: Callable[[Tx, str, datetime], None]) -> Reply:
    context, id_ = call.context, call.path["id"].lower()

    def carry_out(tx: Tx) -> Overview:
        require_overview(tx, id_, call.caller)
        write(tx, id_, context.database.now(tx))
        return require_overview(tx, id_, call.caller)

    overview = await context.database.awrite(carry_out)
    return Reply(content=autopilot_document(overview, context, context.clock.now()))


_UPDATED = {200: json_content(AutopilotView, "The autopilot as it is now.")}
_BOTH = Content(
    description="The autopilot.",
    media={"application/json": AutopilotView, YAML: AutopilotView},
    headers=("ETag",),
)

OPERATIONS = (
    Operation(
        method="GET", path="/v1/autopilots", handler=list_all, role=Role.VIEWER,
        tag="autopilots", summary="List autopilots", query=AutopilotQuery,
        answers={200: json_content(AutopilotPage, "One page of autopilots, by name.", "ETag")},
    ),
    Operation(
        method="GET", path="/v1/autopilots/{id}", handler=show, role=Role.VIEWER,
        tag="autopilots", summary="Show an autopilot", answers={200: _BOTH}, problems=(404,),
    ),
    Operation(
        method="POST", path="/v1/autopilots/{id}/pause", handler=pause, role=Role.OPERATOR,
        tag="autopilots", summary="Pause an autopilot", body=PauseOrder, answers=_UPDATED,
        problems=(404,),
    ),
    Operation(
        method="POST", path="/v1/autopilots/{id}/resume", handler=resume, role=Role.OPERATOR,
        tag="autopilots", summary="Resume an autopilot", answers=_UPDATED, problems=(404,),
    ),
)  # fmt: skip
