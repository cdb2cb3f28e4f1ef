"""The API of runs: list, show, start, cancel."""

import asyncio
import json
from typing import Annotated

from pydantic import Field

from reconciler.control.runs.cancel import cancel
from reconciler.control.runs.launch import Order
from reconciler.control.runs.rerun import rerun
from reconciler.core.access.roles import Caller, Role
from reconciler.core.base.errors import NotFound
from reconciler.core.manifest.fields import Instant
from reconciler.core.runs.run import Reason, Run, Source, Status
from reconciler.store.engine.database import Tx
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.store.runs.runs import get_run
from reconciler.store.runs.switches import read_switches
from reconciler.web.http.answers import Reply
from reconciler.web.http.cursor import decode_cursor, encode_cursor
from reconciler.web.http.operation import Call, NoBody, NoQuery, Operation, Wire, json_content
from reconciler.web.http.parameters import IDEMPOTENCY_KEY, Text, read_idempotency_key
from reconciler.web.models.run import RunOrder, RunPage, RunView

Limit = Annotated[int, Field(ge=1, le=200)]
_BATCH = 10
_LARGEST_PAGE = 8 * 1024 * 1024
"""Bytes of payloads and results from which on a page is full, whatever its `limit`."""


class PageQuery(Wire):
    """Which part of a list."""

    limit: Limit = 50
    """Items on a page."""
    cursor: Annotated[str, Field(min_length=1, max_length=600)] | None = None
    """`nextCursor` of the page before."""


class AutopilotRunQuery(PageQuery):
    """Which runs of one autopilot."""

    status: Status | None = None
    """Only this status."""
    source: Source | None = None
    """Only what was started so."""
    reason: Reason | None = None
    """Only what was skipped or failed for this reason."""
    since: Instant | None = None
    """Triggered at this moment or later."""
    until: Instant | None = None
    """Triggered at this moment or earlier."""


class RunQuery(AutopilotRunQuery):
    """Which runs."""

    workspace: Text | None = None
    """Only this workspace."""


async def list_all(call: Call[RunQuery, NoBody]) -> Reply:
    """Runs of every autopilot that the caller sees."""
    return await _page(call, call.query, None, call.caller.narrowed(call.query.workspace))


async def list_of_autopilot(call: Call[AutopilotRunQuery, NoBody]) -> Reply:
    """Runs of one autopilot."""
    autopilot_id = call.path["id"].lower()
    await call.context.database.aread(lambda tx: require_autopilot(tx, autopilot_id, call.caller))
    return await _page(call, call.query, autopilot_id, call.caller.workspaces)


async def _page(
    call: Call[RunQuery, NoBody] | Call[AutopilotRunQuery, NoBody],
    query: AutopilotRunQuery,
    autopilot_id: str | None,
    workspaces: frozenset[str] | None,
) -> Reply:
    where = RunFilter(
        autopilot_id=autopilot_id,
        workspaces=workspaces,
        status=query.status,
        source=query.source,
        reason=query.reason,
        since=query.since,
        until=query.until,
    )
    before = str(decode_cursor(query.cursor, "runs", str)[0]) if query.cursor else None
    items, more = await call.context.database.aread(
        lambda tx: _bounded(tx, where, query.limit, before)
    )
    cursor = encode_cursor("runs", items[-1].id) if more else None
    return Reply(content=RunPage(items=items, next_cursor=cursor))


def _bounded(
    tx: Tx, where: RunFilter, limit: int, before: str | None
) -> tuple[list[RunView], bool]:
    """A page, and whether more follows. Payloads may be large: a page of such is a short one."""
    items: list[RunView] = []
    size = 0
    while len(items) < limit and size < _LARGEST_PAGE:
        wanted = min(_BATCH, limit - len(items))
        rows = list_runs(tx, where, limit=wanted + 1, before=before)
        for run in rows[:wanted]:
            items.append(RunView.of(run))
            size += _weight(run.payload) + _weight(run.result)
        if len(rows) <= wanted:
            return items, False
        before = items[-1].id
    return items, True


def _weight(value: object) -> int:
    return len(json.dumps(value)) if value is not None else 0


async def show(call: Call[NoQuery, NoBody]) -> Reply:
    """One run, whole."""
    run = await call.context.database.aread(
        lambda tx: require_run(tx, call.path["id"].lower(), call.caller)
    )
    return Reply(content=RunView.of(run))


async def start(call: Call[NoQuery, RunOrder]) -> Reply:
    """Start a run by hand, or by naming an api trigger."""
    autopilot_id, order = call.path["id"].lower(), call.body
    await call.context.database.aread(lambda tx: require_autopilot(tx, autopilot_id, call.caller))
    run = await asyncio.to_thread(
        call.context.launcher.launch,
        Order(
            autopilot_id=autopilot_id,
            trigger=order.trigger,
            payload=order.payload,
            force=order.force,
            actor=call.caller.name,
            idempotency_key=read_idempotency_key(call.request),
        ),
    )
    return Reply(content=RunView.of(run), status=202, headers={"Location": f"/v1/runs/{run.id}"})


async def rerun_run(call: Call[NoQuery, NoBody]) -> Reply:
    """Start a run with the trigger and the payload of another one, under today's manifest."""
    run_id = call.path["id"].lower()
    await call.context.database.aread(lambda tx: require_run(tx, run_id, call.caller))
    key = read_idempotency_key(call.request)
    run = await asyncio.to_thread(rerun, call.context.launcher, run_id, call.caller.name, key)
    return Reply(content=RunView.of(run), status=202, headers={"Location": f"/v1/runs/{run.id}"})


async def cancel_run(call: Call[NoQuery, NoBody]) -> Reply:
    """Ask for the end of a run: a waiting one ends at once, an active one when that is proven."""
    context, run_id = call.context, call.path["id"].lower()

    def write(tx: Tx) -> Run:
        require_run(tx, run_id, call.caller)
        cooldown = context.settings.breaker_cooldown
        return cancel(tx, run_id, call.caller.name, context.database.now(tx), cooldown)

    run = await context.database.awrite(write)
    return Reply(content=RunView.of(run), status=200 if run.ended else 202)


def require_run(tx: Tx, run_id: str, caller: Caller) -> Run:
    """The run, if the caller may know of it. Raises NotFound."""
    run = get_run(tx, run_id)
    if run is None or not caller.sees(run.workspace):
        raise NotFound(f"there is no run {run_id}")
    return run


def require_autopilot(tx: Tx, autopilot_id: str, caller: Caller) -> None:
    """Return if there is this autopilot and the caller may know of it. Raises NotFound."""
    row = read_switches(tx, [autopilot_id]).get(autopilot_id)
    if row is None or not caller.sees(row.workspace):
        raise NotFound(f"there is no autopilot {autopilot_id}")


_PAGE = {200: json_content(RunPage, "One page of runs, newest first.", "ETag")}

OPERATIONS = (
    Operation(
        method="GET", path="/v1/runs", handler=list_all, role=Role.VIEWER, tag="runs",
        summary="List runs", query=RunQuery, answers=_PAGE,
    ),
    Operation(
        method="GET", path="/v1/autopilots/{id}/runs", handler=list_of_autopilot,
        role=Role.VIEWER, tag="runs", summary="List the runs of an autopilot",
        query=AutopilotRunQuery, answers=_PAGE, problems=(404,),
    ),
    Operation(
        method="GET", path="/v1/runs/{id}", handler=show, role=Role.VIEWER, tag="runs",
        summary="Show a run", problems=(404,),
        answers={200: json_content(RunView, "The run.", "ETag")},
    ),
    Operation(
        method="POST", path="/v1/autopilots/{id}/run", handler=start, role=Role.OPERATOR,
        tag="runs", summary="Start a run", body=RunOrder, headers=IDEMPOTENCY_KEY,
        answers={202: json_content(RunView, "The run, as it was admitted.", "Location")},
        problems=(404, 409, 422),
    ),
    Operation(
        method="POST", path="/v1/runs/{id}/rerun", handler=rerun_run, role=Role.OPERATOR,
        tag="runs", summary="Run again", headers=IDEMPOTENCY_KEY,
        answers={202: json_content(RunView, "The new run, as it was admitted.", "Location")},
        problems=(404, 409, 422),
    ),
    Operation(
        method="POST", path="/v1/runs/{id}/cancel", handler=cancel_run, role=Role.OPERATOR,
        tag="runs", summary="Cancel a run", problems=(404, 409),
        answers={
            200: json_content(RunView, "It waited, and has ended."),
            202: json_content(RunView, "It was active, and is asked to stop."),
        },
    ),
)  # fmt: skip
