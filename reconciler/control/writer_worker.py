"""The child process that writes deliveries while many come (started by `writer_process.py`).

It reads groups from the socket whose number it is given, and answers each with what became of it,
once that is committed. It ends with its parent, whose end closes the socket.
"""

import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import NamedTuple

from reconciler.control.accept import Result, Verified, accept_all
from reconciler.store.database import Database
from reconciler.store.facts import Fact


class Written(NamedTuple):
    """What became of a group, in its order, and what happened for whoever counts."""

    results: Sequence[Result]
    facts: Sequence[Fact]


def main() -> None:
    """`argv`: the number of the socket. The database's URL comes through it: it holds a password.

    Signals that end the whole group of processes are the parent's to answer: what it has taken
    is still written.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with Connection(int(sys.argv[1])) as channel:
        try:
            url, cooldown = channel.recv()
            with Database.open(url, create=False) as database:
                channel.send(None)  # ready
                while True:
                    channel.send(write(database, channel.recv(), cooldown))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


def write(database: Database, group: Sequence[Verified], cooldown: timedelta) -> Written | None:
    """Take a group in one transaction. None where it failed and nothing was written.

    Why is not told: the parent writes it then itself, and meets the same error.
    """
    facts: list[Fact] = []
    database.observe = facts.append
    try:
        results = database.write(lambda tx: accept_all(tx, group, database.now(tx), cooldown))
    except Exception:  # noqa: BLE001 - met again by the parent
        return None
    return Written(results, facts)
