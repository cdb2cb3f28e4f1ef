"""Carries a plan out: rows of agents, squads, autopilots and triggers, inside one transaction.

Whether the plan still holds and is safe was asked before, in the same transaction.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, assert_never

from sqlalchemy import bindparam, update

from reconciler.core.manifest.model import AutopilotStatus, Kind
from reconciler.core.manifest.state import Declared, Document, FileDigest, Stored, annotations_of
from reconciler.core.plan.changes import (
    Archive,
    Blocked,
    Create,
    Move,
    Restore,
    Update,
)
from reconciler.core.plan.plan import Plan
from reconciler.store.engine.backend import Tx
from reconciler.store.engine.batches import batches
from reconciler.store.engine.bulk import Values, insert_rows
from reconciler.store.objects.apply_context import ApplyContext
from reconciler.store.objects.apply_triggers import (
    Bare,
    Rescheduled,
    hold_triggers,
    insert_triggers,
    park_triggers,
    record_lapsed,
    update_triggers,
)
from reconciler.store.objects.current import TABLES
from reconciler.store.objects.documents import object_values
from reconciler.store.objects.manifests import save_documents
from reconciler.store.revisions.files import save_files
from reconciler.store.runs.quotas import ask_at_once

Changed = Update | Move | Restore
"""An object that has a row, and whose content becomes the manifest's."""


def apply_changes(
    tx: Tx, plan: Plan, files: Iterable[FileDigest], context: ApplyContext
) -> tuple[str, ...]:
    """Write all of `plan` and the source's `files`; return the ids of autopilots that ended.

    1. Hold the triggers that change: a tick takes triggers before autopilots, so must we. Those of
       new autopilots too: somebody may have deleted a row and left its triggers.
    2. Keep the manifests; rows refer to them.
    3. Archive what left and set moved rows aside, which frees names: two may swap theirs.
    4. Create, then change objects of each kind, and their triggers.
    5. Renew the notes of what did not change, and the files.
    """
    if plan.blocked:
        raise ValueError("a plan that is blocked cannot be applied")
    created = [change.after for change in plan.changes if isinstance(change, Create)]
    changed = [change for change in plan.changes if isinstance(change, Changed)]
    archived = [change.before for change in plan.changes if isinstance(change, Archive)]
    leaving = [row for row in archived if _is_autopilot(row)]
    altered = [change.before for change in changed if _is_autopilot(change)]
    fresh = [declared for declared in created if _is_autopilot(declared)]
    rows = [*altered, *leaving]
    # The same order as a tick, triggers before autopilots; another one would be a deadlock.
    held = hold_triggers(tx, [*(row.id for row in rows), *(new.id for new in fresh)])
    save_documents(tx, {d.digest: d.document for d in _declared(plan)})
    record_lapsed(tx, {row.id: _triggers(row) for row in leaving}, held, context)
    _archive(tx, archived, context.now)
    _set_aside(tx, [change.before for change in changed if isinstance(change, Move)])
    for kind in Kind:
        _create(tx, kind, [d for d in created if d.key.kind == kind], plan, context)
        _change(tx, kind, [c for c in changed if c.key.kind == kind], plan, context)
    insert_triggers(tx, [_bare(new) for new in fresh if not held[new.id]], context)
    orphaned = [_orphaned(new) for new in fresh if held[new.id]]
    rescheduled = [_rescheduled(change) for change in changed if _is_autopilot(change)]
    update_triggers(tx, [*orphaned, *rescheduled], held, context)
    _refresh(tx, plan)
    save_files(tx, plan.source_id, files)
    return (
        *(row.id for row in leaving),
        *(change.id for change in changed if _is_autopilot(change) and _archives(change.after)),
    )


def _declared(plan: Plan) -> Iterable[Declared]:
    for change in plan.changes:
        match change:
            case Archive():
                pass
            case Create(after) | Update(_, after) | Move(_, after) | Restore(_, after):
                yield after
            case Blocked():
                raise ValueError(f"blocked: {change.key}")
            case other:
                assert_never(other)
    yield from (refresh.after for refresh in plan.refreshes)


def _is_autopilot(item: Stored | Declared | Changed) -> bool:
    return item.key.kind == Kind.AUTOPILOT


def _archives(declared: Declared) -> bool:
    return _status(declared) == AutopilotStatus.ARCHIVED


def _status(declared: Declared) -> str:
    status: str = declared.document["spec"]["status"]
    return status


def _archive(tx: Tx, rows: Sequence[Stored], now: datetime) -> None:
    for kind in Kind:
        table = TABLES[kind]
        for batch in batches([row.id for row in rows if row.key.kind == kind]):
            values = {"archived_at": now, "updated_at": now}
            tx.execute(update(table).where(table.c.id.in_(batch)).values(values))
    park_triggers(tx, [row.id for row in rows if _is_autopilot(row)])


def _set_aside(tx: Tx, rows: Sequence[Stored]) -> None:
    """Give rows a name that nothing has, their id, until each gets its new one."""
    for kind in Kind:
        table = TABLES[kind]
        for batch in batches([row.id for row in rows if row.key.kind == kind]):
            tx.execute(update(table).where(table.c.id.in_(batch)).values(name=table.c.id))


def _create(
    tx: Tx, kind: Kind, objects: Sequence[Declared], plan: Plan, context: ApplyContext
) -> None:
    author = plan.revision.author or context.actor
    made = {"created_by": author, "created_at": context.now, "updated_at": context.now}
    rows = ({"id": declared.id, **_content(declared, plan), **made} for declared in objects)
    insert_rows(tx, TABLES[kind], rows)


def _content(declared: Declared, plan: Plan) -> Values:
    return {**object_values(declared.document), **_ownership(declared, plan)}


def _ownership(declared: Declared, plan: Plan) -> Values:
    origin = declared.origin
    return {
        "source_id": plan.source_id,
        "origin_path": origin.path,
        "origin_line": origin.line,
        "origin_column": origin.column,
        "origin_revision": origin.revision or plan.revision.id,
        "applied_digest": declared.digest,
    }


def _change(
    tx: Tx, kind: Kind, changes: Sequence[Changed], plan: Plan, context: ApplyContext
) -> None:
    noted = {"archived_at": None, "updated_at": context.now, **_RESET[kind]}
    _update_all(
        tx, kind, [(change.id, {**_content(change.after, plan), **noted}) for change in changes]
    )
    if kind is Kind.AGENT:
        for change in changes:
            ask_at_once(tx, change.after.key.workspace, change.after.key.name, context.now)
    if kind is Kind.AUTOPILOT:
        edited = [change.id for change in changes if _spec_changed(change)]
        _update_all(tx, kind, [(change, _CLOSED_BREAKER) for change in edited])
        since = {"in_force_since": context.now}
        _update_all(
            tx, kind, [(change.id, since) for change in changes if _comes_into_force(change)]
        )


_RESET: dict[Kind, Values] = {
    Kind.AGENT: {"unavailable_until": None, "unavailable_reason": None, "out_of_quota": False},
    Kind.SQUAD: {},
    Kind.AUTOPILOT: {},
}
"""What an edit makes worth another try: the agent may be reached in another way now."""

_CLOSED_BREAKER: Values = {"failures": 0, "breaker_opened_at": None, "breaker_probe": None}


def _update_all(tx: Tx, kind: Kind, rows: Sequence[tuple[str, Values]]) -> None:
    """Write the same columns of many rows, in the order of their ids."""
    if not rows:
        return
    table = TABLES[kind]
    columns = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in rows[0][1]}
    statement = update(table).where(table.c.id == bindparam("row_id")).values(columns)
    tx.execute(statement, [_named(row_id, values) for row_id, values in sorted(rows, key=_first)])


def _named(row_id: str, values: Values) -> dict[str, Any]:
    return {"row_id": row_id, **{f"new_{name}": value for name, value in values.items()}}


def _first(row: tuple[str, Values]) -> str:
    return row[0]


def _spec_changed(change: Changed) -> bool:
    """Whether git says something new, which closes a breaker (docs/runs.md#in-force-or-not).

    Healing a drift is nothing new.
    """
    applied = change.before.applied
    return applied is None or _spec(applied) != _spec(change.after.document)


def _spec(document: Document) -> Document:
    spec: Document = document["spec"]
    return {**spec, "triggers": sorted(spec["triggers"], key=lambda trigger: str(trigger["name"]))}


def _comes_into_force(change: Changed) -> bool:
    """Whether git lets the autopilot run again: nothing before this moment may start then."""
    was = change.before.document["spec"].get("status")
    stood_still = change.before.archived or was != AutopilotStatus.ACTIVE
    return stood_still and _status(change.after) == AutopilotStatus.ACTIVE


def _goes_out_of_force(change: Changed) -> bool:
    """Whether git pauses the autopilot: what was due until now was not paused."""
    was = change.before.document["spec"].get("status")
    return was == AutopilotStatus.ACTIVE and _status(change.after) == AutopilotStatus.PAUSED


def _bare(declared: Declared) -> Bare:
    return Bare(declared.id, declared.document["spec"]["triggers"], _archives(declared))


def _orphaned(declared: Declared) -> Rescheduled:
    """A new autopilot whose triggers outlived the row that was deleted by hand."""
    return Rescheduled(
        autopilot_id=declared.id,
        before={},
        after=declared.document["spec"]["triggers"],
        parked=_archives(declared),
        revived=True,
    )


def _rescheduled(change: Changed) -> Rescheduled:
    before = change.before.document["spec"]
    return Rescheduled(
        autopilot_id=change.id,
        before=_triggers(change.before),
        after=change.after.document["spec"]["triggers"],
        parked=_archives(change.after),
        pauses=_goes_out_of_force(change),
        revived=change.before.archived or before.get("status") == AutopilotStatus.ARCHIVED,
    )


def _triggers(row: Stored) -> dict[str, Document]:
    """The triggers of an autopilot by name, as the database holds them."""
    return {str(trigger.get("name")): trigger for trigger in row.document["spec"]["triggers"]}


def _refresh(tx: Tx, plan: Plan) -> None:
    for kind in Kind:
        batch = [refresh for refresh in plan.refreshes if refresh.before.key.kind == kind]
        _update_all(
            tx, kind, [(refresh.before.id, _noted(refresh.after, plan)) for refresh in batch]
        )


def _noted(declared: Declared, plan: Plan) -> Values:
    """What of a manifest may differ without a change: its place, and its annotations."""
    annotations = annotations_of(declared.document)
    return {**_ownership(declared, plan), "annotations": annotations}
