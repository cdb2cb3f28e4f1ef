"""Runs and missed intervals on the wire."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from reconciler.core.manifest.fields import Instant, format_instant
from reconciler.core.runs.approval import Approval, Decision
from reconciler.core.runs.run import (
    MissedInterval,
    MissedReason,
    Reason,
    Run,
    Source,
    Status,
    WaitingFor,
)
from reconciler.core.runs.usage import (
    MODEL_LENGTH,
    MOST_COUNT,
    MOST_DOLLARS,
    Usage,
    reported,
)
from reconciler.core.runs.view import run_document
from reconciler.web.http.operation import Wire

Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
"""The id of a stored thing."""
Json = Annotated[Any, WithJsonSchema({"description": "any JSON"})]


def _whole(value: Any) -> Any:
    """To JSON Schema 2.0 is an integer; a text or a boolean is not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, Field(ge=0, le=MOST_COUNT, strict=True), BeforeValidator(_whole)]


class UsageReport(Wire):
    """What a run used of a model, each where it is known (docs/runs.md#usage)."""

    cost_usd: (
        Annotated[float, Field(ge=0, le=MOST_DOLLARS, strict=True, allow_inf_nan=False)] | None
    ) = None
    """US dollars; kept to the millionth."""
    input_tokens: Count | None = None
    """Those from a cache included."""
    output_tokens: Count | None = None
    """Tokens that the model wrote."""
    cached_tokens: Count | None = None
    """Of the input, those that were read from a cache."""
    turns: Count | None = None
    """Answers of the model."""
    model: Annotated[str, Field(max_length=MODEL_LENGTH)] | None = None
    """The model's name."""

    def usage(self) -> Usage | None:
        """As the core takes it; None where nothing is known."""
        return reported(self.model_dump(by_alias=True))[0]


class RunView(Wire):
    """One execution of an autopilot."""

    id: Id
    """Sorts by the moment of the trigger."""
    autopilot_id: Id
    """The autopilot."""
    workspace: str
    """The autopilot's workspace."""
    autopilot: str
    """The autopilot's name."""
    trigger_id: Id | None
    """The trigger; null for a run by hand."""
    trigger: str | None
    """The trigger's name."""
    source: Source
    """What started it."""
    status: Status
    """Where it is in its life."""
    reason: Reason | None
    """Why it was skipped or failed, for machines."""
    failure_reason: str | None
    """Why it was skipped or failed, as a sentence."""
    waiting_for: WaitingFor | None
    """What a pending run waits for."""
    note: str | None
    """What there is to say about it meanwhile, in words."""
    title: str
    """One line."""
    scheduled_for: Instant | None
    """The nominal moment of a schedule."""
    triggered_at: Instant
    """When it was asked for."""
    admitted_at: Instant | None
    """When the policy let it in."""
    dispatched_at: Instant | None
    """When its last attempt reached its agent."""
    session_at: Instant | None
    """Since when it has the session that `sessionId` names."""
    started_at: Instant | None
    """When the work began."""
    completed_at: Instant | None
    """When it ended, however it ended."""
    duration_ms: int | None
    """From the start of the work to its end."""
    attempts: int
    """How often it was dispatched."""
    session_id: str | None
    """The session on the agent's runtime."""
    agent: str | None
    """The agent that got it."""
    payload: Json
    """What came with the trigger."""
    result: Json
    """What the agent answered."""
    usage: UsageReport | None
    """What it used of a model; null where nothing is known."""
    revision: str | None
    """The revision whose manifest it was triggered under."""
    commit: str | None
    """That revision where it is a commit."""
    blocked_by: Id | None
    """The run that was in the way."""
    replaced_by: Id | None
    """The run that took its place."""
    rerun_of: Id | None
    """The run that this one repeats."""
    key: str | None
    """What `concurrencyKey` gave; null where the autopilot has none."""

    @classmethod
    def of(cls, run: Run) -> "RunView":
        """The view of a run."""
        return cls.model_validate(run_document(run))


class RunPage(Wire):
    """Runs, newest first."""

    items: list[RunView]
    """This page."""
    next_cursor: str | None
    """For the next page; null on the last one."""


class MissedView(Wire):
    """Occurrences of one trigger that did not become runs: a row for as many as there are."""

    trigger_id: Id
    """The trigger."""
    reason: MissedReason
    """Why, for machines."""
    first: Instant
    """The first of them."""
    last: Instant | None
    """The last of them; null while it goes on."""
    count: int | None
    """How many; null where nobody counted: while it goes on, and of a stalled trigger."""
    exact: bool
    """False where there are more than `count`."""
    detail: str
    """Why, as a sentence."""

    @classmethod
    def of(cls, missed: MissedInterval) -> "MissedView":
        """The view of an interval."""
        return cls(
            trigger_id=missed.trigger_id,
            reason=missed.reason,
            first=missed.first,
            last=missed.last,
            count=missed.count,
            exact=missed.exact,
            detail=missed.detail,
        )


def instant(value: Any) -> str | None:
    """A moment as RFC 3339 in UTC, or null."""
    return format_instant(value) if value is not None else None


class RunOrder(Wire):
    """A run that is asked for."""

    trigger: Annotated[str, Field(max_length=64)] | None = None
    """The name (or id) of a trigger; the source is `api` if it is an api trigger."""
    payload: Json = None
    """JSON that the agent gets, at most 1 MiB."""
    force: bool = False
    """Pass the policy and the limits; recorded on the run."""


class QuestionView(Wire):
    """What the agent of a run asks now."""

    question: str
    """The agent's own words, on one line."""
    answer_at: str | None
    """Where it has to be answered; null where the API takes the answer."""
    asked_at: Instant
    """Since when it is asked."""
    decision: Decision | None
    """What was decided, until the agent is told."""
    decided_by: str | None
    """Who decided."""

    @classmethod
    def of(cls, asked: Approval) -> "QuestionView":
        """The view of a question."""
        return cls(
            question=asked.question,
            answer_at=asked.answer_at or None,
            asked_at=asked.asked_at,
            decision=asked.decision,
            decided_by=asked.decided_by,
        )


class DecisionOrder(Wire):
    """An answer to what an agent asks."""

    question: Annotated[str, Field(max_length=8000)] | None = None
    """What is answered: where the agent asks something else by then, nothing is."""
