"""The event stream: single-use tokens, and a message for each hook of an agent."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tests.support.aegis.bodies import Refusal, faulty
from tests.support.aegis.script import Json
from tests.support.aegis.world import World

BETWEEN = 0.02


def events(world: World) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that streams to whoever brings a token."""

    async def serve(request: Request) -> Response:
        world.calls["events"] += 1
        if (fault := world.faults.take("events")) is not None:
            return faulty(fault)
        key, until = world.sse_tokens.pop(request.query_params.get("token", ""), ("", 0.0))
        if not key or time.monotonic() > until:
            return Refusal(401, "UNAUTHORIZED", "Invalid or expired SSE token").response()
        seen = request.headers.get("last-event-id", "")
        after = int(seen) / 1000 if seen.isdigit() else world.now()
        return StreamingResponse(_stream(world, key, after), media_type="text/event-stream")

    return serve


async def _stream(world: World, key: str, after: float) -> AsyncIterator[str]:
    """The hooks later than `after`, as they happen; until the server is another one."""
    yield ": connected\n\n"
    began, dropped = world.started, world.calls["drop_streams"]
    while (world.started, world.calls["drop_streams"]) == (began, dropped):
        now = world.now()
        for session in [*world.sessions.values()]:
            if session.key == key:
                for at, hook in session.agent.hooks(now):
                    if at > after:
                        yield _frame(session.id, at, hook)
        after = now
        await asyncio.sleep(BETWEEN)


def _frame(session_id: str, at: float, hook: str) -> str:
    body: dict[str, Json] = {
        "event": "session_message",
        "sessionId": session_id,
        "timestamp": at,
        "data": {"hookEvent": hook},
        "id": int(at * 1000),
    }
    return f"id: {body['id']}\ndata: {json.dumps(body)}\n\n"
