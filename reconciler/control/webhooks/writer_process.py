"""A process of its own that writes deliveries, so that receiving and writing do not take turns.

Python runs one thread at a time: while a group is written, nobody's signature is verified. In a
child process it is written at the same time (decision 0054).
"""

import asyncio
import os
import pickle
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from reconciler.control.interpreter import interpreter
from reconciler.control.webhooks.accept import Verified
from reconciler.control.webhooks.group import OutcomeUnknown
from reconciler.control.webhooks.writer_worker import HEAD, Written, message
from reconciler.core.manifest.checks.secrets import is_secret_variable

log = structlog.get_logger(__name__)

DEADLINE = 30.0
"""Seconds; of these 10 may be spent waiting for other processes that write."""
START_SECONDS = 30.0
"""How long it may take to start, on a machine that is busy."""
AGAIN = 60.0
"""Seconds until another child is tried after one was lost."""
FAREWELL = 5.0
"""Seconds that the child gets to finish when it is not needed any more."""


@dataclass(slots=True)
class _Child:
    """One child and our end of its socket."""

    process: "subprocess.Popen[bytes]"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    starting: asyncio.Task[Any] = field(init=False)
    """Ends when the child says that it is ready."""

    def __post_init__(self) -> None:
        self.starting = asyncio.create_task(asyncio.wait_for(self.receive(), START_SECONDS))

    async def send(self, value: Any) -> None:
        """Hand a value over. Raises OSError if nobody takes it."""
        self.writer.write(message(value))
        await self.writer.drain()

    async def receive(self) -> Any:
        """The child's next message. Raises OSError or EOFError when it has ended."""
        length = int.from_bytes(await self.reader.readexactly(HEAD))
        return pickle.loads(await self.reader.readexactly(length))  # noqa: S301 - our own child


class WriterProcess:
    """One child, started when it is first asked for. One call at a time: its owner sees to that.

    `url` is the database's, `cooldown` the breaker's. `deadline`: seconds that a group may take.
    It belongs to the event loop in which it is first asked.
    """

    def __init__(self, url: str, cooldown: timedelta, *, deadline: float = DEADLINE) -> None:
        self._url = url
        self._cooldown = cooldown
        self._deadline = deadline
        self._child: _Child | None = None
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        """The child that is there."""
        return self._child.process.pid if self._child else None

    async def is_ready(self) -> bool:
        """Whether a group can be given to it now; starts the child, and waits for nothing."""
        if self._child is None and time.monotonic() >= self._not_before:
            await self._start()
        child = self._child
        if child is None or not child.starting.done():
            return False
        if child.starting.exception() is not None or child.process.poll() is not None:
            await self._lose("it has ended")
            return False
        return True

    async def write(self, group: Sequence[Verified]) -> Written | None:
        """What became of a group once it is committed; None where it could not be written.

        Raises `OutcomeUnknown` where the child ended, or had to be ended, while it wrote.
        """
        child = self._child
        if child is None:
            return None
        try:
            async with asyncio.timeout(self._deadline):
                await child.send(group)
                written: Written | None = await child.receive()
                return written
        except TimeoutError:
            why = f"it did not answer for {self._deadline:g} s"
        except (OSError, EOFError):
            why = "it ended while it wrote"
        except BaseException:
            # Its answer would be taken for that to the next group.
            self._child = None
            child.process.kill()
            child.writer.close()
            raise
        await self._lose(why)
        raise OutcomeUnknown(why)

    async def close(self) -> None:
        """Let the child go, and wait until it is gone."""
        child, self._child = self._child, None
        if child is None:
            return
        child.starting.cancel()
        await asyncio.gather(child.starting, return_exceptions=True)
        child.writer.close()
        try:
            await asyncio.to_thread(child.process.wait, FAREWELL)
        except subprocess.TimeoutExpired:
            child.process.kill()
            await asyncio.to_thread(child.process.wait)

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            process = _started(theirs)
        except OSError as error:
            ours.close()
            await self._lose(f"it could not be started: {error.strerror}")
            return
        finally:
            theirs.close()
        self._child = _Child(process, *await asyncio.open_connection(sock=ours))
        self._child.writer.write(message((self._url, self._cooldown)))
        log.info("writing deliveries in a process of its own", pid=process.pid)

    async def _lose(self, why: str) -> None:
        log.warning("the process that writes deliveries is gone", why=why)
        if self._child is not None:
            self._child.process.kill()
        await self.close()
        self._not_before = time.monotonic() + AGAIN


def _started(channel: socket.socket) -> "subprocess.Popen[bytes]":
    kept = {name: value for name, value in os.environ.items() if not is_secret_variable(name)}
    return subprocess.Popen(
        interpreter("reconciler.control.webhooks.writer_worker", str(channel.fileno())),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[channel.fileno()],
        env=kept,
        start_new_session=True,  # a Ctrl-C is the parent's business
    )
