"""The webhook endpoint: the raw request goes to the intake, its answer goes back.

Everything below `/v1/webhooks/` comes here, whatever its method and however malformed its token, so
that the answer to a guess is always the same.
"""

from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.control.webhooks.inbound import InboundRequest
from reconciler.core.access.client_address import client_address
from reconciler.core.base.errors import ReconcilerError
from reconciler.web.http.answers import JSON, encode
from reconciler.web.http.context import Context
from reconciler.web.http.problems import MEDIA_TYPE, phrase, problem_of

PREFIX = "/v1/webhooks/"
CLIENT_GONE = 499
"""Counted for a sender that went away before the answer; never sent."""


class WebhookRouter:
    """Webhooks go to `endpoint`, all else to `app`: the busiest address passes by every router."""

    def __init__(self, endpoint: ASGIApp, app: ASGIApp) -> None:
        self.endpoint = endpoint
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_webhook = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (self.endpoint if is_webhook else self.app)(scope, receive, send)


class WebhookEndpoint:
    """Everything below the prefix, whatever its method."""

    def __init__(self, context: Context) -> None:
        self.context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics, status = self.context.metrics, 500
        with metrics.webhook.time():
            try:
                response = await answer(scope, receive, self.context)
                status = response.status_code
            except ClientDisconnect:
                status = CLIENT_GONE
                return  # nobody is left to answer
            except ReconcilerError as error:  # the database: the sender should keep trying
                response = problem_of(error).response()
                status = response.status_code
            finally:
                metrics.webhook_requests.labels(str(status)).inc()
        await response(scope, receive, send)


async def answer(scope: Scope, receive: Receive, context: Context) -> Response:
    """Hand one request over."""
    inbound = InboundRequest(
        method=scope["method"],
        token=scope["path"].removeprefix(PREFIX),
        headers=scope["headers"],
        body=_body(receive),
        client=client_of(scope, context),
        query=scope.get("query_string", b"").decode("latin-1"),
    )
    result = await context.intake.receive(inbound)
    if result.status == 202:
        context.notify()  # its agent is not to wait for the next poll
    if result.text is not None:
        # A stranger's own text goes back: as plain text that no browser takes for anything else.
        safe = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response(result.text, result.status, safe, "text/plain")
    body = dict(result.body)
    if result.status >= 400:
        body.setdefault("title", phrase(result.status))
    media_type = MEDIA_TYPE if result.status >= 400 else JSON
    headers = {"Cache-Control": "no-store", **result.headers}
    return Response(encode(body), result.status, headers, media_type)


def client_of(scope: Scope, context: Context) -> str:
    """Who is slowed down for bad credentials: the client's address, whatever proxies it passed."""
    peer = scope.get("client")
    forwarded = [
        value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"
    ]
    return client_address(peer[0] if peer else "", forwarded, context.proxies)


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if chunk := message.get("body", b""):
            yield chunk
        more = message.get("more_body", False)
