"""The HTTP application: every route in one table, every failure as problem details."""

import re
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from reconciler.core.base.errors import ReconcilerError
from reconciler.web.api import (
    approvals,
    audits,
    autopilots,
    deliveries,
    events,
    hints,
    members,
    metrics,
    notifications,
    plans,
    probes,
    reconcile,
    runs,
    schedules,
    sources,
    webhooks,
    workers,
    writes,
)
from reconciler.web.dashboard import Dashboard
from reconciler.web.http.below import Below, path_of
from reconciler.web.http.compressed import Compressed
from reconciler.web.http.context import Context
from reconciler.web.http.endpoint import AnyOperation, routes
from reconciler.web.http.guard import Guarded, OwnNames
from reconciler.web.http.problems import HttpProblem, problem_of
from reconciler.web.reports import usage
from reconciler.web.streams import output

OPERATIONS: tuple[AnyOperation, ...] = (
    *autopilots.OPERATIONS,
    *writes.OPERATIONS,
    *runs.OPERATIONS,
    *approvals.OPERATIONS,
    *output.OPERATIONS,
    *schedules.OPERATIONS,
    *audits.OPERATIONS,
    *usage.OPERATIONS,
    *deliveries.OPERATIONS,
    *notifications.OPERATIONS,
    *members.OPERATIONS,
    *sources.OPERATIONS,
    *reconcile.OPERATIONS,
    *plans.OPERATIONS,
    *workers.OPERATIONS,
    *hints.OPERATIONS,
    *events.OPERATIONS,
    *probes.OPERATIONS,
)
"""The whole API but webhooks; `/openapi.json` is made from it."""

_OPEN = frozenset({"/healthz", "/readyz"})
_BY_LEASE = re.compile(r"/v1/runs/[0-9A-Fa-f-]{36}/(heartbeat|complete|hint)")
"""These ask for a lease token or the run's own token, whoever the caller is."""
_EXPECTED = (HTTPException, HttpProblem, ReconcilerError)


def create_app(context: Context) -> ASGIApp:
    """The application. It starts nothing by itself: loops belong to whoever made the context."""
    router = webhooks.WebhookRouter(
        _guarded(webhooks.WebhookEndpoint(context), context), api_and_pages(context)
    )
    path = path_of(context.settings.public_url)
    return Below(router, path) if path else router


def _guarded(app: ASGIApp, context: Context) -> ASGIApp:
    for guard in reversed(_guards(context)):
        app = guard.cls(app, *guard.args, **guard.kwargs)
    return app


def _guards(context: Context) -> list[Middleware]:
    """What stands before every address, from the outside in."""
    names = Middleware(OwnNames, context.settings.public_url, is_self_protected)
    return [Middleware(Guarded), *([names] if context.authority is None else [])]


def api_and_pages(context: Context) -> Starlette:
    """Everything but webhooks."""
    app = Starlette(
        routes=[*routes(OPERATIONS, context), metrics.route(context)],
        middleware=[*_guards(context), Middleware(Compressed)],
        exception_handlers=dict.fromkeys(_EXPECTED, _answering(context)),
    )
    # A redirect would repeat a token of the path in `Location`.
    app.router.redirect_slashes = False
    app.router.default = Dashboard(OPERATIONS, context)
    return app


def _answering(context: Context) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        """People who look for a page get one, everything else a document."""
        accepts_pages = "text/html" in request.headers.get("accept", "")
        if accepts_pages and not request.url.path.startswith("/v1/"):
            from reconciler.web.pages.serving import error_page  # as late as any other page

            return await error_page(context, request, problem_of(error))
        return problem_of(error).response()

    return answer


def is_self_protected(path: str) -> bool:
    """Whether this path asks for a credential of its own, whoever the caller is."""
    return (
        path.startswith(webhooks.PREFIX)
        or path in _OPEN
        or path == reconcile.PATH
        or _BY_LEASE.fullmatch(path) is not None
    )
