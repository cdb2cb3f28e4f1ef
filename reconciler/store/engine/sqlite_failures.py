"""What SQLite's error codes mean for the reader, and what to do about each."""

import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from reconciler.core.base.errors import Locked, ReconcilerError, Unavailable
from reconciler.store.engine.backend import PATIENCE

_SENTENCES: dict[int, str] = {
    sqlite3.SQLITE_NOTADB: "{path} is not a database; choose another file with --database",
    sqlite3.SQLITE_CORRUPT: "the database {path} is damaged; restore it from a backup, "
    "or move it away and apply again",
    sqlite3.SQLITE_READONLY: "the database {path} is read-only for this user; even to read it, "
    "SQLite has to write beside it",
    sqlite3.SQLITE_FULL: "the disk that holds the database {path} is full",
    sqlite3.SQLITE_CANTOPEN: "the database {path} cannot be opened; "
    "does it exist, and may this user write to its folder?",
    sqlite3.SQLITE_IOERR: "the disk that holds the database {path} does not answer as it should",
    sqlite3.SQLITE_PERM: "the database {path} may not be opened by this user",
    sqlite3.SQLITE_NOMEM: "there is no memory left to read the database {path}",
}
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def explain(error: DBAPIError, path: Path, *, reading: bool = False) -> ReconcilerError | None:
    """The domain error for what the driver raised, or None for what only our code can cause."""
    if not isinstance(error.orig, sqlite3.Error):
        return None
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is None:
        return None
    if code & 0xFF in _BUSY:
        return Locked(
            f"another process kept writing to the database {path} for {PATIENCE:.0f} s; try again"
        )
    if reading and code == sqlite3.SQLITE_READONLY and error.statement is not None:
        return None  # our own query_only: an error in the code
    sentence = _SENTENCES.get(code & 0xFF)
    return Unavailable(sentence.format(path=path)) if sentence else None
