"""The door for webhooks: the raw request goes to the intake, its answer goes back (contract 8.3).

Everything below `/v1/webhooks/` comes here, whatever its method and however malformed its token, so
that the answer to a guess is always the same.
"""

import contextlib
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reconciler.control.inbound import InboundRequest
from reconciler.web.answers import JSON, encode
from reconciler.web.context import Context
from reconciler.web.problems import MEDIA_TYPE, phrase

PREFIX = "/v1/webhooks/"
CLIENT_GONE = 499
"""Counted for a sender that went away before the answer; never sent."""


def route(context: Context) -> Route:
    """The route; a class and not a function, so that every method comes through."""
    return Route(f"{PREFIX}{{token:path}}", _Door(context), name="webhooks")


class _Door:
    def __init__(self, context: Context) -> None:
        self.context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics, status = self.context.metrics, 500
        with metrics.webhook.time():
            try:
                response = await answer(Request(scope, receive), self.context)
                status = response.status_code
            except ClientDisconnect:
                status = CLIENT_GONE
                return  # nobody is left to answer
            finally:
                metrics.webhook_requests.labels(str(status)).inc()
        await response(scope, receive, send)


async def answer(request: Request, context: Context) -> Response:
    """Hand one request over."""
    inbound = InboundRequest(
        method=request.method,
        token=request.path_params["token"],
        headers=tuple(request.headers.raw),
        body=_body(request),
        remote=request.client.host if request.client else "",
    )
    found = await context.intake.receive(inbound)
    body = dict(found.body)
    if found.status >= 400:
        body.setdefault("title", phrase(found.status))
    media_type = MEDIA_TYPE if found.status >= 400 else JSON
    headers = {"Cache-Control": "no-store", **found.headers}
    return Response(encode(body), found.status, headers, media_type)


async def _body(request: Request) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(request.stream()) as stream:
        async for chunk in stream:
            if chunk:
                yield chunk
