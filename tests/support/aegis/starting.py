"""The endpoints that make sessions and type into them."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.aegis.bodies import (
    BATCH_FIELDS,
    CREATE_FIELDS,
    LONGEST_TEXT,
    Refusal,
    check_create,
    checked,
    invalid,
    strict,
    units,
)
from tests.support.aegis.script import Json
from tests.support.aegis.session import Session
from tests.support.aegis.typing import FlagError, TooLongError
from tests.support.aegis.world import World

NEVER_READY = 270.0
"""How long a creation with a prompt waits for an agent that does not get ready [source]."""
BETWEEN_BATCHES = 5.0


async def create(world: World, request: Request, key: str) -> Response:
    """201 new, or 200 with an idle session of the folder; a prompt is typed in at once."""
    wanted = await strict(request, CREATE_FIELDS, required=("workDir",))
    check_create(wanted)
    idle = world.idle_in(wanted["workDir"])
    session = idle or world.create(key, wanted)
    body = world.view(session)
    if "prompt" in wanted:
        body["promptDelivery"] = await _prompt(world, session, wanted["prompt"])
    return JSONResponse({**body, "reused": True}, 200) if idle else JSONResponse(body, 201)


async def batch(world: World, request: Request, key: str) -> Response:
    """New sessions, each with its prompt; never somebody's."""
    wanted = await strict(request, {"sessions": list}, required=("sessions",))
    fields = BATCH_FIELDS | {"prompt": str}
    orders = [checked(order, fields, ("workDir",)) for order in wanted["sessions"]]
    for order in orders:
        check_create(order)
    now = world.now()
    if now - world.last_batch.get(key, -BETWEEN_BATCHES) < BETWEEN_BATCHES:
        raise Refusal(429, "RATE_LIMITED", "One batch in 5 seconds")
    world.last_batch[key] = now
    made: list[Json] = []
    for order in orders:
        session = world.create(key, order)
        entry: dict[str, Json] = {"id": session.id, "name": session.name}
        if "prompt" in order:
            entry["promptDelivery"] = await _prompt(world, session, order["prompt"])
        made.append(entry)
    return JSONResponse({"sessions": made, "created": len(made), "failed": 0, "errors": []}, 201)


async def send(world: World, request: Request, session: Session) -> Response:
    """Type a text into a session; that it was `delivered` means little."""
    wanted = await strict(request, {"text": str}, required=("text",))
    if units(wanted["text"]) > LONGEST_TEXT:
        raise invalid(f"text: at most {LONGEST_TEXT} characters")
    if (blocked := world.busy_for(session)) > 0:
        await asyncio.sleep(blocked)
        return JSONResponse({"ok": True, "delivered": False, "attempts": 0})
    _type(world, session, wanted["text"])
    return JSONResponse({"ok": True, "delivered": True, "attempts": 1})


async def _prompt(world: World, session: Session, text: str) -> dict[str, Json]:
    """Wait until the agent is ready, then type."""
    agent, waited, began = session.agent, 0.0, world.started
    while not agent.ready(world.now()):
        if waited >= NEVER_READY:
            return {"delivered": False, "attempts": 0}
        await asyncio.sleep(0.25)
        waited += 0.25
        if world.started != began:
            raise Refusal(500, "DEAD", "a killed server types nothing")
    if world.script.typing_fails:
        raise Refusal(500, "INTERNAL_ERROR", "tmux: cannot type")
    _type(world, session, text)
    return {"delivered": True, "attempts": 1}


def _type(world: World, session: Session, text: str) -> None:
    try:
        world.type(session, text)
    except FlagError:
        raise Refusal(404, "NOT_FOUND", "send-keys: invalid flag") from None
    except TooLongError:
        raise Refusal(500, "INTERNAL_ERROR", "send-keys: command too long") from None
