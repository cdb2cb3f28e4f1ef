"""The addresses of the dashboard."""

from starlette.requests import Request
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from reconciler.core.access.roles import Role
from reconciler.web.http.context import Context
from reconciler.web.pages import (
    deliveries,
    login,
    members,
    notifications,
    run,
    run_lists,
    settings,
    sources,
    usage,
)
from reconciler.web.pages.autopilots import detail
from reconciler.web.pages.autopilots.listing import list_page
from reconciler.web.pages.badge import badge_route
from reconciler.web.pages.editor import edit
from reconciler.web.pages.lanes import page as lanes
from reconciler.web.pages.rendering import STATIC
from reconciler.web.pages.serving import View, serving

_PAGES: tuple[tuple[str, View], ...] = (
    ("/autopilots/{id}", detail.show),
    ("/autopilots/{id}/timeline", lanes.one_lane),
    ("/runs", run_lists.runs),
    ("/runs/{id}", run.show),
    ("/timeline", lanes.all_lanes),
    ("/deliveries", deliveries.listed),
    ("/deliveries/{id}", deliveries.show),
    ("/notifications", notifications.listed),
    ("/agents", members.members),
    ("/revision", sources.revision),
    ("/usage", usage.usage),
)
_EDITORS: tuple[tuple[str, View], ...] = (
    ("/autopilots/new", edit.new),
    ("/autopilots/{id}/edit", edit.edit),
)
"""Pages and forms at once."""
_CHANGES: tuple[tuple[str, View], ...] = (
    ("/autopilots/{id}/triggers/{trigger_id}", edit.change_trigger),
)
"""Forms that change a manifest."""
_FORMS: tuple[tuple[str, View], ...] = (
    ("/autopilots/{id}/run", detail.run),
    ("/autopilots/{id}/pause", detail.pause),
    ("/autopilots/{id}/resume", detail.resume),
    ("/runs/{id}/cancel", run.stop),
    ("/runs/{id}/approve", run.approve),
    ("/runs/{id}/reject", run.reject),
    ("/runs/{id}/rerun", run.again),
    ("/deliveries/{id}/replay", deliveries.repeat),
    ("/notifications/{id}/resend", notifications.send_again),
    ("/sources/poll", sources.poll),
)


def page_routes(context: Context) -> list[Route | Mount]:
    """Pages, forms, the login and static files."""
    routes: list[Route | Mount] = [
        Route(
            path,
            serving(view, context, asks=Role.ADMIN, largest=edit.LARGEST),
            methods=["GET", "POST"],
        )
        for path, view in _EDITORS
    ]
    clock = context.clock
    pages = (("/", list_page(clock)), ("/sources", sources.sources_page(clock)), *_PAGES)
    for_operators = (("/settings", settings.settings_page(clock)),)
    routes += [Route(path, serving(view, context), methods=["GET"]) for path, view in pages]
    routes += [
        Route(path, serving(view, context, asks=Role.OPERATOR), methods=[method])
        for method, paths in (("GET", for_operators), ("POST", _FORMS))
        for path, view in paths
    ]
    routes += [
        Route(path, serving(view, context, asks=Role.ADMIN), methods=["POST"])
        for path, view in _CHANGES
    ]
    routes += [_login(context), _logout(context), badge_route(context)]
    return [*routes, Mount("/static", StaticFiles(directory=STATIC))]


def _login(context: Context) -> Route:
    shown = serving(login.form, context, asks=None)
    sent = serving(login.sign_in, context, asks=None)

    async def endpoint(request: Request) -> object:
        return await (sent if request.method == "POST" else shown)(request)

    return Route("/login", endpoint, methods=["GET", "POST"])


def _logout(context: Context) -> Route:
    view = serving(login.sign_out, context, asks=None, session=True)
    return Route("/logout", view, methods=["POST"])
