"""`POST /v1/reconcile`: read the followed sources now, because somebody says that they changed.

A hint says "poll", never "what": nothing in its body is believed or even read, so that a lost, a
doubled and a repeated one are harmless (docs/gitops.md#push-webhooks).
"""

from typing import Literal

import structlog
from starlette.requests import Request

from reconciler.core.access.roles import Caller, Role
from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.webhooks.forge import is_genuine, is_signed
from reconciler.web.api.sources import SourceQuery
from reconciler.web.api.webhooks import client_of
from reconciler.web.http.answers import Reply
from reconciler.web.http.auth import admit, caller_of, is_public
from reconciler.web.http.context import Context
from reconciler.web.http.operation import Call, NoBody, Operation, Wire, json_content
from reconciler.web.http.parameters import read_bytes
from reconciler.web.http.problems import HttpProblem
from reconciler.web.models.source import knows_source

log = structlog.get_logger(__name__)

PATH = "/v1/reconcile"
FORGE = "forge"
"""Who asks, where a signature says so."""
LARGEST = 5 * 1024 * 1024
"""Bytes of a push webhook; a larger one is refused, and the poll finds what it was about."""


class Hinted(Wire):
    """The sources will be read."""

    status: Literal["accepted"] = "accepted"
    """Always `accepted`: what comes of it shows in `/v1/status`."""


async def reconcile(call: Call[SourceQuery, NoBody]) -> Reply:
    """Read the followed sources now; many calls at once are one fetch. Takes an operator's token,
    or a push webhook of GitHub, GitLab or Gitea that is signed with `reconcile_secret`."""
    context, name = call.context, call.query.source
    if not context.followed():
        raise Conflict("this server follows no source", reason="nothing-followed")
    if name and not await context.database.aread(lambda tx: knows_source(tx, name, call.caller)):
        raise NotFound(f"this server follows no source {name!r}")
    if not context.poll(name):
        raise NotFound(f"this server follows no source {name!r}")
    log.info("asked to read sources", by=call.caller.name, source=name)
    return Reply(content=Hinted(), status=202, headers={"Cache-Control": "no-store"})


async def operator_or_forge(request: Request, context: Context) -> Caller:
    """Whoever has an operator's token, or knows `reconcile_secret`.

    A signature is over the body, which is therefore read before its sender is known: only where
    the head claims one and there is a secret. Raises problems 401, 403, 408 and 413.
    """
    headers = dict(request.headers)
    if is_signed(headers):
        secret = context.settings.reconcile_secret
        body = await read_bytes(request, LARGEST) if secret else b""
        now = context.clock.now()
        if secret is None or not is_genuine(secret.get_secret_value(), headers, body, now):
            raise _refused(request, context)
        return Caller(FORGE, Role.OPERATOR)
    if context.authority is None and "origin" in headers:
        raise HttpProblem(403, "origin-refused", "pages of other sites are not answered")
    caller = None if is_public(request, context) else await caller_of(request, context)
    return admit(caller, Role.OPERATOR)


def _refused(request: Request, context: Context) -> HttpProblem:
    """The answer to a wrong signature; too many of one address are told to wait.

    Judged after the signature, as webhooks are: what is genuine is never turned away.
    """
    address, moment = client_of(request.scope, context), context.clock.monotonic()
    if (wait := context.bad_signatures.retry_after(address, moment)) is not None:
        detail = "too many bad credentials from this address"
        return HttpProblem(429, "too-many-attempts", detail, {"Retry-After": str(wait)})
    context.bad_signatures.failed(address, moment)
    return HttpProblem(
        401, "signature-invalid", "no signature that reconcile_secret gives was sent"
    )


OPERATIONS = (
    Operation(
        method="POST", path=PATH, handler=reconcile, role=Role.OPERATOR,
        authenticate=operator_or_forge, reads_body=False, tag="sources",
        summary="Read the followed sources now", query=SourceQuery,
        problems=(404, 408, 409, 413, 429),
        answers={202: json_content(Hinted, "They will be read.")},
    ),
)  # fmt: skip
