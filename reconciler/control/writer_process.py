"""A process of its own that writes deliveries, so that receiving and writing do not take turns.

Python runs one thread at a time: while a group is written, nobody's signature is verified. In a
child process it is written at the same time (decision 0054).
"""

import os
import subprocess
import time
from collections.abc import Sequence
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import structlog

from reconciler.control.accept import Verified
from reconciler.control.group import OutcomeUnknown
from reconciler.control.interpreter import interpreter
from reconciler.control.writer_worker import Written
from reconciler.core.checks.secrets import is_secret_variable

log = structlog.get_logger(__name__)

DEADLINE = 30.0
"""Seconds; of these 10 may be spent waiting for other processes that write."""
AGAIN = 60.0
"""Seconds until another child is tried after one was lost."""
FAREWELL = 5.0
"""Seconds that the child gets to finish when it is not needed any more."""


class WriterProcess:
    """One child, started when it is first asked for. One call at a time: its owner sees to that.

    `url` is the database's, `cooldown` the breaker's. `deadline`: seconds that a group may take.
    """

    def __init__(self, url: str, cooldown: timedelta, *, deadline: float = DEADLINE) -> None:
        self._url = url
        self._cooldown = cooldown
        self._deadline = deadline
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: Connection | None = None
        self._ready = False
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        """The child that is there."""
        return self._child.pid if self._child else None

    def write(self, group: Sequence[Verified]) -> Written | None:
        """What became of a group once it is committed. Blocks; call it from a thread.

        None where nothing was written: no child is ready yet, or it could not write. Raises
        `OutcomeUnknown` where the child ended, or had to be ended, while it wrote.
        """
        channel = self._when_ready()
        if channel is None:
            return None
        try:
            channel.send(group)
        except OSError:  # it has not read the whole of it, so it wrote nothing
            self._lose("it has ended")
            return None
        try:
            if channel.poll(self._deadline):
                written: Written | None = channel.recv()
                return written
            why = f"it did not answer for {self._deadline:g} s"
        except (OSError, EOFError):
            why = "it ended while it wrote"
        self._lose(why)
        raise OutcomeUnknown(why)

    def close(self) -> None:
        """Let the child go, and wait until it is gone."""
        child, channel = self._child, self._channel
        self._child = self._channel = None
        self._ready = False
        if channel is not None:
            channel.close()
        if child is None:
            return
        try:
            child.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _when_ready(self) -> Connection | None:
        if self._channel is None:
            if time.monotonic() >= self._not_before:
                self._start()
            return None
        try:
            if not self._ready and self._channel.poll():
                self._channel.recv()
                self._ready = True
        except (OSError, EOFError):
            self._lose("it did not start")
        return self._channel if self._ready else None

    def _start(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not is_secret_variable(name)}
        ours, theirs = Pipe()
        try:
            self._child = subprocess.Popen(
                interpreter("reconciler.control.writer_worker", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=kept,
                start_new_session=True,  # a Ctrl-C is the parent's business
            )
            ours.send((self._url, self._cooldown))
        except OSError as error:
            ours.close()
            self._lose(f"it could not be started: {error.strerror}")
            return
        finally:
            theirs.close()
        self._channel = ours
        log.info("writing deliveries in a process of its own", pid=self._child.pid)

    def _lose(self, why: str) -> None:
        log.warning("the process that writes deliveries is gone", why=why)
        if self._child is not None:
            self._child.kill()
        self.close()
        self._not_before = time.monotonic() + AGAIN
