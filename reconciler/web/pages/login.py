"""Signing in with a token, and out again (docs/dashboard.md#signing-in)."""

from typing import TypedDict

from starlette.responses import Response

from reconciler.store.sessions import end_session
from reconciler.web.http.auth import is_secure, session_cookie
from reconciler.web.http.below import path_of
from reconciler.web.http.session import (
    LIFETIME,
    clear_cookie,
    seal,
    session_id,
    set_cookie,
)
from reconciler.web.pages.serving import Visit, see_other

_WRONG = "This token is unknown, was revoked or has expired."


async def form(visit: Visit) -> Response:
    """The page with the form."""
    if visit.context.authority is None:
        return see_other("/")
    target = safe_target(visit.request.query_params.get("next", ""))
    return visit.page("login.html", target=target, wrong=None)


async def sign_in(visit: Visit) -> Response:
    """Take a token, and give a session for it."""
    context, target = visit.context, safe_target(visit.form.get("next", ""))
    if context.authority is None:
        return see_other("/")
    key = context.authority.session_key_of(visit.form.get("token", "").strip())
    if key is None:
        return visit.page("login.html", 401, target=target, wrong=_WRONG)
    response = see_other(target)
    cookie = seal(context.server_key, key, context.clock.now())
    response.headers.append("set-cookie", set_cookie(cookie, **_where(visit)))
    return response


async def sign_out(visit: Visit) -> Response:
    """End the session here and everywhere, and the streams that were opened with it."""
    context, cookie = visit.context, session_cookie(visit.request, visit.context)
    if visit.is_known and cookie is not None and context.authority is not None:
        id_, now = session_id(cookie), context.clock.now()
        await context.database.awrite(lambda tx: end_session(tx, id_, now + LIFETIME, now))
        context.hub.recheck()
    response = see_other("/login")
    response.headers.append("set-cookie", clear_cookie(**_where(visit)))
    return response


def safe_target(target: str) -> str:
    """Where to go after signing in: an address of this server, whatever a link said."""
    plain = target.isascii() and target.isprintable() and "\\" not in target
    return target if plain and target.startswith("/") and not target.startswith("//") else "/"


class _Where(TypedDict):
    secure: bool
    path: str


def _where(visit: Visit) -> _Where:
    """Of what a cookie is."""
    secure = is_secure(visit.request, visit.context)
    return {"secure": secure, "path": path_of(visit.context.settings.public_url)}
