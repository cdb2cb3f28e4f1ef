"""The API of plans: what manifests would change, and making it so (docs/http.md#plan-and-apply)."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from reconciler.control.access.keys import token_hasher
from reconciler.control.apply.inventory import adopt as adopt_object
from reconciler.control.apply.policy import policy_of
from reconciler.control.apply.reconcile import ApplyRequest
from reconciler.control.apply.submitted import (
    KnownDescent,
    Submission,
    apply_submission,
    out_of_reach,
    plan_submission,
)
from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.control.runs.simulating import Past, simulate_manifests
from reconciler.core.access.roles import Role
from reconciler.core.base.errors import Conflict, NotFound, UsageError
from reconciler.core.base.identity import Key
from reconciler.core.plan.guards import Confirmations, objections
from reconciler.core.plan.planfile import read_plan, write_plan
from reconciler.core.plan.report import SummaryReport, report_of
from reconciler.core.schedule.audit import Period
from reconciler.core.schedule.simulation_report import simulation_document
from reconciler.store.revisions.revisions import Via
from reconciler.web.http.answers import Reply
from reconciler.web.http.context import Context
from reconciler.web.http.operation import Call, NoQuery, Operation, json_content
from reconciler.web.http.problems import HttpProblem
from reconciler.web.models.bundle import (
    MOST_BYTES,
    AdoptAnswer,
    AdoptOrder,
    ApplyAnswer,
    ApplyOrder,
    ObjectionView,
    PlanAnswer,
    PlanOrder,
)
from reconciler.web.models.simulation import SimulateOrder, SimulationView
from reconciler.web.models.source import knows_source

T = TypeVar("T")
MOST_SIMULATED = 20_000
"""Occurrences and deliveries of one simulation."""
EVALUATING = 20.0
"""Seconds of one simulation after which no further delivery is evaluated."""


async def plan(call: Call[NoQuery, PlanOrder]) -> Reply:
    """What apply would change; nothing is written, and invalid manifests are a 422."""
    return Reply(content=await _in_turn(call.context, lambda: _plan(call)))


async def apply(call: Call[NoQuery, ApplyOrder]) -> Reply:
    """Make the database equal the manifests, if the plan is the one with the digest."""
    return Reply(content=await _in_turn(call.context, lambda: _apply(call)))


async def simulate(call: Call[NoQuery, SimulateOrder]) -> Reply:
    """What these manifests would have done over a time that was; nothing is written."""
    period = Period(call.body.from_, call.body.to)
    if period.since >= period.until:
        raise HttpProblem(400, "stretch-invalid", "from must lie before to")
    return Reply(content=await _in_turn(call.context, lambda: _simulate(call, period)))


async def adopt(call: Call[NoQuery, AdoptOrder]) -> Reply:
    """Give an object that no source owns to a source; its content stays."""
    body = call.body
    key = Key(body.kind, body.workspace, body.name)
    if not call.caller.sees(key.workspace):
        raise NotFound(f"there is no {key.kind} {key.workspace}/{key.name}")
    row = await asyncio.to_thread(adopt_object, call.context.database, key, body.source_id)
    answer = AdoptAnswer(
        id=row.id,
        kind=body.kind,
        workspace=row.key.workspace,
        name=row.key.name,
        source_id=body.source_id,
    )
    return Reply(content=answer)


async def _in_turn(context: Context, work: Callable[[], T]) -> T:
    async with context.plans:
        return await asyncio.to_thread(work)


def _plan(call: Call[NoQuery, PlanOrder]) -> PlanAnswer:
    context, order = call.context, call.body
    submission = _submission(call)
    planned = plan_submission(context.database, submission, context.clock.now())
    desired = planned.loaded.desired
    refusals = objections(planned.plan, _confirmations(context, order))
    saved = None
    if order.save:
        saved = write_plan(planned.plan, desired, self_heal=submission.self_heal)
    report = report_of(
        planned.plan,
        warnings=desired.warnings,
        names_sources=call.caller.workspaces is None,
    )
    return PlanAnswer(
        **dict(report),
        source_id=desired.source_id,
        objections=[ObjectionView(**asdict(refusal)) for refusal in refusals],
        saved_plan=saved,
    )


def _simulate(call: Call[NoQuery, SimulateOrder], period: Period) -> SimulationView:
    database = call.context.database
    loaded = plan_submission(database, _submission(call), call.context.clock.now()).loaded
    # An evaluator of its own: thousands of deliveries must not stand before those that come in.
    with Evaluator(workers=1) as evaluator:
        simulation = simulate_manifests(
            Past(database, evaluator, seconds=EVALUATING),
            loaded.desired.objects,
            loaded.seen.current.objects,
            loaded.desired.source_id,
            period,
            most=MOST_SIMULATED,
        )
    return SimulationView.model_validate(simulation_document(simulation))


def _apply(call: Call[NoQuery, ApplyOrder]) -> ApplyAnswer:
    context = call.context
    submission = _submission(call)
    _require_not_followed(call, submission.source_id)
    request = ApplyRequest(
        actor=call.caller.name,
        via=Via.API,
        confirmations=_confirmations(context, call.body),
    )
    applied = apply_submission(
        context.database,
        submission,
        request,
        call.body.digest,
        token_hash=token_hasher(context.server_key),
        now=context.clock.now(),
    )
    return ApplyAnswer(
        source_id=submission.source_id,
        revision=applied.plan.revision.id,
        digest=applied.plan.digest,
        summary=SummaryReport(**asdict(applied.plan.summary)),
        attempt=applied.attempt,
        cancelled=list(applied.cancelled),
    )


def _require_not_followed(call: Call[NoQuery, ApplyOrder], source_id: str) -> None:
    """Two writers of one source would undo each other's work, each at its next poll."""
    database, caller = call.context.database, call.caller
    if source_id in call.context.followed():
        if not database.read(lambda tx: knows_source(tx, source_id, caller)):
            raise out_of_reach(source_id)  # as for one that nobody follows
        raise Conflict(
            f"the server follows source {source_id!r} itself and applies what its files say; "
            "change them there, or apply these as a source of another name",
            reason="source-followed",
        )


def _confirmations(context: Context, order: PlanOrder) -> Confirmations:
    rewrites = order.allow_rewrites or context.settings.allow_rewrites
    return Confirmations(order.confirm_deletes, rewrites)


def _submission(call: Call[NoQuery, Any]) -> Submission:
    """The submission of a body, held to the policy of this server."""
    order: PlanOrder = call.body
    try:
        saved = order.saved_plan()
        return _of_files(call, order) if saved is None else _of_plan(call, order, saved)
    except (ValueError, UsageError) as error:
        raise HttpProblem(422, "bundle-invalid", str(error)) from None


def _of_files(call: Call[NoQuery, Any], order: PlanOrder) -> Submission:
    return Submission(
        source_id=order.source_id or "",
        content=order.submitted(),
        caller=call.caller,
        policy=policy_of(call.context.settings, serving=True),
        self_heal=order.self_heal,
        revision=order.revision.revision() if order.revision else None,
        descends=_descends(order),
    )


def _of_plan(call: Call[NoQuery, Any], order: PlanOrder, text: bytes) -> Submission:
    policy = policy_of(call.context.settings, serving=True)
    saved = read_plan(text, policy)
    source_id = saved.desired.source_id
    if order.source_id not in (None, source_id):
        raise ValueError(f"the plan was saved for source {source_id!r}, not {order.source_id!r}")
    return Submission(
        source_id=source_id,
        content=saved,
        caller=call.caller,
        policy=policy,
        self_heal=saved.self_heal,
        descends=_descends(order),
    )


def _descends(order: PlanOrder) -> KnownDescent | None:
    descent = order.descent
    return KnownDescent(descent.precedent, descent.descends) if descent else None


OPERATIONS = (
    Operation(
        method="POST", path="/v1/plan", handler=plan, role=Role.PLANNER, tag="sources",
        summary="Plan manifests", body=PlanOrder, body_limit=MOST_BYTES, problems=(409,),
        answers={200: json_content(PlanAnswer, "The plan.")},
    ),
    Operation(
        method="POST", path="/v1/simulate", handler=simulate, role=Role.PLANNER, tag="sources",
        summary="Simulate manifests", body=SimulateOrder, body_limit=MOST_BYTES, problems=(409,),
        answers={200: json_content(SimulationView, "What they would have done.")},
    ),
    Operation(
        method="POST", path="/v1/apply", handler=apply, role=Role.ADMIN, tag="sources",
        summary="Apply manifests", body=ApplyOrder, body_limit=MOST_BYTES, problems=(409,),
        answers={200: json_content(ApplyAnswer, "It is in force.")},
    ),
    Operation(
        method="POST", path="/v1/adopt", handler=adopt, role=Role.ADMIN, tag="sources",
        summary="Adopt an object", body=AdoptOrder, problems=(404, 409),
        answers={200: json_content(AdoptAnswer, "It belongs to the source.")},
    ),
)  # fmt: skip
