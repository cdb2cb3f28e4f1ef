"""Which servers are there now: those heard of lately, but for those that died on this very host.

A server that is killed says nothing, so its row is believed for a minute. On the host that it ran
on one need not wait so long: its process is gone, and nothing accepts connections where it
listened. Both must hold, as containers may share a host's name without seeing each other's
processes.
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
    """Return the servers that share this database, the oldest first. Blocks for a moment."""

    def heard_of(tx: Tx) -> list[Server]:
        return live(tx, database.now(tx), SILENCE)

    return [server for server in database.read(heard_of) if not _died_here(server)]


def _died_here(server: Server) -> bool:
    return (
        server.host == socket.gethostname()
        and not _has_process(server.pid, server.started_at)
        and not _accepts_connections(server.url)
    )


def _has_process(pid: int, since: datetime) -> bool:
    """Whether a process of that pid lives; a younger one has reused the pid."""
    try:
        process = psutil.Process(pid)
        reused = process.create_time() > (since + SILENCE).timestamp()  # clocks may differ a little
        return not reused and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _accepts_connections(url: str) -> bool:
    with suppress(ValueError, OSError):
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS):
            return True
    return False
