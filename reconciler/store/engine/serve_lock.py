"""On SQLite one `serve` at a time: locks of the operating system on the database and beside it.

The lock on the database itself is found under every name of the file (a hard link, a bind mount);
the one beside it says who holds it.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.core.base.errors import Locked, Unavailable


@contextmanager
def hold_serve_lock(database: Path, file: int, url: str) -> Iterator[None]:
    """Hold `<database>.serve.lock` and the open `file` for the block.

    The kernel frees both when the process dies. The lock file stays: removing it would let two
    processes lock two files of the same name. `file` stays open: closing it here would drop the
    locks that SQLite holds on it in this process.
    """
    path = database.with_name(database.name + ".serve.lock")
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise Unavailable(f"the lock {path} cannot be opened: {error.strerror}") from error
    try:
        _take(descriptor, _holder(descriptor), database)
        _take(file, "", database)
        _sign(descriptor, url)
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(descriptor)


def _take(descriptor: int, holder: str, database: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Locked(
            f"another `serve`{holder} runs on the database {database}; SQLite takes "
            "one at a time: stop it, or move to PostgreSQL (--database postgresql://…) "
            "to run several"
        ) from None


def _sign(descriptor: int, url: str) -> None:
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "url": url}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(descriptor: int) -> str:
    """Who holds it, as far as the file tells; it may be read while it is being written."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f" (pid {holder['pid']} on {holder['host']}, {holder['url']})"
    except (ValueError, KeyError, TypeError):
        return ""
