"""Reading what an audit needs, within what is still kept (docs/audit.md)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from reconciler.control.prune import COUNTED
from reconciler.control.runs.deciding import read_definition
from reconciler.core.base.errors import UsageError
from reconciler.core.calendar.errors import ScheduleError
from reconciler.core.schedule.agenda import Agenda
from reconciler.core.schedule.audit import Audit, AuditedTrigger, Intervals, Period, Unknown, audit
from reconciler.settings import Settings
from reconciler.store.audit import (
    TriggerRow,
    Workspaces,
    accepted_deliveries,
    intervals_of,
    runs_by_occurrence,
    runs_without_delivery,
    schedules_of,
)
from reconciler.store.engine.database import Tx

MOST = 100_000
"""Occurrences, and as many deliveries."""


@dataclass(frozen=True, slots=True)
class AuditRetention:
    """How long rows are kept: nothing can be claimed of what may be deleted already."""

    runs: timedelta
    deliveries: timedelta

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """How long a server with these settings keeps them."""
        return cls(max(settings.keep_runs, COUNTED), settings.keep_deliveries)


def audit_period(
    tx: Tx,
    since: datetime,
    until: datetime,
    now: datetime,
    retention: AuditRetention,
    *,
    workspaces: Workspaces = None,
    most: int = MOST,
) -> Audit:
    """Audit `since..until`, `until` not included and not beyond `now`. Raises UsageError."""
    if since >= until:
        raise UsageError("from must lie before to")
    period = Period(since, min(until, now))
    if period.since >= period.until:
        raise UsageError("from lies in the future: there is nothing to audit yet")
    unknown: list[Unknown] = []
    of_schedules = _within_retention(period, now - retention.runs, "runs", unknown)
    of_webhooks = _within_retention(
        period,
        now - min(retention.runs, retention.deliveries),
        "deliveries and their runs",
        unknown,
    )
    triggers = [
        _audited(tx, row, of_schedules) for row in schedules_of(tx, of_schedules, workspaces)
    ]
    deliveries = accepted_deliveries(tx, of_webhooks, workspaces, most + 1)
    if len(deliveries) > most:
        first_left = deliveries[most].at
        why = f"more than {most:,} deliveries; ask for a shorter time"
        unknown.append(Unknown(None, first_left, period.until, why))
    orphans = runs_without_delivery(tx, of_webhooks, workspaces, most)
    outcome = audit(of_schedules, now, triggers, deliveries[:most], orphans, most=most)
    outcome.period = period
    outcome.unknown = unknown + outcome.unknown
    return outcome


def _within_retention(
    period: Period, oldest: datetime, what: str, unknown: list[Unknown]
) -> Period:
    """The part of the period of which rows are still there."""
    if oldest <= period.since:
        return period
    until = min(oldest, period.until)
    unknown.append(Unknown(None, period.since, until, f"{what} of that time are no longer kept"))
    return Period(until, period.until)


def _audited(tx: Tx, row: TriggerRow, period: Period) -> AuditedTrigger:
    return AuditedTrigger(
        place=row.place,
        made=row.made,
        changed=row.changed,
        after=row.after,
        left=row.left,
        decided=row.decided,
        timetable=_agenda(row),
        runs=runs_by_occurrence(tx, row.id, period),
        intervals=Intervals(intervals_of(tx, row.id, period)),
    )


def _agenda(row: TriggerRow) -> Agenda | None:
    try:
        return read_definition(row.definition).agenda.of_trigger(row.id)
    except (ScheduleError, ValueError, LookupError, TypeError):
        return None
