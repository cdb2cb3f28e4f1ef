"""The API of audits: is every occurrence and accepted delivery of a time accounted for?"""

from typing import Annotated, Any

from pydantic import Field

from reconciler.control.runs.auditing import AuditRetention, audit_period
from reconciler.core.access.roles import Role
from reconciler.core.base.errors import UsageError
from reconciler.core.manifest.fields import Instant
from reconciler.core.schedule.audit_report import audit_document
from reconciler.store.engine.database import Tx
from reconciler.web.http.answers import Reply
from reconciler.web.http.operation import Call, NoBody, Operation, Wire, json_content
from reconciler.web.http.problems import HttpProblem
from reconciler.web.models.run import Id

MOST = 20_000
"""Occurrences, and as many deliveries: they are worked out beside requests that wait."""


class AuditQuery(Wire):
    """Which stretch of time."""

    from_: Annotated[Instant, Field(alias="from")]
    """The first moment."""
    to: Instant
    """Not included; now, where it lies ahead."""


class PlaceView(Wire):
    """What an entry is about; null where it is not known, or is about all."""

    workspace: str | None
    """Its workspace."""
    autopilot: str | None
    """Its name."""
    trigger: str | None
    """The trigger's name."""


class AuditItem(PlaceView):
    """An occurrence or a delivery beside what became of it."""

    kind: str
    """`occurrence` or `delivery`."""
    at: Instant
    """The nominal moment, or when it was received."""
    became: str
    """The status of the run, or the reason of the interval: `missed`, `paused`, `stalled`."""
    run_id: Id | None
    """The run."""
    delivery_id: Id | None
    """The delivery."""
    reason: str | None
    """Of a run that was skipped or failed, its reason; of an interval, the sentence."""


class MissingItem(PlaceView):
    """What should be recorded and is not."""

    kind: str
    """`occurrence` or `delivery`."""
    at: Instant
    """The nominal moment, or when it was received."""
    why: str
    """What is missing."""


class UnknownStretch(PlaceView):
    """A stretch of which nothing can be claimed."""

    from_: Annotated[Instant, Field(alias="from")]
    """Its beginning."""
    to: Instant
    """Its end."""
    why: str
    """Why nothing can be known of it."""


class AuditView(Wire):
    """Every expected occurrence and accepted delivery, and what became of it."""

    format_version: int
    """1."""
    from_: Annotated[Instant, Field(alias="from")]
    """The beginning."""
    to: Instant
    """The end, not beyond now."""
    complete: bool
    """Whether nothing is missing."""
    summary: dict[str, dict[str, int]]
    """How many `occurrences` and `deliveries` became what."""
    missing: list[MissingItem]
    """What is not recorded."""
    unknown: list[UnknownStretch]
    """What the audit cannot claim."""
    items: list[AuditItem]
    """All that is accounted for, at most 20,000 of each kind."""


async def audit(call: Call[AuditQuery, NoBody]) -> Reply:
    """Account for a stretch of time."""
    context, query = call.context, call.query
    retention = AuditRetention.of(context.settings)

    def read(tx: Tx) -> dict[str, Any]:
        now = context.database.now(tx)
        workspaces = call.caller.workspaces
        outcome = audit_period(
            tx, query.from_, query.to, now, retention, workspaces=workspaces, most=MOST
        )
        return audit_document(outcome)

    try:
        document = await context.database.aread(read)
    except UsageError as error:
        raise HttpProblem(400, "stretch-invalid", str(error)) from None
    return Reply(content=AuditView.model_validate(document))


OPERATIONS = (
    Operation(
        method="GET", path="/v1/audit", handler=audit, role=Role.VIEWER, tag="time",
        summary="Account for a stretch of time", query=AuditQuery,
        answers={200: json_content(AuditView, "What became of everything that was due.", "ETag")},
    ),
)  # fmt: skip
