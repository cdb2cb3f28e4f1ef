"""Problem details (RFC 9457): every error has a stable `code` and a sentence (docs/errors.md)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from reconciler.core.base.errors import (
    Conflict,
    Forbidden,
    InvalidManifests,
    Locked,
    NotFound,
    ReconcilerError,
    Refused,
    StalePlan,
    Unavailable,
    UsageError,
)
from reconciler.core.webhooks.errors import BodyError

MEDIA_TYPE = "application/problem+json"


class HttpProblem(Exception):
    """An answer other than success that the web layer itself decides on."""

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] = {}, **more: Any
    ) -> None:
        self.problem = Problem(status, code, detail, headers=headers, more=more)
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem document; `more` holds its extension members."""

    status: int
    code: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The phrase of the status, the same for every problem of this status."""
        return phrase(self.status)

    def document(self) -> dict[str, Any]:
        """The members of RFC 9457, then ours."""
        return {
            "type": f"urn:reconciler:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.more,
        }

    def response(self) -> Response:
        """The answer."""
        headers = {"Cache-Control": "no-store", **self.headers}
        return JSONResponse(self.document(), self.status, headers, media_type=MEDIA_TYPE)


def phrase(status: int) -> str:
    """The reason phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


_STATUSES: dict[type[ReconcilerError], int] = {
    InvalidManifests: 422,
    Refused: 409,
    StalePlan: 409,
    Locked: 503,
    UsageError: 400,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Unavailable: 503,
    ReconcilerError: 500,
}
_BY_CODE = {"idempotency-key-reused": 422}
"""The same as for webhooks (docs/webhooks.md#answers)."""
_RETRY_AFTER: dict[type[ReconcilerError], str] = {Locked: "1", Unavailable: "5"}
_HTTP_CODES = {
    404: ("not-found", "there is nothing at this address; /openapi.json lists what there is"),
    405: ("method-not-allowed", "this address does not take this method; see Allow"),
    413: ("body-too-large", "the body is too large"),
}
UNEXPECTED = Problem(
    500, "internal", "something unexpected happened; the server's log has the details"
)


def problem_of(error: Exception) -> Problem:
    """The problem that an expected failure is answered with."""
    match error:
        case HttpProblem():
            return error.problem
        case HTTPException():
            return _of_http(error)
        case BodyError():
            return Problem(error.status, error.reason, str(error))
        case ReconcilerError():
            return _of_domain(error)
        case _:
            return UNEXPECTED


def _of_http(error: HTTPException) -> Problem:
    code, detail = _HTTP_CODES.get(error.status_code, ("http-error", error.detail))
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
    return Problem(error.status_code, code, detail, headers)


def _of_domain(error: ReconcilerError) -> Problem:
    kind = next(kind for kind in type(error).__mro__ if kind in _STATUSES)
    wait = next((_RETRY_AFTER[kind] for kind in type(error).__mro__ if kind in _RETRY_AFTER), None)
    headers = {"Retry-After": wait} if wait else {}
    code = error.reason if isinstance(error, Conflict) else error.code
    status = _BY_CODE.get(code, _STATUSES[kind])
    return Problem(status, code, str(error), headers, _details(error))


def _details(error: ReconcilerError) -> dict[str, Any]:
    match error:
        case InvalidManifests():
            return {
                "problems": [asdict(problem) for problem in error.problems],
                "warnings": [asdict(warning) for warning in error.warnings],
                "revision": error.revision.id if error.revision else None,
            }
        case Refused():
            return {"objections": [asdict(objection) for objection in error.objections]}
        case _:
            return {}
