"""Requests as strictly as the real schemas take them, and errors in their form."""

import json
import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.aegis.script import Fault, Json

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
BATCH_FIELDS = {name: CREATE_FIELDS[name] for name in ("workDir", "name", "permissionMode")}
MODES = ("default", "bypassPermissions", "plan", "acceptEdits", "dontAsk", "auto")
LONGEST_NAME, LONGEST_PROMPT, LONGEST_TEXT = 200, 100_000, 10_000
ROOT_OF_WORK = "/srv"
"""The folder below which every workDir exists on this server, unless it says `missing`."""


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


def invalid(message: str) -> Refusal:
    """400."""
    return Refusal(400, "VALIDATION_ERROR", message)


def faulty(fault: Fault) -> Response:
    """The answer of a fault."""
    if fault.html:
        return Response("<h1>404 Not Found</h1>", fault.status or 404, media_type="text/html")
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return Refusal(fault.status or 500, fault.code, "As the test asked", **headers).response()


async def strict(
    request: Request, fields: dict[str, type], required: tuple[str, ...] = ()
) -> dict[str, Json]:
    """The body: nothing unknown, nothing of another type."""
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json") and not body:
        raise invalid("Body cannot be empty when content-type is JSON")
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        raise invalid("Body is not JSON") from None
    return checked(value, fields, required)


def checked(
    value: dict[str, Json], fields: dict[str, type], required: tuple[str, ...]
) -> dict[str, Json]:
    """An object with no other fields than these."""
    wrong = [name for name in value if name not in fields]
    wrong += [n for n in value if n in fields and not isinstance(value[n], fields[n])]
    wrong += [name for name in required if name not in value]
    if wrong:
        raise invalid(f"Invalid request body: {', '.join(wrong)}")
    return dict(value)


def check_create(wanted: dict[str, Json]) -> None:
    """What a creation may hold."""
    if not wanted["workDir"].startswith(ROOT_OF_WORK) or "missing" in wanted["workDir"]:
        raise invalid("workDir does not exist")
    if units(wanted.get("name", "")) > LONGEST_NAME:
        raise invalid(f"name: at most {LONGEST_NAME} characters")
    if units(wanted.get("prompt", "")) > LONGEST_PROMPT:
        raise invalid(f"prompt: at most {LONGEST_PROMPT} characters")
    if wanted.get("permissionMode", "default") not in MODES:
        raise invalid("permissionMode: invalid enum value")


def units(text: str) -> int:
    """The length as JavaScript counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def number(request: Request, name: str, least: int, most: int, default: int) -> int:
    """A number of the query."""
    text = request.query_params.get(name, str(default))
    if not text.isdigit() or not least <= int(text) <= most:
        raise invalid(f"{name}: {least}..{most}")
    return int(text)
