"""The API of workers: claim runs, keep their leases, report their end (docs/runtimes.md#worker)."""

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request

from reconciler.control.dispatching.reports import Report, report_end
from reconciler.control.dispatching.workers import (
    MOST,
    Claim,
    Claimed,
    claim,
    heartbeat,
    held_run,
)
from reconciler.core.access.roles import Caller, Role
from reconciler.core.manifest.fields import Instant, Name
from reconciler.core.runs.approval import Decision
from reconciler.core.runs.lease import outcome_of
from reconciler.core.runs.usage import Usage, priced
from reconciler.store.engine.database import Tx
from reconciler.web.api.runs import require_run
from reconciler.web.http.answers import Reply
from reconciler.web.http.auth import admit, bearer, caller_of, is_public
from reconciler.web.http.context import Context
from reconciler.web.http.endpoint import require_ids
from reconciler.web.http.operation import Call, NoQuery, Operation, Wire, json_content
from reconciler.web.http.problems import HttpProblem
from reconciler.web.models.run import Json, RunView, UsageReport

OWN_TOKEN = "rct_run_"  # noqa: S105 - how a run's own token begins, not a token
LeaseToken = Annotated[str, Field(min_length=1, max_length=200)]


class ClaimOrder(Wire):
    """What a worker takes."""

    agents: Annotated[
        tuple[Name, ...],
        Field(min_length=1, max_length=100),
    ]
    """The names of the agents that it works for."""
    max: Annotated[int, Field(ge=1, le=MOST)] = 1
    """Runs that it takes at most."""
    lease_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 60
    """How long it may be silent; 5 at least, 3600 at most."""


class ClaimedView(Wire):
    """A run that the worker holds now."""

    run: RunView
    """The run."""
    prompt: str
    """What the agent is asked."""
    lease_token: str
    """The proof that the worker holds it; shown once."""
    lease_until: Instant
    """Until when, without a heartbeat."""


class ClaimedPage(Wire):
    """Runs that were claimed; none where none waited."""

    items: list[ClaimedView]
    """The oldest first."""


class BeatOrder(Wire):
    """A sign of life."""

    lease_token: LeaseToken | None = None
    """Of the claim; not needed with the run's own token as bearer token."""
    usage: UsageReport | None = None
    """What the work has used until now."""
    approval: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    """What the agent asks a person for, as long as it asks."""


class BeatView(Wire):
    """What a worker needs to know."""

    cancel: bool
    """Whether to stop, and then to complete."""
    lease_until: Instant | None
    """Until when the lease holds now; null without a lease."""
    approval: Decision | None
    """What a person has decided about what is asked, once they have."""


class EndOrder(Wire):
    """The end of a run."""

    lease_token: LeaseToken | None = None
    """Of the claim; not needed with the run's own token as bearer token."""
    status: Literal["completed", "failed"]
    """How it ended."""
    result: Json = None
    """JSON; what is beyond 256 KiB is cut."""
    usage: UsageReport | None = None
    """What the work used, each where it is known."""


async def claim_runs(call: Call[NoQuery, ClaimOrder]) -> Reply:
    """Lease waiting runs, oldest first. Ask again in a moment where there are none."""
    order, caller, database = call.body, call.caller, call.context.database
    asked = Claim(
        agents=order.agents,
        most=order.max,
        lease_seconds=order.lease_seconds,
        worker=caller.name,
        max_active_runs=call.context.settings.max_active_runs,
        workspaces=caller.workspaces,
    )
    claimed = await database.awrite(lambda tx: claim(database, tx, asked))
    return Reply(content=ClaimedPage(items=[_claimed(run) for run in claimed]))


def _claimed(claimed: Claimed) -> ClaimedView:
    return ClaimedView(
        run=RunView.of(claimed.run),
        prompt=claimed.prompt,
        lease_token=claimed.lease_token,
        lease_until=claimed.lease_until,
    )


async def beat(call: Call[NoQuery, BeatOrder]) -> Reply:
    """Prolong a lease, ask for permission, and learn what people decided."""
    run_id, database = call.path["id"].lower(), call.context.database
    token = _token(call.request, call.body.lease_token)
    usage = _usage(call.body.usage, call.context)

    def write(tx: Tx) -> BeatView:
        require_run(tx, run_id, call.caller)
        beat_ = heartbeat(tx, run_id, token, database.now(tx), usage, call.body.approval)
        return BeatView(cancel=beat_.cancel, lease_until=beat_.lease_until, approval=beat_.approval)

    return Reply(content=await database.awrite(write, quiet=True))


async def end(call: Call[NoQuery, EndOrder]) -> Reply:
    """Report the end of a run, by its lease or by its own token."""
    run_id, context, body = call.path["id"].lower(), call.context, call.body
    token = _token(call.request, body.lease_token)
    outcome = outcome_of(body.status, body.result, _usage(body.usage, context))
    report = Report(run_id, token, outcome, lambda tx: require_run(tx, run_id, call.caller))
    cooldown = context.settings.breaker_cooldown
    run = await report_end(context.database, context.expectations, report, cooldown)
    if not run.ended:
        return Reply(content=RunView.of(run), status=202)
    context.notify()
    return Reply(content=RunView.of(run))


def _usage(report: UsageReport | None, context: Context) -> Usage | None:
    return priced(report.usage() if report else None, context.settings.price_table)


def _token(request: Request, lease_token: str | None) -> str:
    if (token := own_token(request) or lease_token) is None:
        raise HttpProblem(422, "lease-token-missing", "say which lease, in leaseToken")
    return token


async def worker_or_run(request: Request, context: Context) -> Caller:
    """Whoever has a worker's token, or the run's own token for its run (docs/runtimes.md#worker).

    Raises a problem 401 or 403; NotFound and Conflict where the own token opens nothing (any more).
    """
    own = own_token(request)
    if own is not None:
        require_ids(request.path_params)
        run_id = request.path_params["id"].lower()
        run = await context.database.aread(lambda tx: held_run(tx, run_id, own))
        return Caller("run", Role.WORKER, frozenset({run.workspace}))
    caller = None if is_public(request, context) else await caller_of(request, context)
    return admit(caller, Role.WORKER)


def own_token(request: Request) -> str | None:
    """The run's own token, where it was sent: then no other credential is asked for."""
    credential = bearer(request)
    return credential if credential and credential.startswith(OWN_TOKEN) else None


OPERATIONS = (
    Operation(
        method="POST", path="/v1/runs/claim", handler=claim_runs, role=Role.WORKER,
        tag="workers", summary="Claim runs", body=ClaimOrder,
        answers={200: json_content(ClaimedPage, "The runs that are yours now.")},
    ),
    Operation(
        method="POST", path="/v1/runs/{id}/heartbeat", handler=beat, role=Role.WORKER,
        authenticate=worker_or_run, tag="workers", summary="Prolong a lease",
        body=BeatOrder, problems=(404, 409),
        answers={200: json_content(BeatView, "The lease holds.")},
    ),
    Operation(
        method="POST", path="/v1/runs/{id}/complete", handler=end, role=Role.WORKER,
        authenticate=worker_or_run, tag="workers", summary="Report the end of a run",
        body=EndOrder, problems=(404, 409),
        answers={
            200: json_content(RunView, "It has ended."),
            202: json_content(RunView, "Its result is kept, and judged as soon as it can be."),
        },
        body_limit=8 * 1024 * 1024,
    ),
)  # fmt: skip
