"""The endpoints that show sessions: status, words, pane, cost."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.aegis.bodies import number
from tests.support.aegis.script import Json
from tests.support.aegis.session import Session
from tests.support.aegis.world import World

COST = {"inputTokens": 1200, "outputTokens": 340, "estimatedCostUsd": 0.0123}


def listed(world: World, request: Request, key: str) -> Response:
    """One page of the key's sessions."""
    page = number(request, "page", 1, 10**6, 1)
    limit = number(request, "limit", 1, 100, 20)
    status = request.query_params.get("status")
    own = [world.view(s) for s in world.sessions.values() if s.key == key]
    own = [view for view in own if status in (None, view["status"])]
    paging = {"page": page, "limit": limit, "total": len(own), "totalPages": -(-len(own) // limit)}
    shown = own[(page - 1) * limit : page * limit]
    return JSONResponse({"sessions": shown, "pagination": paging})


def health(world: World, session: Session) -> Response:
    """What the pane says at this moment."""
    now, agent = world.now(), session.agent
    status = session.health(now, world.script)
    running = agent.installed and agent.alive(now)
    return JSONResponse({"alive": True, "claudeRunning": running, "status": status})


def transcript(world: World, request: Request, session: Session) -> Response:
    """A page of what was said; two entries of a turn may be swapped."""
    page, limit = number(request, "page", 1, 10**6, 1), number(request, "limit", 1, 200, 50)
    entries = world.shown(session).entries(world.now())
    shown = entries[(page - 1) * limit : page * limit]
    more = page * limit < len(entries)
    return JSONResponse({"messages": shown, "total": len(entries), "hasMore": more})


def read(world: World, session: Session) -> Response:
    """What was said since the last call; the status is overwritten by what the pane says."""
    entries = world.shown(session).entries(world.now())
    fresh, session.read = entries[session.read :], len(entries)
    session.read_at = world.now()
    return JSONResponse({"messages": fresh, "status": world.status(session)})


def pane(world: World, session: Session) -> Response:
    """The terminal."""
    return JSONResponse({"pane": session.agent.pane(world.now())})


def metrics(world: World, session: Session) -> Response:
    """The cost, long after the turn."""
    body: dict[str, Json] = {"toolCalls": len(session.agent.turns)}
    late = world.now() - world.script.metrics_late
    if any(turn.ends <= late for turn in session.agent.turns):
        body["tokenUsage"] = COST
    return JSONResponse(body)
