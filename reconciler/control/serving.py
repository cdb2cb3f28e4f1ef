"""Which servers are there now: those heard of lately, but for those that died on this very host.

A server that is killed says nothing, so its row is believed for a minute. On the host that it ran
on one need not wait so long: its process is gone, and nothing answers where it listened. Both must
hold, as containers may share a host's name without seeing each other's processes.
"""

import socket
from contextlib import suppress
from datetime import datetime
from urllib.parse import urlsplit

import psutil

from reconciler.store.engine.database import Database, Tx
from reconciler.store.servers import SILENCE, Server, live

CONNECT_SECONDS = 0.5


def serving(database: Database) -> list[Server]:
    """The servers that share this database, the oldest first. Blocks for a moment."""

    def heard_of(tx: Tx) -> list[Server]:
        return live(tx, database.now(tx), SILENCE)

    return [one for one in database.read(heard_of) if not _died_here(one)]


def _died_here(one: Server) -> bool:
    return (
        one.host == socket.gethostname()
        and not _has_process(one.pid, one.started_at)
        and not _answers(one.url)
    )


def _has_process(pid: int, since: datetime) -> bool:
    """Whether a process of that pid lives; one that is younger has been given the pid anew."""
    try:
        process = psutil.Process(pid)
        anew = process.create_time() > (since + SILENCE).timestamp()  # clocks may differ a little
        return not anew and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _answers(url: str) -> bool:
    with suppress(ValueError, OSError):
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS):
            return True
    return False
