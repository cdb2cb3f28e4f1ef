"""When the schedule triggers of an autopilot fire, or why they do not; for commands and the API."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from reconciler.core.calendar.errors import ScheduleError
from reconciler.core.calendar.schedule import Occurrence, local_time, occurrences
from reconciler.core.calendar.timetable import CronSchedule
from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.trigger import ScheduleTrigger, TriggerKind
from reconciler.core.runs.ahead import DECIDED_AHEAD, is_ahead
from reconciler.core.runs.standing import NotInForce, Standing
from reconciler.core.schedule.agenda import Agenda


class TriggerRow(Protocol):
    """A trigger of an autopilot. `document` is the trigger as canonical JSON."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def document(self) -> dict[str, Any]: ...
    @property
    def stalled_reason(self) -> str | None: ...
    @property
    def cursor(self) -> datetime | None: ...


def forecast(
    trigger_id: str, document: Mapping[str, Any], after: datetime, count: int
) -> list[Occurrence]:
    """The first `count` occurrences later than `after`: nominal moments, without jitter.

    Nothing for other kinds of trigger, and nothing for one that cannot be worked out: that one is
    stalled, with the reason in its status.
    """
    if document["kind"] != TriggerKind.SCHEDULE:
        return []
    return _moments(trigger_id, document, after, count) or []


def outlook_document(
    triggers: Iterable[TriggerRow],
    standing: Standing,
    *,
    now: datetime,
    after: datetime | None,
    count: int,
) -> dict[str, Any]:
    """The JSON of what comes, `TriggerOccurrencePage` of the API.

    Without `after` they are what will happen from now on: an autopilot that takes no work, and a
    trigger that is halted, have none. With it they are what the schedules mean from that moment on.
    """
    reason = standing.why if isinstance(standing, NotInForce) else None
    hidden = reason is not None and after is None
    schedules = [row for row in triggers if row.document["kind"] == TriggerKind.SCHEDULE]
    states: list[dict[str, Any]] = []
    items: list[dict[str, Any]] = []
    for row in [] if hidden else schedules:
        halted = _halted(row, now)
        moments = None
        if halted is None or after is not None:
            moments = _moments(row.id, row.document, after or now, count)
            items += (_item(row, moment) for moment in moments or ())
        state = {"trigger": row.name, "triggerId": row.id, "halted": halted}
        states.append({**state, "readable": moments is not None or halted is not None})
    items.sort(key=lambda item: (item["utc"], item["trigger"]))
    return {
        "items": items,
        "notInForceReason": reason,
        "triggers": states,
        "nextCursor": None,
    }


def occurrence_document(moment: Occurrence) -> dict[str, Any]:
    """`{"utc", "local", "note"}`."""
    return {
        "utc": format_instant(moment.at),
        "local": moment.local.isoformat(),
        "note": moment.note,
    }


def _item(row: TriggerRow, moment: Occurrence) -> dict[str, Any]:
    return {**occurrence_document(moment), "trigger": row.name, "triggerId": row.id}


def _halted(trigger: TriggerRow, now: datetime) -> str | None:
    """Why a trigger does not fire though its schedule has moments to come."""
    if not trigger.enabled:
        return "the manifest says enabled: false"
    if trigger.stalled_reason is not None:
        return f"it is stalled: {trigger.stalled_reason}"
    if trigger.cursor is not None and is_ahead(trigger.cursor, now, DECIDED_AHEAD):
        until = format_instant(trigger.cursor)
        return f"a clock that was ahead left it decided up to {until}; a server puts that right"
    return None


def _moments(
    trigger_id: str, document: Mapping[str, Any], after: datetime, count: int
) -> list[Occurrence] | None:
    """The coming moments; None for a schedule that cannot be worked out."""
    try:
        spec = ScheduleTrigger.model_validate(document)
        agenda = Agenda.of(trigger_id, spec)
        return list(islice(_occurrences(agenda, spec.timezone, after), count))
    except (ScheduleError, ValueError):
        return None


def _occurrences(agenda: Agenda, timezone: str, after: datetime) -> Iterator[Occurrence]:
    at = agenda.next_after(after)
    while at is not None:
        yield _explained(agenda, timezone, at)
        at = agenda.next_after(at)


def _explained(agenda: Agenda, timezone: str, at: datetime) -> Occurrence:
    """Cron expressions with their notes; other schedules have none to make."""
    if isinstance(agenda.schedule, CronSchedule):
        just_before = at - datetime.resolution
        return occurrences(agenda.schedule.expr, timezone, just_before, 1)[0]
    return Occurrence(at, local_time(at, timezone), None)
