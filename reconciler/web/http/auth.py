"""Authentication and authorization of API requests (docs/http.md#who-may)."""

from starlette.requests import Request

from reconciler.core.access.roles import Caller, Role
from reconciler.core.base.errors import ReconcilerError
from reconciler.store.sessions import is_ended
from reconciler.web.http.context import Context
from reconciler.web.http.guard import LOOPBACK_NAMES, host_name
from reconciler.web.http.problems import HttpProblem
from reconciler.web.http.session import cookies_of, session_id, unseal

SAFE = frozenset({"GET", "HEAD"})
_MAX_CREDENTIAL = 16 * 1024
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="reconciler"'}


async def caller_of(request: Request, context: Context) -> Caller | None:
    """The caller of an API request; None where no credential was sent.

    A session of the dashboard counts for reading only: everything else needs a bearer token, which
    no other site can make a browser send. Raises a problem 401 for an invalid credential.
    """
    if context.authority is None:
        return context.anybody
    credential = bearer(request)
    if credential is not None:
        return _known(await context.authority.identify(credential))
    return await session_of(request, context) if request.method in SAFE else None


async def session_of(request: Request, context: Context) -> Caller | None:
    """The caller of a page: whose session the cookie is; None where it was ended."""
    if context.authority is None:
        return context.anybody
    cookie = session_cookie(request, context)
    key = unseal(context.server_key, cookie, context.clock.now()) if cookie else None
    caller = context.authority.resume(key) if key else None
    if caller is None or cookie is None:
        return None
    id_ = session_id(cookie)
    return None if await context.database.aread(lambda tx: is_ended(tx, id_)) else caller


def session_cookie(request: Request, context: Context) -> str | None:
    """The cookie of the dashboard's session, if the browser sent one: of several, ours."""
    header, secure = request.headers.get("cookie"), is_secure(request, context)
    key, now = context.server_key, context.clock.now()
    cookies = cookies_of(header, secure=secure)
    ours = (cookie for cookie in cookies if unseal(key, cookie, now) is not None)
    return next(ours, next(iter(cookies), None))


def is_secure(request: Request, context: Context) -> bool:
    """Whether the browser came over TLS; a proxy in front is known by public_url."""
    public = context.settings.public_url or ""
    return request.url.scheme == "https" or public.startswith("https://")


async def still_holds(request: Request, context: Context, caller: Caller) -> bool:
    """Whether the credential of a request that is still being answered opens the same as before.

    A database that cannot be asked says nothing about it.
    """
    try:
        return await caller_of(request, context) == caller
    except HttpProblem:
        return False
    except ReconcilerError:
        return True


def is_public(request: Request, context: Context) -> bool:
    """Whether this came under the name of `public_url` while there are no API tokens."""
    name = host_name(request.headers.get("host", ""))
    return context.authority is None and name not in LOOPBACK_NAMES


def bearer(request: Request) -> str | None:
    """The token in `Authorization`, if there is such a header. Raises a problem 401."""
    values = request.headers.getlist("authorization")
    if not values:
        return None
    scheme, _, credential = values[0].partition(" ")
    credential = credential.strip()
    if len(values) > 1 or scheme.lower() != "bearer" or not credential:
        raise _unauthenticated("send one header 'Authorization: Bearer TOKEN'")
    if len(credential) > _MAX_CREDENTIAL:
        raise _unauthenticated("this token is too long")
    return credential


def admit(caller: Caller | None, asked: Role) -> Caller:
    """The caller, if the operation is open to them; else raise a problem 401 or 403."""
    if caller is None:
        raise _unauthenticated("this needs a token: send 'Authorization: Bearer TOKEN'")
    if not caller.may(asked):
        raise HttpProblem(
            403, "forbidden", f"this needs the role {asked}; the token's role is {caller.role}"
        )
    return caller


def _known(caller: Caller | None) -> Caller:
    if caller is None:
        raise _unauthenticated("the token is unknown, was revoked or has expired")
    return caller


def _unauthenticated(detail: str) -> HttpProblem:
    return HttpProblem(401, "unauthenticated", detail, _CHALLENGE)
