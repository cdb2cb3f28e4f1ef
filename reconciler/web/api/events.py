"""`GET /v1/events`: server-sent events of runs, autopilots and revisions (docs/http.md#events)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from reconciler.core.access.roles import Caller, Role
from reconciler.core.runs.run import Run
from reconciler.store.feed import AutopilotMark
from reconciler.web.http.answers import encode
from reconciler.web.http.auth import still_holds
from reconciler.web.http.operation import Call, Content, NoBody, NoQuery, Operation, Wire
from reconciler.web.http.problems import HttpProblem
from reconciler.web.hub import Happened, Reset, Subject
from reconciler.web.models.revision import RevisionView
from reconciler.web.models.run import Id, RunView

LONGEST = 3600.0
"""Seconds after which a stream ends. Clients come back by themselves."""
CHECKED = 1.0
"""Seconds for which a credential that was checked is believed, unless one was taken away."""
PING = 15


class AutopilotChange(Wire):
    """An autopilot that is not what it was: ask for it again."""

    id: Id
    """The autopilot."""
    workspace: str
    """Its workspace."""
    name: str
    """Its name."""
    archived: bool
    """Whether it left its source."""


async def events(call: Call[NoQuery, NoBody]) -> Response:
    """Follow changes as they happen: `run`, `autopilot` and `revision`, each with the object.
    Of a run `payload` and `result` are left out: ask for the run.

    After a break send `Last-Event-ID`, as browsers do by themselves: what was missed comes first.
    `reset` says that events were missed for good, so read everything again.
    """
    if call.request.method == "HEAD":
        return Response(media_type="text/event-stream", headers={"Cache-Control": "no-store"})
    hub = call.context.hub
    if not hub.has_room(call.caller):
        raise HttpProblem(
            503, "too-many-streams", "too many streams are open", {"Retry-After": "5"}
        )
    last_id = call.request.headers.get("last-event-id") or None
    return EventSourceResponse(_stream(call, last_id), ping=PING, sep="\n")


async def _stream(
    call: Call[NoQuery, NoBody], last_id: str | None
) -> AsyncIterator[ServerSentEvent]:
    hub, caller = call.context.hub, call.caller
    clock, checked = call.context.clock, (hub.rechecks, call.context.clock.monotonic())

    async def holds() -> bool:
        nonlocal checked
        number, at = checked
        if number == hub.rechecks and clock.monotonic() - at < CHECKED:
            return True
        checked = (hub.rechecks, clock.monotonic())
        return await still_holds(call.request, call.context, caller)

    # First: who was greeted relies on being told whatever happens from then on.
    position = await hub.join(last_id)
    yield ServerSentEvent(comment="events of runs, autopilots and revisions", retry=2000, sep="\n")
    try:
        async with asyncio.timeout(LONGEST):
            async for event in hub.listen(caller, position, holds):
                yield _message(event, f"{hub.epoch}-{event.name}", caller)
    except TimeoutError:
        return


def _message(event: Happened | Reset, id_: str, caller: Caller) -> ServerSentEvent:
    kind, data = ("reset", {}) if isinstance(event, Reset) else _shown(event.subject, caller)
    return ServerSentEvent(encode(data).decode(), event=kind, id=id_, sep="\n")


def _shown(subject: Subject, caller: Caller) -> tuple[Literal["run", "autopilot", "revision"], Any]:
    match subject:
        case Run():
            return "run", RunView.of(subject)
        case AutopilotMark():
            return "autopilot", AutopilotChange(
                id=subject.id,
                workspace=subject.workspace,
                name=subject.name,
                archived=subject.archived,
            )
        case _:
            return "revision", RevisionView.of(subject, caller)


OPERATIONS = (
    Operation(
        method="GET", path="/v1/events", handler=events, role=Role.VIEWER, tag="operation",
        summary="Follow changes", headers={"Last-Event-ID": "The id of the last event seen."},
        answers={
            200: Content(
                description="A stream that does not end by itself.",
                media={"text/event-stream": None},
            )
        },
    ),
)  # fmt: skip
