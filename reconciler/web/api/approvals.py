"""The API of questions that agents ask, and of the answers (docs/runs.md#approvals)."""

from reconciler.control.runs.approving import decide, open_question
from reconciler.core.access.roles import Role
from reconciler.core.runs.approval import Approval, Decision
from reconciler.core.runs.run import Run
from reconciler.store.engine.database import Tx
from reconciler.web.api.runs import require_run
from reconciler.web.http.answers import Reply
from reconciler.web.http.operation import Call, NoBody, NoQuery, Operation, json_content
from reconciler.web.models.run import DecisionOrder, QuestionView, RunView


async def show_question(call: Call[NoQuery, NoBody]) -> Reply:
    """What the agent of a run asks now; send the words back with the answer to it."""
    run_id = call.path["id"].lower()

    def read(tx: Tx) -> Approval:
        require_run(tx, run_id, call.caller)
        return open_question(tx, run_id)

    return Reply(content=QuestionView.of(await call.context.database.aread(read)))


async def approve_run(call: Call[NoQuery, DecisionOrder]) -> Reply:
    """Allow what the agent of a run asks for; it is told as soon as its run is polled."""
    return await _decide(call, Decision.APPROVED)


async def reject_run(call: Call[NoQuery, DecisionOrder]) -> Reply:
    """Refuse what the agent of a run asks for; what it does then is up to it."""
    return await _decide(call, Decision.REJECTED)


async def _decide(call: Call[NoQuery, DecisionOrder], decision: Decision) -> Reply:
    context, run_id = call.context, call.path["id"].lower()

    def write(tx: Tx) -> Run:
        require_run(tx, run_id, call.caller)
        now, question = context.database.now(tx), call.body.question
        return decide(tx, run_id, decision, call.caller.name, now, question=question)

    run = await context.database.awrite(write)
    context.notify()
    return Reply(content=RunView.of(run), status=202)


OPERATIONS = (
    Operation(
        method="GET", path="/v1/runs/{id}/approval", handler=show_question, role=Role.VIEWER,
        tag="runs", summary="Show what an agent asks", problems=(404,),
        answers={200: json_content(QuestionView, "The question that is open.", "ETag")},
    ),
    Operation(
        method="POST", path="/v1/runs/{id}/approve", handler=approve_run, role=Role.OPERATOR,
        tag="runs", summary="Approve what an agent asks", body=DecisionOrder,
        problems=(404, 409, 422),
        answers={202: json_content(RunView, "The run; its agent is told.")},
    ),
    Operation(
        method="POST", path="/v1/runs/{id}/reject", handler=reject_run, role=Role.OPERATOR,
        tag="runs", summary="Reject what an agent asks", body=DecisionOrder,
        problems=(404, 409, 422),
        answers={202: json_content(RunView, "The run; its agent is told.")},
    ),
)  # fmt: skip
