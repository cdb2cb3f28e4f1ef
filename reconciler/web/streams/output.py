"""`GET /v1/runs/{id}/output`: what the agent has written (docs/http.md#output-of-a-run)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any

from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from reconciler.core.access.roles import Role
from reconciler.core.base.errors import ReconcilerError
from reconciler.core.runs.run import Run
from reconciler.dispatch.base import Elsewhere, Written
from reconciler.web.api.runs import require_run
from reconciler.web.http.answers import Reply, encode
from reconciler.web.http.auth import still_holds
from reconciler.web.http.operation import Call, Content, NoBody, Operation, Wire
from reconciler.web.http.problems import HttpProblem

TEXT = "text/plain; charset=utf-8"
EVENTS = "text/event-stream"
POSITION = "Output-Position"
PAUSE = 0.5
"""Seconds between two looks at what is new."""
LONGEST = 3600.0
"""Seconds after which a stream ends. Clients come back by themselves."""
PING = 15


class OutputQuery(Wire):
    """From where on."""

    after: Annotated[str, Field(max_length=100)] | None = None
    """Only what was written after this `Output-Position`."""


async def output(call: Call[OutputQuery, NoBody]) -> Reply | Response:
    """What the agent has written so far, as text; as server-sent events with
    `Accept: text/event-stream`.

    Events are `output` (`text`; `cut`: something before it is not kept; `whole`: this replaces all
    that came before) and, once the run has ended, `end` (`status`). After a break send
    `Last-Event-ID`, as browsers do by themselves.
    """
    run = await _run(call)
    if EVENTS not in call.request.headers.get("accept", ""):
        written = _known(run, await call.context.output(run, call.query.after))
        headers = {POSITION: written.position} if written.position else {}
        return Reply(content=written.text, media_type=TEXT, headers=headers)
    if call.request.method == "HEAD":
        return Response(media_type=EVENTS, headers={"Cache-Control": "no-store"})
    _known(run, await call.context.output(run, None))
    if not call.context.hub.has_room(call.caller):
        raise HttpProblem(
            503, "too-many-streams", "too many streams are open", {"Retry-After": "5"}
        )
    return EventSourceResponse(_stream(call), ping=PING, sep="\n")


async def _run(call: Call[OutputQuery, NoBody]) -> Run:
    run_id = call.path["id"].lower()
    return await call.context.database.aread(lambda tx: require_run(tx, run_id, call.caller))


def _known(run: Run, written: Written | Elsewhere | None) -> Written:
    match written:
        case Written():
            return written
        case Elsewhere(host):
            raise HttpProblem(
                409,
                "output-elsewhere",
                f"this run works on the host {host!r}: its output is there until it ends; ask a "
                "server of that host",
            )
        case None if run.ended:
            detail = f"nothing is kept of what was written in run {run.id}"
        case _:
            detail = f"the runtime of run {run.id} does not tell what is written while it works"
    raise HttpProblem(409, "no-output", detail)


async def _stream(call: Call[OutputQuery, NoBody]) -> AsyncIterator[ServerSentEvent]:
    """1. Is the credential still good? 2. How does the run stand? 3. What is new? The run is read
    before its output, so that nothing written before its end is left out."""
    after = call.request.headers.get("last-event-id") or call.query.after
    if not call.context.hub.has_room(call.caller):
        return  # of many that were let in at once, others were faster
    with ExitStack() as stack:
        stack.enter_context(call.context.hub.seat(call.caller))
        yield ServerSentEvent(comment="output of a run", retry=2000, sep="\n")
        try:
            async with asyncio.timeout(LONGEST):
                while not call.context.hub.closed:
                    if not await still_holds(call.request, call.context, call.caller):
                        return
                    try:
                        run = await _run(call)
                        written = await call.context.output(run, after)
                    except ReconcilerError:  # the run is gone, or the database is away
                        return
                    if isinstance(written, Written) and written.position != (after or ""):
                        after = written.position
                        yield _event("output", _shown(written, whole=run.ended), after)
                    if run.ended:
                        yield _event("end", {"status": run.status}, after)
                        return
                    if isinstance(written, Elsewhere):
                        return
                    await asyncio.sleep(PAUSE)
        except TimeoutError:
            return


def _shown(written: Written, *, whole: bool) -> dict[str, Any]:
    """`whole`: this is all that is kept, in place of what came before."""
    return {"text": written.text, "cut": written.cut, "whole": whole}


def _event(kind: str, data: dict[str, Any], position: str | None) -> ServerSentEvent:
    return ServerSentEvent(encode(data).decode(), event=kind, id=position, sep="\n")


OPERATIONS = (
    Operation(
        method="GET", path="/v1/runs/{id}/output", handler=output, role=Role.OPERATOR, tag="runs",
        summary="Read what the agent has written", query=OutputQuery, problems=(404, 409, 503),
        headers={"Last-Event-ID": "Of a stream: the id of the last event seen."},
        answers={
            200: Content(
                description="Text, at most its last 256 KiB; or a stream that ends with the run.",
                media={"text/plain": str, EVENTS: None},
                headers=("ETag", POSITION),
            )
        },
    ),
)  # fmt: skip
