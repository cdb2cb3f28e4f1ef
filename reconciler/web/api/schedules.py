"""The API of time: what comes, what happened, why; and any cron expression, tried out."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from reconciler.control.runs.explain import Retained, explain
from reconciler.control.runs.told import Step
from reconciler.core.access.roles import Role
from reconciler.core.calendar.errors import ScheduleError
from reconciler.core.calendar.schedule import Occurrence, occurrences
from reconciler.core.manifest.fields import Instant
from reconciler.core.runs.standing import standing_of
from reconciler.core.schedule.outlook import outlook_document
from reconciler.store.engine.database import Tx
from reconciler.store.runs.lists import RunFilter, find_runs
from reconciler.store.runs.missed import missed_between
from reconciler.web.api.autopilots import read_one, require_overview
from reconciler.web.http.answers import Reply
from reconciler.web.http.operation import Call, NoBody, Operation, Wire, json_content
from reconciler.web.http.parameters import Text
from reconciler.web.http.problems import HttpProblem
from reconciler.web.models.run import Id, MissedView, RunView

MOST_RUNS = 1000
LONGEST = timedelta(days=366)
Count = Annotated[int, Field(ge=1, le=200)]
ManyCount = Annotated[int, Field(ge=1, le=1000)]


class NextQuery(Wire):
    """How far to look ahead."""

    count: ManyCount = 5
    """Moments of each schedule trigger."""
    after: Instant | None = None
    """From this moment on; now by default."""


class PreviewQuery(NextQuery):
    """A schedule to try out."""

    count: Count = 5
    """Moments."""
    cron: Annotated[str, Field(max_length=300)]
    """A cron expression."""
    timezone: Text = "UTC"
    """An IANA time zone."""


class WhyQuery(Wire):
    """Which moment."""

    at: Instant | None = None
    """Now by default; may lie ahead."""


class TimelineQuery(Wire):
    """Which stretch of time."""

    from_: Annotated[Instant | None, Field(alias="from")] = None
    """A day before `to` by default."""
    to: Instant | None = None
    """Now by default; at most 366 days later."""


class OccurrenceView(Wire):
    """One moment of a schedule, nominal: jitter, pauses and policies come on top."""

    utc: Instant
    """The moment."""
    local: Annotated[str, Field(examples=["2026-11-03T09:00:00+01:00"])]
    """What the clock on the wall shows, with its offset."""
    note: str | None
    """What a clock change did to it."""

    @classmethod
    def of(cls, occurrence: Occurrence) -> "OccurrenceView":
        """The view of an occurrence."""
        return cls(utc=occurrence.at, local=occurrence.local.isoformat(), note=occurrence.note)


class TriggerOccurrenceView(OccurrenceView):
    """One moment of a trigger."""

    trigger: str
    """The trigger's name."""
    trigger_id: Id
    """The trigger."""


class OccurrencePage(Wire):
    """Moments, the next one first."""

    items: list[OccurrenceView]
    """All of them."""
    next_cursor: str | None = None
    """Always null."""


class TriggerOutlookView(Wire):
    """A schedule trigger, and what keeps it from firing."""

    trigger: str
    """The trigger's name."""
    trigger_id: Id
    """The trigger."""
    halted: str | None
    """Why it does not fire though its schedule has moments to come; its moments are left out unless
    `after` is given."""
    readable: bool
    """False where its row was edited by hand until nothing can be made of it."""


class TriggerOccurrencePage(Wire):
    """Moments of all schedule triggers, the next one first."""

    items: list[TriggerOccurrenceView]
    """All of them. None are to come while the autopilot takes no work, unless `after` is given."""
    not_in_force_reason: str | None
    """Why the autopilot takes no work now; null where it does."""
    triggers: list[TriggerOutlookView]
    """Its schedule triggers; none while it takes no work, unless `after` is given."""
    next_cursor: str | None = None
    """Always null."""


class StepView(Wire):
    """One link of a chain of decisions."""

    subject: str
    """What it is about."""
    verdict: str
    """In a word or two."""
    why: str
    """The sentence."""
    run: Id | None
    """The run that it speaks of."""


class WhyView(Wire):
    """Why it ran, or did not: what decided, in order."""

    at: Instant
    """The moment."""
    steps: list[StepView]
    """The chain."""


class TimelineView(Wire):
    """What happened within a stretch of time."""

    from_: Annotated[Instant, Field(alias="from")]
    """Its beginning."""
    to: Instant
    """Its end."""
    runs: list[RunView]
    """Runs triggered within it, newest first, without payload and result."""
    missed: list[MissedView]
    """Intervals that touch it, oldest first."""
    complete: bool
    """False where there were more runs than 1000."""


async def next_(call: Call[NextQuery, NoBody]) -> Reply:
    """When the schedule triggers of an autopilot fire."""
    overview, query = await read_one(call), call.query
    now = call.context.clock.now()
    document = await asyncio.to_thread(
        outlook_document,
        overview.triggers,
        standing_of(overview.switches, call.context.settings.breaker_cooldown, now),
        now=now,
        after=query.after,
        count=query.count,
    )
    return Reply(content=document)


async def preview(call: Call[PreviewQuery, NoBody]) -> Reply:
    """When any cron expression fires."""
    query = call.query
    after = query.after or call.context.clock.now()
    try:
        moments = await asyncio.to_thread(
            occurrences, query.cron, query.timezone, after, query.count
        )
    except ScheduleError as error:
        raise HttpProblem(400, error.code, str(error)) from None
    return Reply(content=OccurrencePage(items=[OccurrenceView.of(moment) for moment in moments]))


async def why(call: Call[WhyQuery, NoBody]) -> Reply:
    """The chain of decisions about an autopilot at one moment."""
    context, id_ = call.context, call.path["id"].lower()
    settings = context.settings
    retained = Retained(settings.breaker_cooldown, settings.keep_runs)

    def read(tx: Tx) -> tuple[datetime, list[Step]]:
        require_overview(tx, id_, call.caller)
        now = context.database.now(tx)
        at = call.query.at or now
        to_all = call.caller.workspaces is None
        return at, explain(tx, id_, at, now, retained, to_all=to_all)

    at, steps = await context.database.aread(read)
    shown = [StepView(subject=s.subject, verdict=s.verdict, why=s.why, run=s.run) for s in steps]
    return Reply(content=WhyView(at=at, steps=shown))


async def timeline(call: Call[TimelineQuery, NoBody]) -> Reply:
    """Runs and missed intervals of an autopilot within a stretch of time."""
    id_ = call.path["id"].lower()
    since, until = _stretch(call.query, call.context.clock.now())
    where = RunFilter(autopilot_id=id_, since=since, until=until)

    def read(tx: Tx) -> TimelineView:
        require_overview(tx, id_, call.caller)
        runs = find_runs(tx, where, limit=MOST_RUNS + 1)
        return TimelineView(
            from_=since,
            to=until,
            runs=[RunView.of(run) for run in runs[:MOST_RUNS]],
            missed=[MissedView.of(interval) for interval in missed_between(tx, id_, since, until)],
            complete=len(runs) <= MOST_RUNS,
        )

    return Reply(content=await call.context.database.aread(read))


def _stretch(query: TimelineQuery, now: datetime) -> tuple[datetime, datetime]:
    until = query.to or now
    try:
        since = query.from_ or until - timedelta(days=1)
    except OverflowError:
        since = until
    if since > until or until - since > LONGEST:
        raise HttpProblem(400, "stretch-invalid", "from must lie before to, by at most 366 days")
    return since, until


def _of_autopilot(path: str, handler: Any, summary: str, query: Any, answer: Any) -> Any:
    return Operation(
        method="GET", path=f"/v1/autopilots/{{id}}/{path}", handler=handler, role=Role.VIEWER,
        tag="time", summary=summary, query=query, answers={200: answer}, problems=(404,),
    )  # fmt: skip


OPERATIONS = (
    _of_autopilot(
        "next", next_, "When an autopilot fires", NextQuery,
        json_content(TriggerOccurrencePage, "The coming moments of all triggers.", "ETag"),
    ),
    _of_autopilot(
        "why", why, "Why it ran, or did not", WhyQuery,
        json_content(WhyView, "The chain of decisions.", "ETag"),
    ),
    _of_autopilot(
        "timeline", timeline, "What happened within a stretch of time", TimelineQuery,
        json_content(TimelineView, "Runs and missed intervals.", "ETag"),
    ),
    Operation(
        method="GET", path="/v1/preview", handler=preview, role=Role.VIEWER, tag="time",
        summary="When a cron expression fires", query=PreviewQuery,
        answers={200: json_content(OccurrencePage, "Its coming moments.", "ETag")},
    ),
)  # fmt: skip
