"""The dashboard and the reference, made when the first of their addresses is asked for.

Pages bring along templates, Markdown and everything that is only shown. A server that nobody looks
at, which is most of them most of the time, never holds it in memory.
"""

import asyncio
from collections.abc import Sequence

from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from reconciler.web.http.context import Context
from reconciler.web.http.endpoint import AnyOperation

_API = "/v1/"


class Dashboard:
    """Everything that no route of the API matches. `operations` are those of the reference."""

    def __init__(self, operations: Sequence[AnyOperation], context: Context) -> None:
        self._operations = operations
        self._context = context
        self._router: Router | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a page; 404 where there is no such page."""
        if scope["path"].startswith(_API):  # an address that was misspelled is no visit
            await Router().not_found(scope, receive, send)
            return
        if self._router is None:
            # In a thread: it takes long enough to keep senders of webhooks waiting.
            self._router = await asyncio.to_thread(self._made)
        await self._router(scope, receive, send)

    def _made(self) -> Router:
        from reconciler.web.pages import page_routes
        from reconciler.web.pages.reference import reference_routes

        routes = [
            *reference_routes(self._operations, self._context),
            *page_routes(self._context),
        ]
        return Router(routes=routes, redirect_slashes=False)
