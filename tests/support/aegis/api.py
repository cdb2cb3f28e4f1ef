"""The routes of the stand-in: whose session it is, which fault a call meets, what it answers."""

import asyncio
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.aegis import following, starting
from tests.support.aegis.bodies import Refusal, faulty, invalid, strict
from tests.support.aegis.session import Session
from tests.support.aegis.world import World

SSE_TOKEN_SECONDS = 60
Handler = Callable[["Api", Request, str], Awaitable[Response]]


class Api:
    """The endpoints. Every one but health and events needs a key."""

    def __init__(self, world: World, keys: tuple[str, ...]) -> None:
        self.world = world
        self.keys = keys

    async def create(self, request: Request, key: str) -> Response:
        """See `starting`."""
        return await starting.create(self.world, request, key)

    async def batch(self, request: Request, key: str) -> Response:
        """See `starting`."""
        return await starting.batch(self.world, request, key)

    async def send(self, request: Request, key: str) -> Response:
        """See `starting`."""
        return await starting.send(self.world, request, self._own(request, key))

    async def list(self, request: Request, key: str) -> Response:
        """See `following`, like the next ones."""
        return following.listed(self.world, request, key)

    async def get(self, request: Request, key: str) -> Response:
        """One session."""
        return JSONResponse(self.world.view(self._own(request, key)))

    async def session_health(self, request: Request, key: str) -> Response:
        """The status of the moment."""
        return following.health(self.world, self._own(request, key))

    async def transcript(self, request: Request, key: str) -> Response:
        """What was said."""
        return following.transcript(self.world, request, self._own(request, key))

    async def read(self, request: Request, key: str) -> Response:
        """The same, consumed."""
        return following.read(self.world, self._own(request, key))

    async def pane(self, request: Request, key: str) -> Response:
        """The terminal."""
        return following.pane(self.world, self._own(request, key))

    async def metrics(self, request: Request, key: str) -> Response:
        """The cost."""
        return following.metrics(self.world, self._own(request, key))

    async def approve(self, request: Request, key: str) -> Response:
        """With nothing pending: a prompt `y`."""
        await strict(request, {})
        self.world.type(self._own(request, key), "y")
        return JSONResponse({"ok": True})

    async def interrupt(self, request: Request, key: str) -> Response:
        """What Escape does; Claude lives on."""
        await strict(request, {})
        session = self._own(request, key)
        session.agent.interrupt(self.world.now())
        self.world.note(session.agent)
        return JSONResponse({"ok": True})

    async def kill(self, request: Request, key: str) -> Response:
        """The end of a session."""
        await strict(request, {})
        self.world.remove(self._own(request, key))
        return JSONResponse({"ok": True})

    async def sse_token(self, request: Request, key: str) -> Response:
        """A token for one stream of events."""
        await strict(request, {})
        token = secrets.token_urlsafe(24)
        self.world.sse_tokens[token] = (key, time.monotonic() + SSE_TOKEN_SECONDS)
        return JSONResponse({"token": token, "expiresIn": SSE_TOKEN_SECONDS}, 201)

    async def health(self, _request: Request, _key: str) -> Response:
        """How long this server has run, for who has a key."""
        uptime = self.world.now() - self.world.started
        claude = {"available": self.world.script.installed, "version": "2.1.197"}
        body = {"status": "ok", "version": "0.6.6-preview.1", "uptime": uptime, "claude": claude}
        return JSONResponse(body)

    def _own(self, request: Request, key: str) -> Session:
        session_id = request.path_params["id"]
        try:
            uuid.UUID(session_id)
        except ValueError:
            raise invalid("Invalid session ID") from None
        session = self.world.sessions.get(session_id)
        if session is None:
            raise Refusal(404, "NOT_FOUND", "Session not found")
        if session.key != key:
            raise Refusal(403, "FORBIDDEN", "Forbidden: session belongs to another key")
        return session


ROUTES: dict[tuple[str, str], tuple[str, Handler]] = {
    ("POST", "/v1/sessions"): ("create", Api.create),
    ("POST", "/v1/sessions/batch"): ("batch", Api.batch),
    ("GET", "/v1/sessions"): ("list", Api.list),
    ("GET", "/v1/sessions/{id}"): ("get", Api.get),
    ("GET", "/v1/sessions/{id}/health"): ("ready", Api.session_health),
    ("GET", "/v1/sessions/{id}/transcript"): ("transcript", Api.transcript),
    ("GET", "/v1/sessions/{id}/read"): ("read", Api.read),
    ("GET", "/v1/sessions/{id}/pane"): ("pane", Api.pane),
    ("GET", "/v1/sessions/{id}/metrics"): ("metrics", Api.metrics),
    ("POST", "/v1/sessions/{id}/send"): ("send", Api.send),
    ("POST", "/v1/sessions/{id}/approve"): ("approve", Api.approve),
    ("POST", "/v1/sessions/{id}/interrupt"): ("interrupt", Api.interrupt),
    ("DELETE", "/v1/sessions/{id}"): ("delete", Api.kill),
    ("POST", "/v1/auth/sse-token"): ("sse-token", Api.sse_token),
    ("GET", "/v1/health"): ("health", Api.health),
}


def routes(world: World, keys: tuple[str, ...]) -> list[Route]:
    """The routes of the API."""
    api = Api(world, keys)
    return [
        Route(path, _endpoint(api, name, handler), methods=[method])
        for (method, path), (name, handler) in ROUTES.items()
    ]


def _endpoint(api: Api, name: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        api.world.calls[name] += 1
        try:
            key = _key(api, request)
            fault = api.world.faults.take(name)
            if fault is not None and (fault.status or fault.html):
                return faulty(fault)
            response = await handler(api, request, key)
            await asyncio.sleep(fault.lag if fault else 0)
        except Refusal as refusal:
            return refusal.response()
        return response

    return serve


def _key(api: Api, request: Request) -> str:
    word, _, token = request.headers.get("authorization", "").partition(" ")
    if word != "Bearer" or token not in api.keys:
        raise Refusal(401, "UNAUTHORIZED", "Unauthorized — Bearer token required")
    if api.world.over_limit(token):
        raise Refusal(429, "RATE_LIMITED", "Rate limit exceeded")
    return token
