"""An operation: one method of one path, declared once for routing, checking and description."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from reconciler.core.access.roles import Caller, Role
from reconciler.core.manifest.fields import Model
from reconciler.web.http.answers import Reply
from reconciler.web.http.context import Context


class Wire(Model):
    """A value on the wire: camelCase outside, snake_case inside, unknown names refused.

    Not strict, since the values of a query are texts.
    """

    model_config = ConfigDict(strict=False)


class NoQuery(Wire):
    """Takes no parameters."""


class NoBody(Wire):
    """Takes no body, or an empty object."""


NUMBER = "number"
"""The parameter of a path that names a row by its number, as `{number}`."""

Q = TypeVar("Q", bound=Wire)
B = TypeVar("B", bound=Wire)


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request that was let in and understood."""

    context: Context
    caller: Caller
    query: Q
    body: B
    path: Mapping[str, str]
    request: Request


Authenticate = Callable[[Request, Context], Awaitable[Caller]]
"""Who calls, from the head of a request. Raises a problem 401 or 403, or NotFound."""
Handler = Callable[[Call[Q, B]], Awaitable[Reply | Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One kind of answer: its model (or none) by media type, and what it means."""

    description: str
    media: Mapping[str, Any] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


def json_content(model: Any, description: str, *headers: str) -> Content:
    """An answer in JSON."""
    return Content(description=description, media={"application/json": model}, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Q, B]):
    """`role` is what the endpoint asks for; None lets everybody in.

    `authenticate` is for endpoints that take other credentials than API tokens. It must decide by
    the head of the request alone: no body is read before its sender is known.
    `problems` are the statuses of problem answers beside those that every operation has.
    """

    method: str
    path: str
    handler: Handler[Q, B]
    role: Role | None
    summary: str
    tag: str
    answers: Mapping[int, Content]
    problems: tuple[int, ...] = ()
    query: type[Q] = NoQuery  # type: ignore[assignment]
    body: type[B] = NoBody  # type: ignore[assignment]
    headers: Mapping[str, str] = field(default_factory=dict)
    authenticate: Authenticate | None = None
    reads_body: bool = True
    """False where the body means nothing, or `authenticate` reads it."""
    body_limit: int = 2 * 1024 * 1024
