"""Current: what the database holds, put together from its rows.

Every document is rebuilt from the columns, never copied from what was applied, so that an edit of
any column by hand shows as drift.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, Row, Select, Table, Text, cast, select

from reconciler.collector import collecting_rarely
from reconciler.core.base.identity import Key
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import (
    Current,
    Document,
    Origin,
    Stored,
    digest_of,
)
from reconciler.store.engine.backend import Tx
from reconciler.store.engine.batches import batches
from reconciler.store.engine.json_text import read_json
from reconciler.store.objects.documents import document_of, trigger_document
from reconciler.store.objects.manifests import get_documents
from reconciler.store.revisions.files import read_files
from reconciler.store.revisions.revisions import applied_commit, applied_revision
from reconciler.store.tables import agent, autopilot, autopilot_trigger, squad

TABLES: dict[Kind, Table] = {Kind.AGENT: agent, Kind.SQUAD: squad, Kind.AUTOPILOT: autopilot}
"""Where each kind is kept."""

Rows = Sequence[Row[Any]]
Triggers = Mapping[str, list[Document]]
"""The triggers of each autopilot by its id."""

_RUNTIME = frozenset(
    {
        "unavailable_until", "unavailable_reason", "out_of_quota", "turn", "last_run_at",
        "paused_at", "paused_by", "pause_reason", "in_force_since", "failures",
        "breaker_opened_at", "breaker_probe", "created_by", "created_at", "updated_at",
    }
)  # fmt: skip
_TRIGGER = ("autopilot_id", "name", "kind", "enabled", "label", "cron_expression", "timezone",
            "webhook_secret", "spec")  # fmt: skip


def _as_text(column: Column[Any]) -> ColumnElement[Any]:
    return cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column


_OBJECTS: dict[Kind, Select[Any]] = {
    kind: select(*map(_as_text, (column for column in table.c if column.name not in _RUNTIME)))
    for kind, table in TABLES.items()
}
_AT_ONCE = 500
"""Rows that are held at a time."""
_TRIGGERS = (
    select(*(_as_text(autopilot_trigger.c[name]) for name in _TRIGGER))
    .where(autopilot_trigger.c.removed_at.is_(None))
    .order_by(autopilot_trigger.c.autopilot_id, autopilot_trigger.c.position)
)
_OWNER = autopilot_trigger.c.autopilot_id
_JSON = frozenset(
    column.name
    for table in (*TABLES.values(), autopilot_trigger)
    for column in table.c
    if isinstance(column.type, JSON)
)
"""Columns that hold JSON. They are read as text, and parsed by `_shared_json`."""


@collecting_rarely()
def read_current(tx: Tx, source_id: str) -> Current:
    """Every object of every source; revision and files are those last applied for `source_id`."""
    hashes = _Hashes()
    triggers = _by_autopilot(hashes.adding(tx, _TRIGGERS))
    stored: list[Stored] = []
    for kind, query in _OBJECTS.items():
        stored += _stored(tx, kind, hashes.adding(tx, query), triggers)
    _shared_json.cache_clear()  # it served this reading: thousands of documents need not stay
    return Current(
        objects={row.key: row for row in stored if not row.archived},
        archived={row.id: row for row in stored if row.archived},
        applied=applied_revision(tx, source_id),
        files=read_files(tx, source_id),
        commit=applied_commit(tx, source_id),
        fingerprint=hashes.total,
    )


def fingerprint(tx: Tx) -> int:
    """Return the fingerprint that `read_current` would give now.

    It costs a tenth of that, as nothing is made of the rows.
    """
    hashes = _Hashes()
    for query in (*_OBJECTS.values(), _TRIGGERS):
        for _row in hashes.adding(tx, query):
            pass
    return hashes.total


def fingerprint_of(tx: Tx, ids: Sequence[str]) -> int:
    """Return the part that the objects of these ids have in the fingerprint."""
    hashes = _Hashes()
    for batch in batches(ids):
        owned = _TRIGGERS.where(_OWNER.in_(batch))
        queries = (_OBJECTS[kind].where(table.c.id.in_(batch)) for kind, table in TABLES.items())
        for query in (*queries, owned):
            for _row in hashes.adding(tx, query):
                pass
    return hashes.total


@dataclass(slots=True)
class _Hashes:
    """The sum of what rows hash to, of every table and in whatever order they come."""

    total: int = 0

    def adding(self, tx: Tx, query: Select[Any]) -> Iterator[Rows]:
        """Pass the rows on, few at a time, and add what they hash to."""
        for rows in _parts(tx, query):
            self.total += sum(map(hash, rows))
            yield rows


def have_moved(tx: Tx, expected: Iterable[Stored]) -> bool:
    """Whether any of these rows is no longer as it was read; the runtime's columns do not count."""
    wanted = {row.id: row for row in expected}
    for kind in Kind:
        ids = sorted(id_ for id_, row in wanted.items() if row.key.kind == kind)
        for batch in batches(ids):
            actual = {row.id: _mark(row) for row in _read(tx, kind, TABLES[kind].c.id.in_(batch))}
            if actual != {id_: _mark(wanted[id_]) for id_ in batch}:
                return True
    return False


def _mark(row: Stored) -> tuple[object, ...]:
    return (row.key, row.digest, row.source_id, row.applied_digest, row.archived)


def find(tx: Tx, key: Key) -> Stored | None:
    """The live object of this name."""
    table = TABLES[Kind(key.kind)]
    named = (table.c.workspace_id == key.workspace, table.c.name == key.name)
    rows = _read(tx, Kind(key.kind), *named, table.c.archived_at.is_(None))
    return rows[0] if rows else None


def list_objects(
    tx: Tx, kind: Kind, *where: ColumnElement[bool], archived: bool = False
) -> list[Stored]:
    """The objects of a kind by workspace and name; archived ones only on request."""
    table = TABLES[kind]
    living = () if archived else (table.c.archived_at.is_(None),)
    rows = _read(tx, kind, *living, *where)
    return sorted(rows, key=lambda row: (row.key.workspace, row.key.name, row.id))


@collecting_rarely()
def list_documents(
    tx: Tx, source_id: str | None, workspaces: Collection[str] | None
) -> list[Document]:
    """The documents of living objects by kind, workspace and name, of a source or of all.

    Nothing else is made of the rows: a digest takes as long as the document that it is of.
    """
    documents: list[Document] = []
    for kind, table in TABLES.items():
        where: list[ColumnElement[bool]] = [table.c.archived_at.is_(None)]
        where += [] if source_id is None else [table.c.source_id == source_id]
        where += [] if workspaces is None else [table.c.workspace_id.in_(sorted(workspaces))]
        owned = _TRIGGERS.where(_OWNER.in_(select(table.c.id).where(*where)))
        triggers = _by_autopilot(_parts(tx, owned)) if kind is Kind.AUTOPILOT else {}
        order = (table.c.workspace_id, table.c.name, table.c.id)
        rows = _by_column(_parts(tx, _OBJECTS[kind].where(*where).order_by(*order)))
        documents += [document_of(kind, row, triggers.get(row["id"], ())) for row in rows]
    return documents


def _parts(tx: Tx, query: Select[Any]) -> Iterator[Rows]:
    """The rows of a query, few at a time: they take more memory than what is made of them."""
    return tx.execute(query).partitions(_AT_ONCE)


def _read(tx: Tx, kind: Kind, *where: ColumnElement[bool]) -> list[Stored]:
    rows = tx.execute(_OBJECTS[kind].where(*where)).all()
    if not rows:
        return []
    owned = kind is Kind.AUTOPILOT
    triggers = _triggers_of(tx, [row.id for row in rows]) if owned else {}
    return _stored(tx, kind, [rows], triggers)


def _triggers_of(tx: Tx, autopilot_ids: Sequence[str]) -> Triggers:
    queries = (_TRIGGERS.where(_OWNER.in_(batch)) for batch in batches(autopilot_ids))
    return _by_autopilot(tx.execute(query).all() for query in queries)


def _by_autopilot(parts: Iterable[Rows]) -> Triggers:
    """The triggers of each autopilot, in the order in which they were written."""
    triggers: dict[str, list[Document]] = defaultdict(list)
    for row in _by_column(parts):
        triggers[row["autopilot_id"]].append(trigger_document(row))
    return triggers


def _by_column(parts: Iterable[Rows]) -> Iterator[dict[str, Any]]:
    """Rows as plain dictionaries: a mapping of SQLAlchemy's takes several times as long to read."""
    for rows in parts:
        names = rows[0]._fields if rows else ()
        parsed = _JSON.intersection(names)
        for row in rows:
            values = dict(zip(names, row, strict=True))
            for name in parsed:
                if (text := values[name]) is not None:
                    values[name] = _shared_json(text)
            yield values


@lru_cache(maxsize=4096)
def _shared_json(text: str) -> Any:
    """The value of a text, the same one for the same text: no document is ever changed in place.

    Of ten thousand autopilots most have the same labels, and leave most of a spec to its defaults:
    that is parsed once and held once.
    """
    return read_json(text)


def _stored(tx: Tx, kind: Kind, parts: Iterable[Rows], triggers: Triggers) -> list[Stored]:
    rows = _by_column(parts)
    return _with_applied(tx, [_row(kind, row, triggers.get(row["id"], ())) for row in rows])


def _row(kind: Kind, row: Mapping[str, Any], triggers: Sequence[Document]) -> Stored:
    document = document_of(kind, row, triggers)
    return Stored(
        key=Key(kind.value, row["workspace_id"], row["name"]),
        id=row["id"],
        document=document,
        digest=digest_of(document),
        source_id=row["source_id"],
        origin=_origin(row),
        applied=document,
        applied_digest=row["applied_digest"],
        archived=row["archived_at"] is not None,
    )


def _origin(row: Mapping[str, Any]) -> Origin | None:
    if row["source_id"] is None or row["origin_path"] is None:
        return None
    return Origin(
        source_id=row["source_id"],
        path=row["origin_path"],
        line=row["origin_line"] or 1,
        column=row["origin_column"] or 1,
        revision=row["origin_revision"],
    )


def _with_applied(tx: Tx, objects: list[Stored]) -> list[Stored]:
    """Give each row what was last applied to it: its own document, except where it has drifted."""
    differing = {row.applied_digest for row in objects if row.digest != row.applied_digest}
    documents = get_documents(tx, filter(None, differing))
    return [
        row
        if row.digest == row.applied_digest
        else replace(row, applied=documents.get(row.applied_digest or ""))
        for row in objects
    ]
