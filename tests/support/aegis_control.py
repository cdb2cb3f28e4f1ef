"""How a test changes what the stand-in Aegis server does."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.aegis_world import Fault, Json, World


def control(world: World) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that takes orders and shows the state."""

    async def serve(request: Request) -> Response:
        if request.method == "POST":
            _do(world, await request.json())
        sessions = [
            {**s.view(), "key": s.key, "prompts": s.prompts, "extra": s.extra}
            for s in world.sessions.values()
        ]
        state = {"calls": world.calls, "made": world.made, "worked": world.worked}
        return JSONResponse({**state, "sessions": sessions})

    return serve


def _do(world: World, order: dict[str, Json]) -> None:
    for name, act in _ORDERS.items():
        if order.get(name):
            act(world, order)


def _set_script(world: World, order: dict[str, Json]) -> None:
    for name, value in order["script"].items():
        assert hasattr(world.script, name), name
        setattr(world.script, name, value)


def _change_session(world: World, order: dict[str, Json]) -> None:
    session = world.find(order["session"])
    if "status" in order:
        world.override(session, order["status"], order.get("detail", ""))
    if "finish" in order:
        world.finish(session, order["finish"])
    if order.get("die"):
        world.remove(session, "session_dead")


def _plant(world: World, order: dict[str, Json]) -> None:
    for planted in order["plant"]:
        key, status = planted.pop("key"), planted.pop("status", "idle")
        session = world.create(key, planted)
        world.override(session, status, "planted")


def _drop_streams(world: World, _order: dict[str, Json]) -> None:
    for queue in world.subscribers:
        queue.put_nowait(None)


_ORDERS: dict[str, Callable[[World, dict[str, Json]], None]] = {
    "reset": lambda world, _: world.reset(),
    "restart": lambda world, _: world.forget_sessions(),
    "forget_calls": lambda world, _: world.calls.clear(),
    "drop_streams": _drop_streams,
    "script": _set_script,
    "fault": lambda world, order: world.faults.append(Fault(**order["fault"])),
    "plant": _plant,
    "session": _change_session,
}
