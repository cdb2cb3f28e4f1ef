"""How a page is served: who visits it, forms that only our own pages can send, errors as HTML."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from reconciler.core.access.roles import LOCAL, Caller, Role
from reconciler.core.base.errors import ReconcilerError
from reconciler.core.webhooks.form import parse_form
from reconciler.web.http.answers import HTML, Reply, respond
from reconciler.web.http.auth import SAFE, session_cookie, session_of
from reconciler.web.http.below import path_of, with_links_below
from reconciler.web.http.context import Context
from reconciler.web.http.endpoint import require_ids
from reconciler.web.http.guard import origin_of
from reconciler.web.http.parameters import read_bytes, require_idempotency_key
from reconciler.web.http.problems import HttpProblem, Problem, problem_of
from reconciler.web.http.session import form_token, is_form_token
from reconciler.web.pages.rendering import render

LARGEST_FORM = 64 * 1024
FORM_FIELD = "form_token"
KEY_FIELD = "idempotency_key"
"""What a form that starts a run carries: another key each time that it is rendered."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a page, or of a form that was sent from it."""

    context: Context
    caller: Caller
    request: Request
    form: Mapping[str, str]
    is_known: bool = True
    """Whether `caller` has a session; else it is somebody, and sees what everybody does."""

    @property
    def path(self) -> Mapping[str, str]:
        """The ids in the address."""
        return self.request.path_params

    @property
    def idempotency_key(self) -> str | None:
        """The key of a form that starts a run. Raises a problem 400 for one that is malformed."""
        key = self.form.get(KEY_FIELD)
        return require_idempotency_key([key]) if key else None

    def page(
        self, template: str, status: int = 200, *, no_store: bool = False, **values: Any
    ) -> Response:
        """A page with what every page has.

        With `no_store` browsers keep no copy: of a page that shows a secret, and of one with the
        key of a run, which on the way back to it would be the key of the run that it has started.
        """
        caller = self.caller if self.is_known else None
        reply = page(self.context, self.request, caller, template, status, **values)
        headers = {"Cache-Control": "no-store"} if no_store else {}
        return respond(self.request, replace(reply, headers=headers))


View = Callable[[Visit], Awaitable[Response]]


def page(
    context: Context,
    request: Request,
    caller: Caller | None,
    template: str,
    status: int = 200,
    **values: Any,
) -> Reply:
    """A rendered page. Nothing of it may be kept by caches that others use."""
    cookie = session_cookie(request, context)
    common = {
        "caller": caller,
        "signed_in": context.authority is not None and caller is not None,
        "now": context.clock.now(),
        "form_token": form_token(context.server_key, cookie),
        "may_operate": caller is not None and caller.may(Role.OPERATOR),
        "may_edit": caller is not None and caller.may(Role.ADMIN),
        "here": request.url.path,
    }
    html = render(template, **(common | values))
    html = with_links_below(html, path_of(context.settings.public_url))
    return Reply(content=html, status=status, media_type=HTML)


def serving(
    view: View,
    context: Context,
    *,
    asks: Role | None = Role.VIEWER,
    session: bool = False,
    largest: int = LARGEST_FORM,
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of a page: for a role, for whoever has a `session`, or for everybody.

    Its form may have `largest` bytes.
    """

    async def endpoint(request: Request) -> Response:
        try:
            return await _answer(view, context, request, asks, session, largest)
        except Exception as error:
            if (problem := problem_of(error)).status == 500:
                raise
            return await error_page(context, request, problem)

    return endpoint


async def _answer(
    view: View,
    context: Context,
    request: Request,
    asks: Role | None,
    session: bool,
    largest: int,
) -> Response:
    """First the form's origin: another site must not even learn of a session. Then the session,
    and only then the form's body."""
    if request.method not in SAFE:
        require_own_page(context, request)
    caller = await session_of(request, context)
    if caller is None and (session or asks is not None):
        return to_login(request)
    if caller is not None and asks is not None and not caller.may(asks):
        raise HttpProblem(403, "forbidden", f"this needs the role {asks}; yours is {caller.role}")
    form: Mapping[str, str] = {}
    if request.method not in SAFE:
        form = parse_form((await read_bytes(request, largest)).decode("utf-8", "replace"))
        _require_form_token(context, request, form)
    require_ids(request.path_params)
    return await view(Visit(context, caller or LOCAL, request, form, caller is not None))


def require_own_page(context: Context, request: Request) -> None:
    """Return for a form of our own pages. Raises a problem 403 for one from anywhere else."""
    own = {f"{scheme}://{request.headers.get('host', '')}".lower() for scheme in ("http", "https")}
    if context.settings.public_url:
        own.add(origin_of(context.settings.public_url))
    origins = request.headers.getlist("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if any(origin.lower() not in own for origin in origins) or site != "same-origin":
        raise HttpProblem(
            403, "origin-refused", "this form was not sent from a page of this server"
        )


def _require_form_token(context: Context, request: Request, form: Mapping[str, str]) -> None:
    cookie = session_cookie(request, context)
    if not is_form_token(context.server_key, cookie, form.get(FORM_FIELD, "")):
        raise HttpProblem(
            403, "form-outdated", "this form is of an earlier session; load its page again"
        )


def to_login(request: Request) -> Response:
    """To the login page, and back here afterwards."""
    url = request.url
    target = f"{url.path}?{url.query}".rstrip("?") if request.method in SAFE else "/"
    return see_other("/login" if target == "/" else f"/login?next={quote(target, safe='/')}")


def see_other(target: str) -> Response:
    """A redirect after a form; only ever to our own addresses."""
    return RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})


async def error_page(context: Context, request: Request, problem: Problem) -> Response:
    """A failure as a page, also where the database is the one that fails."""
    try:
        caller = await session_of(request, context)
    except ReconcilerError:
        caller = None
    reply = page(context, request, caller, "error.html", problem.status, problem=problem)
    response = respond(request, reply)
    response.headers.update(dict(problem.headers))
    return response
