"""The event stream of the stand-in Aegis server: single-use tokens, frames, replay."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tests.support.aegis_api import Refusal, faulty
from tests.support.aegis_world import Json, World


def events(world: World) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that streams to whoever brings a token."""

    async def serve(request: Request) -> Response:
        world.calls["events"] += 1
        if (fault := world.fault("events")) is not None:
            return faulty(fault)
        token = request.query_params.get("token", "")
        key, until = world.sse_tokens.pop(token, ("", 0.0))
        if not key or time.monotonic() > until:
            return Refusal(401, "UNAUTHORIZED", "Invalid or expired SSE token").response()
        seen = request.headers.get("last-event-id", "")
        after = int(seen) if seen.isdigit() else world.last_event
        return StreamingResponse(_stream(world, key, after), media_type="text/event-stream")

    return serve


async def _stream(world: World, key: str, after: int) -> AsyncIterator[str]:
    queue: asyncio.Queue[dict[str, Json] | None] = asyncio.Queue()
    for event in world.events:
        if event["id"] > after:
            queue.put_nowait(event)
    world.subscribers.add(queue)
    try:
        yield ": connected\n\n"
        while (event_now := await queue.get()) is not None:
            session = world.sessions.get(event_now["sessionId"])
            if session is None or session.key == key:
                yield f"id: {event_now['id']}\ndata: {json.dumps(event_now)}\n\n"
    finally:
        world.subscribers.discard(queue)
