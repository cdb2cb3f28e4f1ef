"""How a test changes what a stand-in process does.

aegis.control(script={"hold": True})                      see `Script`
aegis.control(fault={"endpoint": "send", "status": 429})  see `Fault`, `api.ROUTES`
aegis.control(session="run-1", status="error")            or finish="Done.", die=True
aegis.control(plant=[{"name": "x", "workDir": "/srv/demo", "key": "key-2"}])
aegis.control(crash=True) | aegis.control(reset=True) | aegis.control(forget_calls=True)
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.aegis.script import Fault, Json
from tests.support.aegis.world import World


def control(world: World) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that takes orders and shows the state."""

    async def serve(request: Request) -> Response:
        if request.method == "POST":
            order(world, await request.json())
        return JSONResponse(state(world))

    return serve


def state(world: World) -> dict[str, Json]:
    """Counters, agents and sessions, with what the API does not show."""
    sessions = [
        {
            **world.view(s),
            "key": s.key,
            "extra": s.extra,
            "prompts": [turn.text for turn in s.agent.turns],
        }
        for s in world.sessions.values()
    ]
    agents = [agent.stored() for agent in world.agents]
    return {"calls": world.calls, "made": world.made, "agents": agents, "sessions": sessions}


def order(world: World, wanted: dict[str, Json]) -> None:
    """Do what a test asks."""
    for name, act in _ORDERS.items():
        if wanted.get(name):
            act(world, wanted)


def _set_script(world: World, wanted: dict[str, Json]) -> None:
    for name, value in wanted["script"].items():
        assert hasattr(world.script, name), name
        setattr(world.script, name, value)


def _change_session(world: World, wanted: dict[str, Json]) -> None:
    session = world.find(wanted["session"])
    if "status" in wanted:
        session.override = wanted["status"]
    if "finish" in wanted:
        session.agent.finish(world.now(), wanted["finish"])
    if wanted.get("die"):
        world.remove(session)
    world.note(session.agent)


def _plant(world: World, wanted: dict[str, Json]) -> None:
    """Sessions that have been there for long."""
    for planted in wanted["plant"]:
        session = world.create(planted.pop("key"), planted)
        session.agent.ready_at = session.created_at = world.now() - 60.0


def _drop_streams(world: World, _wanted: dict[str, Json]) -> None:
    world.calls["drop_streams"] += 1


_ORDERS: dict[str, Callable[[World, dict[str, Json]], None]] = {
    "reset": lambda world, _: world.reset(),
    "crash": lambda world, _: world.crash(),
    "terminate": lambda world, _: world.terminate(),
    "forget_calls": lambda world, _: world.calls.clear(),
    "drop_streams": _drop_streams,
    "script": _set_script,
    "fault": lambda world, wanted: world.faults.pending.append(Fault(**wanted["fault"])),
    "plant": _plant,
    "session": _change_session,
}
