"""The coming moments of a schedule trigger, and what clock changes do to them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.core.calendar.errors import ScheduleError
from reconciler.core.calendar.schedule import Occurrence, local_time, occurrences
from reconciler.core.calendar.timetable import CronSchedule
from reconciler.core.manifest.trigger import ScheduleTrigger, TriggerKind
from reconciler.core.schedule.agenda import Agenda


def forecast(
    trigger_id: str, document: Mapping[str, Any], after: datetime, count: int
) -> list[Occurrence]:
    """The first `count` occurrences later than `after`: nominal moments, without jitter.

    Nothing for other kinds of trigger, and nothing for one that cannot be worked out: that one is
    stalled, with the reason in its status.
    """
    if document["kind"] != TriggerKind.SCHEDULE:
        return []
    try:
        spec = ScheduleTrigger.model_validate(document)
        agenda = Agenda.of(trigger_id, spec)
        moments: list[Occurrence] = []
        at = agenda.next_after(after)
        while at is not None and len(moments) < count:
            moments.append(_explained(agenda, spec.timezone, at))
            at = agenda.next_after(at)
    except (ScheduleError, ValueError):
        return []
    return moments


def _explained(agenda: Agenda, timezone: str, at: datetime) -> Occurrence:
    if isinstance(agenda.schedule, CronSchedule):
        just_before = at - datetime.resolution
        return occurrences(agenda.schedule.expr, timezone, just_before, 1)[0]
    return Occurrence(at, local_time(at, timezone), None)
