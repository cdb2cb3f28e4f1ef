"""Push notifications of A2A agents: that a task has news, never what (docs/runtimes.md#a2a)."""

import hmac

from starlette.requests import Request

from reconciler.control.dispatching.jobs import hint_token
from reconciler.core.access.roles import Caller, Role
from reconciler.core.base.errors import Conflict, NotFound
from reconciler.store.runs.runs import get_run
from reconciler.web.http.answers import Reply
from reconciler.web.http.context import Context
from reconciler.web.http.endpoint import require_ids
from reconciler.web.http.operation import Call, NoBody, NoQuery, Operation, Wire, json_content
from reconciler.web.http.problems import HttpProblem

HEADER = "x-a2a-notification-token"


class Noted(Wire):
    """What became of a hint."""

    followed: bool
    """Whether this server follows the run; where not, the one that does is told."""


async def hint(call: Call[NoQuery, NoBody]) -> Reply:
    """Say that a run has news: its agent is asked. The body is not read, and nobody believes it."""
    run_id, context = call.path["id"].lower(), call.context
    # Whatever is followed here goes on: a flood of genuine hints costs the database nothing.
    followed = context.hint(run_id)
    if not followed:
        run = await context.database.aread(lambda tx: get_run(tx, run_id))
        if run is None:
            raise NotFound(f"there is no run {run_id}")
        if run.ended:
            raise Conflict("the run has ended", reason="run-ended")
        context.relay.pass_on(run_id)
    return Reply(content=Noted(followed=followed), status=202)


async def agent_of_run(request: Request, context: Context) -> Caller:
    """Whoever has the token of the run's hints. Raises NotFound, and a problem 401."""
    require_ids(request.path_params)
    expected = hint_token(context.server_key, request.path_params["id"].lower()).encode()
    sent = request.headers.getlist(HEADER)
    bearer = request.headers.get("authorization", "").partition(" ")[2]
    presented = sent[0] if sent else bearer.strip()
    if not hmac.compare_digest(presented.encode(), expected):
        raise HttpProblem(401, "hint-token-invalid", "this is not the token of the run's hints")
    return Caller("run", Role.WORKER, frozenset())


OPERATIONS = (
    Operation(
        method="POST", path="/v1/runs/{id}/hint", handler=hint, role=Role.WORKER,
        authenticate=agent_of_run, reads_body=False, tag="workers",
        summary="Say that a run has news", problems=(404, 409),
        answers={202: json_content(Noted, "Its agent will be asked.")},
    ),
)  # fmt: skip
