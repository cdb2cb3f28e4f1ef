"""Which named constraint a write ran into, on either database, and what that means to people."""

import re
import sqlite3

from sqlalchemy import Index, Table, UniqueConstraint
from sqlalchemy.exc import DBAPIError, IntegrityError

from reconciler.core.base.errors import Conflict
from reconciler.store.tables import metadata

_UNIQUE = re.compile(r"UNIQUE constraint failed: (.+)")
_CHECK = re.compile(r"CHECK constraint failed: (\S+)")

_MEANINGS: dict[str, tuple[str, str]] = {
    "uq_agent_name": ("name-taken", "another agent of the workspace already has this name"),
    "uq_squad_name": ("name-taken", "another squad of the workspace already has this name"),
    "uq_autopilot_name": ("name-taken", "another autopilot of the workspace already has this name"),
    "uq_trigger_name": ("name-taken", "another trigger of the autopilot already has this name"),
    "uq_trigger_webhook_token": ("token-taken", "another trigger already has this webhook URL"),
    "uq_run_occurrence": ("occurrence-claimed", "the occurrence already has its run"),
    "uq_run_holds": ("in-use", "another run uses what this one needs for itself"),
    "uq_missed_interval_first": ("interval-recorded", "the missed interval is already recorded"),
    "uq_missed_interval_open": ("interval-open", "the trigger already has an open interval"),
    "pk_idempotency_key": ("key-taken", "the idempotency key is already used"),
}


def violated(error: DBAPIError) -> str | None:
    """The name of the constraint that `error` reports, None where the database does not say.

    SQLite names the columns of a unique constraint and nothing at all for a foreign key.
    """
    if not isinstance(error, IntegrityError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_name(str(error.orig))
    name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    return str(name) if name else None


def conflict(error: DBAPIError) -> Conflict | None:
    """The `Conflict` for a constraint that people can run into; None for all else."""
    name = violated(error)
    if name is None or name not in _MEANINGS:
        return None
    reason, sentence = _MEANINGS[name]
    return Conflict(sentence, reason=reason)


def _sqlite_name(message: str) -> str | None:
    if unique := _UNIQUE.fullmatch(message):
        return _UNIQUE_BY_COLUMNS.get(unique[1])
    if check := _CHECK.fullmatch(message):
        return check[1]
    return None


def _uniques(table: Table) -> dict[str, str]:
    """The names of a table's unique constraints by the columns, as SQLite lists them."""
    constraints = [*table.constraints, *table.indexes]
    named = [c for c in constraints if isinstance(c, UniqueConstraint) or _is_unique(c)]
    names = {_listed(table, c.columns.keys()): str(c.name) for c in named}  # type: ignore[attr-defined]
    key = table.primary_key
    names.setdefault(_listed(table, key.columns.keys()), str(key.name))
    return names


def _is_unique(constraint: object) -> bool:
    return isinstance(constraint, Index) and bool(constraint.unique)


def _listed(table: Table, columns: list[str]) -> str:
    return ", ".join(f"{table.name}.{column}" for column in columns)


_UNIQUE_BY_COLUMNS: dict[str, str] = {
    columns: name for table in metadata.sorted_tables for columns, name in _uniques(table).items()
}
