"""The SQLite file under a running process: still there, still the same, still sound."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from sqlalchemy.exc import DBAPIError

from reconciler.core.base.errors import Unavailable

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class FileGuard:
    """Knows the file by device and inode, as it was when it was first opened.

    A file that is deleted or replaced stays open, and SQLite goes on writing to what nobody will
    ever find again. Where damage was seen, each further write may destroy more. Both count until
    the process ends, as does the sentence that says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = _identity(path)
        self._broken: str | None = None
        self._descriptor: int | None = None
        _require_one_name(path)

    @property
    def broken(self) -> str | None:
        """What was seen; None while all is well."""
        return self._broken

    def require_sound(self) -> None:
        """Raise `Unavailable` where something was seen before."""
        if self._broken is not None:
            raise Unavailable(self._broken)

    def require_in_place(self) -> None:
        """Raise `Unavailable` where the path leads to another file, or to none. Microseconds."""
        self.require_sound()
        identity = _identity(self._path)
        if self._identity is None:
            self._identity = identity  # it was made after this process first asked
        elif identity != self._identity:
            event = "deleted" if identity is None else "replaced by another file"
            self._broken = (
                f"the database {self._path} was {event} while it was in use: nothing is written "
                "any more; put it back or restore a backup, then start again"
            )
            raise Unavailable(self._broken)

    def note(self, error: DBAPIError) -> None:
        """Remember damage."""
        code = getattr(error.orig, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _DAMAGED:
            self._broken = (
                f"the database {self._path} is damaged: nothing is written any more; restore it "
                "from a backup, or move it away and apply again, then start again"
            )

    def descriptor(self) -> int:
        """Return the file, opened once; to be locked, not read."""
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise Unavailable(
                    f"the database {self._path} cannot be opened: {error.strerror}"
                ) from error
        return self._descriptor

    def close(self) -> None:
        """Close it; only after SQLite's connections, whose locks would go with it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _require_one_name(path: Path) -> None:
    """SQLite keeps a log beside each name of a file, and the logs of two names damage it."""
    with suppress(OSError):
        status = path.stat()
        if S_ISREG(status.st_mode) and (names := status.st_nlink) > 1:
            raise Unavailable(
                f"the database {path} has {names} names (hard links), under which it would be "
                "damaged; remove the others, or copy it with `sqlite3 … .backup`"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode; None where there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
