"""The child process that writes deliveries while many come (started by `writer_process.py`).

It reads groups from the socket whose number it is given, and answers each with what became of it,
once that is committed. It ends with its parent, whose end closes the socket.
"""

import pickle
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import IO, Any, NamedTuple

from reconciler.control.webhooks.accept import AcceptResult, Verified, accept_all
from reconciler.core.notify.routing import Defaults
from reconciler.store.engine.database import Database
from reconciler.store.engine.facts import Fact
from reconciler.store.notify.outbox import using

HEAD = 8
"""Bytes before each message that hold its length; the message itself is a pickle."""


ALIVE = "alive"
"""Sent again and again while a group is written, by a thread that does nothing else."""


class Setup(NamedTuple):
    """What it is to do; `beat` is the time between two signs of life in seconds."""

    url: str
    cooldown: timedelta
    defaults: Defaults
    beat: float


class Written(NamedTuple):
    """What became of a group, in its order, and what happened for whoever counts."""

    results: Sequence[AcceptResult]
    facts: Sequence[Fact]


def main() -> None:
    """`argv`: the number of the socket. The database's URL comes through it: it holds a password.

    Signals that end the whole group of processes are the parent's to answer: what it has taken
    is still written.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        try:
            _serve(channel.makefile("rb"), channel)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


def _serve(stream: IO[bytes], channel: socket.socket) -> None:
    setup: Setup = _receive(stream)
    pulse = _Pulse(channel, setup.beat)
    with Database.open(setup.url, create=False) as database:
        database.prepare = using(setup.defaults)
        channel.sendall(message("ready"))
        Thread(target=pulse.run, daemon=True).start()
        while True:
            group = _receive(stream)
            pulse.begin()
            # Committed before it is answered: whoever reads the answer may tell the senders.
            pulse.answer(write(database, group, setup.cooldown))


class _Pulse:
    """Says while a group is written that this process is alive, whatever the database does."""

    def __init__(self, channel: socket.socket, beat: float) -> None:
        self._channel = channel
        self._beat = beat
        self._writing = Event()
        self._sending = Lock()

    def begin(self) -> None:
        """A group has come."""
        self._writing.set()

    def answer(self, written: Written | None) -> None:
        """Send what became of the group; no sign of life comes after it."""
        with self._sending:
            self._writing.clear()
            self._channel.sendall(message(written))

    def run(self) -> None:
        """Send the signs of life, until the parent is gone."""
        with suppress(OSError):
            while self._writing.wait():
                time.sleep(self._beat)
                with self._sending:
                    if self._writing.is_set():
                        self._channel.sendall(message(ALIVE))


def write(database: Database, group: Sequence[Verified], cooldown: timedelta) -> Written | None:
    """Take a group in one transaction. None where it failed and nothing was written.

    Why is not told: the parent writes it then itself, and meets the same error.
    """
    facts: list[Fact] = []
    database.observe = facts.append
    try:
        results = database.write(lambda tx: accept_all(tx, group, database.now, cooldown))
    except Exception:  # noqa: BLE001 - met again by the parent
        return None
    return Written(results, facts)


def message(value: Any) -> bytes:
    """A value as it goes through the socket."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(HEAD) + body


def _receive(stream: IO[bytes]) -> Any:
    if len(head := stream.read(HEAD)) < HEAD:
        raise EOFError
    return pickle.loads(stream.read(int.from_bytes(head)))  # noqa: S301 - from our own parent
