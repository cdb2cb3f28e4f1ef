"""From a declared operation to a Starlette route: let in, understand, answer."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.core.access.roles import LOCAL, Caller
from reconciler.core.base.errors import NotFound
from reconciler.web.http.answers import Reply, respond
from reconciler.web.http.auth import SAFE, admit, caller_of
from reconciler.web.http.context import Context
from reconciler.web.http.operation import NUMBER, Call, NoBody, Operation
from reconciler.web.http.parameters import read_body, read_query

AnyOperation = Operation[Any, Any]
Endpoint = Callable[[Request], Awaitable[Response]]

_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
"""Of rows that are numbered; what is longer is beyond every database."""


def routes(operations: Sequence[AnyOperation], context: Context) -> list[Route]:
    """One route for each path, whatever its methods: only so is `Allow` complete."""
    by_path = sorted(operations, key=lambda operation: operation.path.count("{"))
    by_path.sort(key=lambda operation: operation.path)
    routes_ = []
    for path, same in groupby(by_path, key=lambda operation: operation.path):
        table = {operation.method: operation for operation in same}
        routes_.append(Route(path, _endpoint(table, context), methods=list(table), name=path))
    # A path with a placeholder would otherwise shadow a literal one.
    return sorted(routes_, key=lambda route: "{" in route.path)


def _endpoint(table: Mapping[str, AnyOperation], context: Context) -> Endpoint:
    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await serve(table[method], request, context)

    return answer


async def serve(operation: AnyOperation, request: Request, context: Context) -> Response:
    """Serve one request. Expected failures are raised, and answered by the app's handlers.

    1. Who is it, and may they? By the head alone: whoever is unknown must not make the server hold
       a body, and what is answered before it was read ends the connection.
    2. Malformed ids name nothing.
    3. Parameters and body, as models.
    4. The handler, and its answer with an ETag.
    """
    caller = await _caller(operation, request, context)
    require_ids(request.path_params)
    query = read_query(request, operation.query)
    if request.method in SAFE or not operation.reads_body:
        body = NoBody()
    else:
        body = await read_body(request, operation.body, operation.body_limit)
    call = Call(context, caller, query, body, request.path_params, request)
    answer = await operation.handler(call)
    return respond(request, answer) if isinstance(answer, Reply) else answer


async def _caller(operation: AnyOperation, request: Request, context: Context) -> Caller:
    if operation.role is None:
        return LOCAL
    if operation.authenticate is not None:
        return await operation.authenticate(request, context)
    return admit(await caller_of(request, context), operation.role)


def require_ids(path: Mapping[str, str]) -> None:
    """Raise NotFound for a malformed id, before any query: PostgreSQL refuses a NUL in a text.

    What is named `number` counts from 1; all else are UUIDs.
    """
    for name, value in path.items():
        if not (_NUMBER if name == NUMBER else _ID).fullmatch(value):
            raise NotFound("there is no such object")
