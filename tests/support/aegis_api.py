"""The endpoints of the stand-in Aegis server: strict requests, its errors, its surprises."""

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.aegis_world import Fault, Json, Session, World

CREATE_FIELDS = {
    "workDir": str,
    "name": str,
    "prompt": str,
    "env": dict,
    "permissionMode": str,
    "autoApprove": bool,
    "parentId": str,
    "model": str,
    "stallThresholdMs": int,
}
MODES = ("default", "bypassPermissions", "plan", "acceptEdits", "dontAsk", "auto")
LONGEST_NAME, LONGEST_PROMPT, LONGEST_TEXT = 200, 100_000, 10_000
ROOT_OF_WORK = "/srv"
"""The folder below which every workDir exists on this server, unless it says `missing`."""
SSE_TOKEN_SECONDS = 60


Handler = Callable[["Api", Request, str], Awaitable[Response]]


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        self.status, self.code, self.message, self.headers = status, code, message, headers

    def response(self) -> Response:
        """The body that every error has."""
        body = {
            "code": self.code,
            "message": self.message,
            "requestId": uuid.uuid4().hex,
            "error": self.message,
        }
        return JSONResponse(body, self.status, headers=self.headers)


class Api:
    """The endpoints. Every one but health and events needs a key."""

    def __init__(self, world: World, keys: tuple[str, ...]) -> None:
        self.world = world
        self.keys = keys

    async def create(self, request: Request, key: str) -> Response:
        """201 new, or 200 with an idle session of the folder, whoever owns it."""
        wanted = await _strict(request, CREATE_FIELDS, required=("workDir",))
        _check_create(wanted)
        if (idle := self.world.idle_in(wanted["workDir"])) is not None:
            return JSONResponse({**idle.view(), "reused": True}, 200)
        session = self.world.create(key, wanted)
        body = session.view()
        if "prompt" in wanted:
            body["promptDelivery"] = {"delivered": True, "attempts": 1}
            await asyncio.sleep(self.world.script.create_block)
        return JSONResponse(body, 201)

    async def list(self, request: Request, key: str) -> Response:
        """One page of the key's sessions."""
        page = _number(request, "page", 1, 10**6, 1)
        limit = _number(request, "limit", 1, 100, 20)
        status = request.query_params.get("status")
        own = [s.view() for s in self.world.sessions.values() if s.key == key]
        own = [view for view in own if status in (None, view["status"])]
        paging = {
            "page": page,
            "limit": limit,
            "total": len(own),
            "totalPages": -(-len(own) // limit),
        }
        shown = own[(page - 1) * limit : page * limit]
        return JSONResponse({"sessions": shown, "pagination": paging})

    async def get(self, request: Request, key: str) -> Response:
        """One session."""
        return JSONResponse(self._own(request, key).view())

    async def read(self, request: Request, key: str) -> Response:
        """The transcript."""
        session = self._own(request, key)
        return JSONResponse({"messages": session.messages, "status": session.status})

    async def send(self, request: Request, key: str) -> Response:
        """Type a text into a session."""
        wanted = await _strict(request, {"text": str}, required=("text",))
        if _units(wanted["text"]) > LONGEST_TEXT:
            raise Refusal(400, "VALIDATION_ERROR", f"text: at most {LONGEST_TEXT} characters")
        delivered = self.world.deliver(self._own(request, key), wanted["text"])
        return JSONResponse({"ok": True, "delivered": delivered, "attempts": 1})

    async def interrupt(self, request: Request, key: str) -> Response:
        """What Ctrl-C does."""
        await _strict(request, {})
        self.world.override(self._own(request, key), "idle", "interrupted")
        return JSONResponse({"ok": True})

    async def kill(self, request: Request, key: str) -> Response:
        """The end of a session."""
        await _strict(request, {})
        self.world.remove(self._own(request, key), "session_ended")
        return JSONResponse({"ok": True})

    async def sse_token(self, request: Request, key: str) -> Response:
        """A token for one look at the events."""
        await _strict(request, {})
        token = secrets.token_urlsafe(24)
        self.world.sse_tokens[token] = (key, time.monotonic() + SSE_TOKEN_SECONDS)
        return JSONResponse({"token": token, "expiresIn": SSE_TOKEN_SECONDS}, 201)

    def _own(self, request: Request, key: str) -> Session:
        given = request.path_params["id"]
        try:
            uuid.UUID(given)
        except ValueError:
            raise Refusal(400, "VALIDATION_ERROR", "Invalid session ID") from None
        session = self.world.sessions.get(given)
        if session is None:
            raise Refusal(404, "NOT_FOUND", "Session not found")
        if session.key != key:
            raise Refusal(403, "FORBIDDEN", "Forbidden: session belongs to another key")
        return session


ROUTES: dict[tuple[str, str], tuple[str, Handler]] = {
    ("POST", "/v1/sessions"): ("create", Api.create),
    ("GET", "/v1/sessions"): ("list", Api.list),
    ("GET", "/v1/sessions/{id}"): ("get", Api.get),
    ("GET", "/v1/sessions/{id}/read"): ("read", Api.read),
    ("POST", "/v1/sessions/{id}/send"): ("send", Api.send),
    ("POST", "/v1/sessions/{id}/interrupt"): ("interrupt", Api.interrupt),
    ("DELETE", "/v1/sessions/{id}"): ("delete", Api.kill),
    ("POST", "/v1/auth/sse-token"): ("sse-token", Api.sse_token),
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
            fault = api.world.fault(name)
            if fault is not None and (fault.status or fault.html):
                return faulty(fault)
            response = await handler(api, request, _key(api, request))
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
        wait = api.world.script.retry_after
        headers = {} if wait is None else {"Retry-After": str(wait)}
        raise Refusal(429, "RATE_LIMITED", "Rate limit exceeded", **headers)
    return token


def faulty(fault: Fault) -> Response:
    """The answer of a fault."""
    if fault.html:
        return Response("<h1>404 Not Found</h1>", fault.status or 404, media_type="text/html")
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return Refusal(fault.status or 500, fault.code, "As the test asked", **headers).response()


async def _strict(
    request: Request, fields: dict[str, type], required: tuple[str, ...] = ()
) -> dict[str, Json]:
    """The body as the real schemas take it: nothing unknown, nothing of another type."""
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json") and not body:
        raise Refusal(400, "VALIDATION_ERROR", "Body cannot be empty when content-type is JSON")
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        raise Refusal(400, "VALIDATION_ERROR", "Body is not JSON") from None
    wrong = [name for name in value if name not in fields]
    wrong += [n for n in value if n in fields and not isinstance(value[n], fields[n])]
    wrong += [name for name in required if name not in value]
    if wrong:
        raise Refusal(400, "VALIDATION_ERROR", f"Invalid request body: {', '.join(wrong)}")
    return dict(value)


def _check_create(wanted: dict[str, Json]) -> None:
    if not wanted["workDir"].startswith(ROOT_OF_WORK) or "missing" in wanted["workDir"]:
        raise Refusal(400, "VALIDATION_ERROR", "workDir does not exist")
    if _units(wanted.get("name", "")) > LONGEST_NAME:
        raise Refusal(400, "VALIDATION_ERROR", f"name: at most {LONGEST_NAME} characters")
    if _units(wanted.get("prompt", "")) > LONGEST_PROMPT:
        raise Refusal(400, "VALIDATION_ERROR", f"prompt: at most {LONGEST_PROMPT} characters")
    if wanted.get("permissionMode", "default") not in MODES:
        raise Refusal(400, "VALIDATION_ERROR", "permissionMode: invalid enum value")


def _units(text: str) -> int:
    """The length as JavaScript counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _number(request: Request, name: str, least: int, most: int, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdigit() or not least <= int(text) <= most:
        raise Refusal(400, "VALIDATION_ERROR", f"{name}: {least}..{most}")
    return int(text)
