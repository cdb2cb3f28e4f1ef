"""What `doctor` asks of the database: is it sound, what is stalled, how far did its clock get."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Text, cast, func, select, text

from reconciler.core.calendar.zone import rules_version
from reconciler.store.checked import UnreadableRow
from reconciler.store.engine.paging import Aside
from reconciler.store.runs.conditions import NOT_ENDED
from reconciler.store.runs.rows import LIGHT, run_of
from reconciler.store.tables import autopilot, autopilot_run, autopilot_trigger, delivery, revision

_A = autopilot.c
_T = autopilot_trigger.c
MOST = 10


def integrity_faults(tx: Connection) -> list[str]:
    """Return what SQLite finds wrong with its file, at most `MOST` sentences.

    It reads the whole file, without comparing indexes to tables. PostgreSQL checks its pages as it
    reads them and has no such question.
    """
    if tx.dialect.name != "sqlite":
        return []
    faults = [str(row[0]) for row in tx.execute(text(f"PRAGMA quick_check({MOST})"))]
    broken = [
        f"a row of {row[0]} refers to a row of {row[2]} that is not there"
        for row in tx.execute(text("PRAGMA foreign_key_check")).fetchmany(MOST)
    ]
    return [fault for fault in faults if fault != "ok"] + broken


def newest_moment(tx: Connection) -> datetime | None:
    """Return the latest moment at which a run, a delivery or a revision was recorded."""
    newest = [
        tx.execute(select(column).order_by(key.desc()).limit(1)).scalar_one_or_none()
        for column, key in (
            (autopilot_run.c.created_at, autopilot_run.c.id),
            (delivery.c.received_at, delivery.c.id),
            (revision.c.created_at, revision.c.id),
        )
    ]
    return max((moment for moment in newest if isinstance(moment, datetime)), default=None)


def count_outdated(tx: Connection) -> int:
    """Return the number of triggers whose next moment was worked out by other zone rules."""
    other = _T.zone_rules.is_distinct_from(rules_version())
    query = select(func.count()).where(_T.next_run_at.is_not(None), other)
    return tx.execute(query).scalar_one()


def list_prechecks(tx: Connection) -> list[tuple[str, str, str]]:
    """Return the workspace and name of each living autopilot with a precheck, and its program."""
    # By its text: of many thousands only a few have one.
    query = select(_A.workspace_id, _A.name, _A.spec).where(
        _A.archived_at.is_(None), cast(_A.spec, Text).like('%"precheck"%')
    )
    rows = tx.execute(query.order_by(_A.workspace_id, _A.name))
    known = ((workspace, name, (spec or {}).get("precheck")) for workspace, name, spec in rows)
    return [
        (workspace, name, str(precheck.get("program")))
        for workspace, name, precheck in known
        if isinstance(precheck, dict)
    ]


def list_unreadable_runs(tx: Connection) -> list[UnreadableRow]:
    """Return why runs that have not ended cannot be read, at most `MOST` of them."""
    errors: list[UnreadableRow] = []
    for row in tx.execute(LIGHT.where(NOT_ENDED).order_by(Aside(autopilot_run.c.id))):
        try:
            run_of(row)
        except UnreadableRow as error:
            errors.append(error)
    return errors[:MOST]


@dataclass(frozen=True, slots=True)
class StalledTrigger:
    """A schedule that is taken out of the loop, whose it is, and why."""

    workspace: str
    autopilot: str
    trigger: str
    reason: str


def list_stalled(tx: Connection) -> list[StalledTrigger]:
    """Return the stalled triggers of living autopilots, by workspace and name."""
    query = (
        select(_A.workspace_id, _A.name, _T.name, _T.stalled_reason)
        .join(autopilot, _A.id == _T.autopilot_id)
        .where(_T.stalled_at.is_not(None), _T.removed_at.is_(None), _A.archived_at.is_(None))
        .order_by(_A.workspace_id, _A.name, _T.name)
    )
    return [
        StalledTrigger(workspace, name, trigger, reason or "no reason is recorded")
        for workspace, name, trigger, reason in tx.execute(query)
    ]
