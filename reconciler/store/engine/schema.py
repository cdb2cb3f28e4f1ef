"""Which version of the tables a database has, and the way to the newest one.

Alembic is imported only when there is something to migrate: reading the version is plain SQL.
"""

from enum import StrEnum
from pathlib import Path

from sqlalchemy import inspect, text

from reconciler.core.base.errors import Conflict, Unavailable
from reconciler.store.engine.backend import Backend, Tx

MIGRATIONS = Path(__file__).parents[1] / "migrations"
HISTORY = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0019",
    "0020",
    "0021",
    "0022",
)
"""Every migration, oldest first; a test holds it against the files."""
HEAD = HISTORY[-1]


class Schema(StrEnum):
    """How a database's tables stand to this code."""

    MISSING = "missing"
    FOREIGN = "foreign"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


def schema_of(tx: Tx) -> Schema:
    """Compare the recorded version with the versions that this code knows."""
    tables = inspect(tx)
    if not tables.has_table("alembic_version"):
        return Schema.FOREIGN if _is_of_others(tx) else Schema.MISSING
    version = tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    if version is None:
        return Schema.MISSING
    if version == HEAD:
        return Schema.CURRENT
    return Schema.OLDER if version in HISTORY else Schema.NEWER


def touch(tx: Tx) -> None:
    """Read one row, so that a database that cannot be read says so."""
    tx.execute(text("SELECT version_num FROM alembic_version")).one()


def _is_of_others(tx: Tx) -> bool:
    """An SQLite file with tables belongs to some program; a PostgreSQL database may be shared."""
    return tx.dialect.name == "sqlite" and bool(inspect(tx).get_table_names())


def migrate(backend: Backend) -> None:
    """Bring the tables to the newest version: all of it or nothing, one process at a time."""
    if backend.read(schema_of) is not Schema.CURRENT:
        backend.write(lambda tx: _upgrade(backend, tx), quiet=False)


def _upgrade(backend: Backend, tx: Tx) -> None:
    backend.lock(tx, "migrate")
    state = schema_of(tx)  # again: another process may have been faster
    if state is Schema.CURRENT:
        return
    if state not in (Schema.MISSING, Schema.OLDER):
        raise _objection(state, backend.shown)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = tx
    command.upgrade(config, "head")


def require_current(backend: Backend) -> None:
    """Raise unless the tables are there in just this version; says who can help."""
    if not backend.exists():
        raise _objection(Schema.MISSING, backend.shown)
    state = backend.read(schema_of)
    if state is not Schema.CURRENT:
        raise _objection(state, backend.shown)


def _objection(state: Schema, shown: str) -> Conflict | Unavailable:
    match state:
        case Schema.MISSING:
            return Unavailable(
                f"there is no state in {shown} yet; `reconciler apply` or `reconciler serve` "
                "makes it, or name another one with --database"
            )
        case Schema.FOREIGN:
            return Unavailable(
                f"{shown} holds the tables of another program; name another one with --database"
            )
        case Schema.NEWER:
            return Conflict(
                f"{shown} was migrated by a newer version of reconciler; use that version",
                reason="schema-newer",
            )
        case _:
            return Conflict(
                f"{shown} was made by an older version; run `reconciler apply` or "
                "`reconciler serve`, which migrate it",
                reason="schema-older",
            )
