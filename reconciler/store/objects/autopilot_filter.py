"""Which autopilots a list shows, as SQL (docs/http.md)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.runs.ahead import DECIDED_AHEAD
from reconciler.core.runs.condition import LATE, Health
from reconciler.core.runs.run import Status
from reconciler.store.money.own import may_be_nearly_spent
from reconciler.store.tables import autopilot, autopilot_run, autopilot_trigger, missed_interval

_A = autopilot.c
RECENT = 5
"""Runs and missed intervals of each autopilot that its health is judged by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutopilotFilter:
    """None does not filter. Archived autopilots are shown only when asked for.

    `labels` are keys with a value, or with None for any. `may_be` leaves out what surely has
    another health at the moment `now`; `core.runs.condition` judges the rest.
    """

    workspaces: frozenset[str] | None = None
    name: str | None = None
    status: AutopilotStatus | None = None
    assignee: tuple[str, str] | None = None
    text: str | None = None
    labels: tuple[tuple[str, str | None], ...] = ()
    trigger: TriggerKind | None = None
    may_be: tuple[Health, datetime] | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """All of them must hold."""
        yield from self._living()
        if self.workspaces is not None:
            yield _A.workspace_id.in_(sorted(self.workspaces))
        if self.name is not None:
            yield _A.name == self.name
        if self.assignee is not None:
            kind, name = self.assignee
            yield from (_A.assignee_type == kind, _A.assignee_id == name)
        if self.text is not None:
            columns = (_A.name, _A.title, _A.description)
            yield or_(*(c.icontains(self.text, autoescape=True) for c in columns))
        for key, value in self.labels:
            yield _has_label(key, value)
        if self.trigger is not None:
            yield exists(_triggers_of(self.trigger))
        if self.may_be is not None:
            yield from _may_be(*self.may_be)

    def _living(self) -> Iterator[ColumnElement[bool]]:
        if self.status is AutopilotStatus.ARCHIVED:
            yield _IS_ARCHIVED
        else:  # written as in the index of names, which is of living ones
            yield _A.archived_at.is_(None)
            yield _A.status != AutopilotStatus.ARCHIVED
            if self.status is not None:
                yield _A.status == self.status


_IS_ARCHIVED = or_(_A.archived_at.is_not(None), _A.status == AutopilotStatus.ARCHIVED)
_IS_PAUSED = or_(_IS_ARCHIVED, _A.status == AutopilotStatus.PAUSED, _A.paused_at.is_not(None))


class _EachLabel(GenericFunction[Any]):
    """The keys and values of an object, as rows."""

    name = "json_each"
    inherit_cache = True


# A row whose labels somebody edited into something else has none, and hides no other row.
@compiles(_EachLabel, "postgresql")
def _as_text(element: _EachLabel, compiler: SQLCompiler, **options: Any) -> str:
    labels = compiler.process(element.clauses, **options)
    an_object = f"json_typeof({labels}) = 'object'"
    return f"json_each_text(CASE WHEN {an_object} THEN {labels} ELSE '{{}}' END)"


@compiles(_EachLabel, "sqlite")
def _as_rows(element: _EachLabel, compiler: SQLCompiler, **options: Any) -> str:
    labels = compiler.process(element.clauses, **options)
    return f"json_each(CASE WHEN json_valid({labels}) THEN {labels} ELSE '{{}}' END)"


def _has_label(key: str, value: str | None) -> ColumnElement[bool]:
    label = _EachLabel(_A.labels).table_valued("key", "value")
    wanted = [label.c.key == key]
    if value is not None:
        wanted.append(label.c.value == value)
    return exists(select(1).select_from(label).where(*wanted).correlate(autopilot))


def _may_be(health: Health, now: datetime) -> Iterator[ColumnElement[bool]]:
    """In the order of `condition_of`: each health rules out those after it."""
    if health is Health.PAUSED:
        yield _IS_PAUSED
        return
    yield ~_IS_PAUSED
    if health is Health.FAILING:
        yield _A.breaker_opened_at.is_not(None)
        return
    yield _A.breaker_opened_at.is_(None)
    late = _A.id.in_(_overdue(now))
    if health is Health.LATE:
        yield late
        return
    yield ~late
    if health is Health.DEGRADED:
        halted = _A.id.in_(_halted(now))
        yield or_(
            _has_trouble(), exists(_missed()), halted, exists(_webhooks()), may_be_nearly_spent()
        )


def _overdue(now: datetime) -> Any:
    t = autopilot_trigger.c
    return select(t.autopilot_id).where(t.next_run_at < now - LATE, t.removed_at.is_(None))


def _halted(now: datetime) -> Any:
    """Autopilots with a trigger that is stalled, or decided further than the clock can tell."""
    t = autopilot_trigger.c
    halted = or_(t.stalled_at.is_not(None), t.cursor > now + DECIDED_AHEAD)
    return select(t.autopilot_id).where(halted, t.removed_at.is_(None))


def _has_trouble() -> ColumnElement[bool]:
    r = autopilot_run.c
    recent = (
        select(r.status)
        .where(r.autopilot_id == _A.id)
        .order_by(r.id.desc())
        .limit(RECENT)
        .correlate(autopilot)
        .subquery()
    )
    bad = recent.c.status.in_((Status.FAILED, Status.SKIPPED))
    return exists(select(1).select_from(recent).where(bad))


def _webhooks() -> Any:
    """Any of them may be unable to verify: the secrets are not in the database."""
    return _triggers_of(TriggerKind.WEBHOOK)


def _triggers_of(kind: TriggerKind) -> Any:
    t = autopilot_trigger.c
    mine = select(1).where(t.autopilot_id == _A.id, t.kind == kind, t.removed_at.is_(None))
    return mine.correlate(autopilot)


def _missed() -> Any:
    return select(1).where(missed_interval.c.autopilot_id == _A.id).correlate(autopilot)
