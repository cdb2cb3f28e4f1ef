"""The HTTP application: every route in one table, every failure as problem details (contract 8)."""

import re

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from reconciler.core.errors import ReconcilerError
from reconciler.web import (
    autopilots,
    deliveries,
    events,
    hooks,
    members,
    probes,
    runs,
    schedules,
    sources,
    workers,
    writes,
)
from reconciler.web.context import Context
from reconciler.web.endpoint import AnyOperation, routes
from reconciler.web.guard import Guarded, OwnNames
from reconciler.web.pages import page_routes
from reconciler.web.problems import HttpProblem, answer_problem
from reconciler.web.reference import reference_routes

OPERATIONS: tuple[AnyOperation, ...] = (
    *autopilots.OPERATIONS,
    *writes.OPERATIONS,
    *runs.OPERATIONS,
    *schedules.OPERATIONS,
    *deliveries.OPERATIONS,
    *members.OPERATIONS,
    *sources.OPERATIONS,
    *workers.OPERATIONS,
    *events.OPERATIONS,
    *probes.OPERATIONS,
)
"""The whole API but webhooks; `/openapi.json` is made from it."""

_OPEN = frozenset({"/healthz", "/readyz"})
_BY_LEASE = re.compile(r"/v1/runs/[0-9A-Fa-f-]{36}/(heartbeat|complete)")
"""These ask for a lease token or the run's own token, whoever the caller is."""
_EXPECTED = (HTTPException, HttpProblem, ReconcilerError)


def create_app(context: Context) -> Starlette:
    """The application. It starts nothing by itself: loops belong to whoever made the context."""
    middleware = [Middleware(Guarded)]
    if context.authority is None:
        middleware.append(Middleware(OwnNames, context.settings.public_url, is_self_protected))
    app = Starlette(
        routes=[
            *routes(OPERATIONS, context),
            *reference_routes(OPERATIONS, context),
            hooks.route(context),
            *page_routes(context),
        ],
        middleware=middleware,
        exception_handlers=dict.fromkeys(
            (HTTPException, HttpProblem, ReconcilerError), answer_problem
        ),
    )
    # A redirect would repeat a token of the path in `Location`.
    app.router.redirect_slashes = False
    return app


def is_self_protected(path: str) -> bool:
    """Whether this path asks for a credential of its own, whoever the caller is."""
    return path.startswith(hooks.PREFIX) or path in _OPEN or _BY_LEASE.fullmatch(path) is not None
