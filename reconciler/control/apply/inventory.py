"""What is there, whose it is, and whether it is still what was applied: adopt, drift, export."""

from dataclasses import asdict
from typing import Any

from reconciler.control.apply.reconcile import LOCK
from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.base.identity import Key
from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.state import Document, Stored
from reconciler.core.plan.drift import Drift, drift_of, inventory_of
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.current import find, list_documents, read_current
from reconciler.store.objects.ownership import take_over
from reconciler.store.revisions.files import read_files
from reconciler.store.revisions.revisions import Attempt, list_attempts, list_sources

Workspaces = frozenset[str] | None
"""The workspaces that somebody may see; None is all of them."""


def adopt(database: Database, key: Key, source_id: str) -> Stored:
    """Give an object that no source owns to `source_id`; one that it owns already is left.

    Its content stays: the next plan compares it with the manifest. Raises `NotFound`, and
    `Conflict` for another source's object.
    """

    def take(tx: Tx) -> Stored:
        database.lock(tx, LOCK)
        return _adopt(tx, key, source_id)

    return database.write(take)


def _adopt(tx: Tx, key: Key, source_id: str) -> Stored:
    row = find(tx, key)
    if row is None:
        raise NotFound(f"there is no {key.kind} {key.workspace}/{key.name}")
    if row.source_id == source_id:
        return row
    if row.source_id is not None:
        raise Conflict(
            f"{key} belongs to source {row.source_id!r}; remove it there first, and this source "
            "takes it over with its history",
            reason="owned-elsewhere",
        )
    return take_over(tx, row, source_id)


def drift(
    database: Database, source_id: str | None = None, workspaces: Workspaces = None
) -> tuple[Drift, ...]:
    """Objects that are not as they were last applied, of one source or of all; gone ones too."""

    def read(tx: Tx) -> tuple[Drift, ...]:
        sources = list_sources(tx) if source_id is None else [source_id]
        inventory = {name: inventory_of(read_files(tx, name).values()) for name in sources}
        return drift_of(read_current(tx, source_id or ""), source_id, inventory)

    drifted = database.read(read)
    return tuple(
        entry for entry in drifted if workspaces is None or entry.key.workspace in workspaces
    )


def history(
    database: Database,
    source_id: str | None = None,
    *,
    workspaces: Workspaces = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Attempt]:
    """Revisions that were tried, newest first; `before` is the last id seen."""
    return database.read(
        lambda tx: list_attempts(
            tx, source_id=source_id, workspaces=workspaces, before=before, limit=limit
        )
    )


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    """A revision that was tried, as JSON: every name is there, null where there is no value."""
    moment = attempt.revision.committed_at
    return {
        "id": attempt.id,
        "sourceId": attempt.source_id,
        "revision": attempt.revision.id,
        "author": attempt.revision.author,
        "subject": attempt.revision.subject,
        "committedAt": format_instant(moment) if moment else None,
        "actor": attempt.actor,
        "via": attempt.via.value,
        "result": attempt.result.value,
        "digest": attempt.plan_digest,
        "counts": dict(attempt.counts),
        "problems": [asdict(problem) for problem in attempt.problems],
        "problemCount": attempt.problem_count,
        "createdAt": format_instant(attempt.created_at),
    }


def export(
    database: Database, source_id: str | None = None, workspaces: Workspaces = None
) -> tuple[Document, ...]:
    """The document of every live object by kind, workspace and name: what a source would say."""

    return tuple(database.read(lambda tx: list_documents(tx, source_id, workspaces)))
