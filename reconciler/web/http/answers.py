"""Responses: a value becomes bytes with an ETag, or a 304 (docs/http.md#conventions)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

JSON = "application/json"
HTML = "text/html; charset=utf-8"
_REVALIDATE = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, Cookie"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The result of a handler. `version` is the digest that `If-Match` is compared with."""

    content: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON
    version: str | None = None

    def body(self) -> bytes:
        """The bytes: models and plain values as JSON, text and bytes as they are."""
        match self.content:
            case bytes():
                return self.content
            case str() if self.media_type != JSON:
                return self.content.encode()
            case _:
                return encode(self.content)


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8; a model is written by its camelCase names."""
    return _ENCODER.encode(value).encode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"{type(value).__name__} is no JSON")


_ENCODER = json.JSONEncoder(
    default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")
)


def respond(request: Request, reply: Reply) -> Response:
    """The response; a GET that the client already has is answered 304."""
    body = reply.body()
    headers = dict(reply.headers)
    if request.method in ("GET", "HEAD") and reply.status == 200:
        tag = etag(body, reply.version)
        headers = {**_REVALIDATE, "ETag": tag, **headers}
        if matches(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=headers)
    else:
        headers = {"Cache-Control": "no-store", **headers}
    return Response(body, reply.status, headers, reply.media_type)


def etag(body: bytes, version: str | None = None) -> str:
    """A strong tag. The part before the dot is the object's version: it alone stays the same
    while only runtime values change, and it alone is compared by `If-Match`."""
    digest = hashlib.sha256(body).hexdigest()[:32]
    return f'"{version[:32]}.{digest}"' if version else f'"{digest}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the header names this tag; weak and strong count alike (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    named = [part.strip().removeprefix("W/") for part in if_none_match.split(",")]
    return "*" in named or tag in named
