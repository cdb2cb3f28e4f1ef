"""`/badge/WORKSPACE/NAME.svg`: the health of an autopilot as a picture for a README.

Nobody is asked who they are: the setting `badges` says whether there are any. A name that does not
exist is answered like one that was never tried, so that a picture tells nothing but a health.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.core.base.identity import Key
from reconciler.core.manifest.model import Kind
from reconciler.store.engine.database import Tx
from reconciler.store.objects.current import find
from reconciler.store.objects.overview import get_overview
from reconciler.web.http.answers import Reply, respond
from reconciler.web.http.context import Context
from reconciler.web.http.problems import HttpProblem
from reconciler.web.models.autopilot import condition_at
from reconciler.web.pages.rendering import environment

UNKNOWN = "unknown"
_COLOURS = {
    "healthy": "#16693a",
    "degraded": "#875500",
    "late": "#875500",
    "failing": "#b3261e",
    "paused": "#5b6472",
}
_HEADERS = {
    "Cache-Control": "public, max-age=60",
    "Vary": "Accept-Encoding",
    "Cross-Origin-Resource-Policy": "cross-origin",  # it is meant for pages of others
}
_LETTER = 6.6
"""Pixels of a letter, on the average, at 11 pixels."""
_LONGEST = 63


def badge_route(context: Context) -> Route:
    """The address of all badges."""

    async def endpoint(request: Request) -> Response:
        if not context.settings.badges:
            raise HttpProblem(404, "not-found", "there is nothing at this address")
        workspace, name = request.path_params["workspace"], request.path_params["name"]
        word = await context.database.aread(lambda tx: _health(tx, context, workspace, name))
        svg = environment().get_template("badge.svg").render(badge(word))
        return respond(request, Reply(content=svg, media_type="image/svg+xml", headers=_HEADERS))

    return Route("/badge/{workspace}/{name}.svg", endpoint, methods=["GET"])


def badge(word: str) -> dict[str, object]:
    """What the picture is made of."""
    label = "autopilot"
    left, right = round(len(label) * _LETTER + 12), round(len(word) * _LETTER + 12)
    colour = _COLOURS.get(word, "#5b6472")
    return {"label": label, "word": word, "left": left, "right": right, "colour": colour}


def _health(tx: Tx, context: Context, workspace: str, name: str) -> str:
    """The word; a malformed name is one that does not exist, before the database sees it."""
    if not all(_is_name(text) for text in (workspace, name)):
        return UNKNOWN
    stored = find(tx, Key(Kind.AUTOPILOT, workspace, name))
    overview = get_overview(tx, stored.id) if stored and not stored.archived else None
    if overview is None:
        return UNKNOWN
    return str(condition_at(overview, context.clock.now(), context.secret_store).health)


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST and text.isascii() and text.replace("-", "").isalnum()
