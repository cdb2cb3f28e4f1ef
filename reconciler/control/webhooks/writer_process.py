"""A process of its own that writes deliveries, so that receiving and writing do not take turns.

Python runs one thread at a time: while a group is written, nobody's signature is verified. In a
child process it is written at the same time (decision 0054).
"""

import asyncio
import os
import pickle
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from reconciler.control.interpreter import interpreter
from reconciler.control.webhooks.accept import Verified
from reconciler.control.webhooks.group import OutcomeUnknown
from reconciler.control.webhooks.writer_worker import ALIVE, HEAD, Setup, Written, message
from reconciler.core.manifest.checks.secrets import is_secret_variable
from reconciler.core.notify.routing import NO_DEFAULTS, Defaults

log = structlog.get_logger(__name__)

DEADLINE = 15.0
"""Seconds; of these 10 may be spent waiting for other processes that write."""
SILENCE = 3.0
"""Seconds without a sign of life, while it writes, after which it does nothing any more."""
START_SECONDS = 30.0
"""How long it may take to start, on a machine that is busy."""
SHORTEST, LONGEST = 0.5, 60.0
"""Seconds until another child is started after one was lost; doubled until one has written."""
FAREWELL = 5.0
"""Seconds that the child gets to finish when it is not needed any more."""
KILLED = 1.0
"""Seconds for the system to end one that was killed; it takes a moment."""


@dataclass(slots=True)
class _Child:
    """One child and our end of its socket."""

    process: "subprocess.Popen[bytes]"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answers: "asyncio.Queue[Any]" = field(default_factory=asyncio.Queue)
    """What it sent; None once it has ended."""
    listening: asyncio.Task[None] = field(init=False)
    """Ends when the child does."""
    ready: bool = False

    def __post_init__(self) -> None:
        self.listening = asyncio.create_task(self._listen())

    async def send(self, value: Any) -> None:
        """Hand a value over. Raises OSError if nobody takes it."""
        self.writer.write(message(value))
        await self.writer.drain()

    async def answer(self, silence: float) -> Any:
        """The child's next message, signs of life apart.

        Raises EOFError when it has ended, and TimeoutError when it gives none for so many seconds.
        """
        received: Any = ALIVE
        while received == ALIVE:
            received = await asyncio.wait_for(self.answers.get(), silence)
        if received is _ENDED:
            raise EOFError
        return received

    async def _listen(self) -> None:
        # Always reading, so that an end between two groups is noticed when it happens.
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._receive()
            self.ready = True
            while True:
                self.answers.put_nowait(await self._receive())
        except (OSError, EOFError, TimeoutError):
            self.answers.put_nowait(_ENDED)

    async def _receive(self) -> Any:
        length = int.from_bytes(await self.reader.readexactly(HEAD))
        return pickle.loads(await self.reader.readexactly(length))  # noqa: S301 - our own child


_ENDED = object()
_BEATS = 6
"""Signs of life in the time after whose silence it is given up."""


class WriterProcess:
    """One child, started when it is first asked for. One call at a time: its owner sees to that.

    One that ends is started again, at first after `SHORTEST` seconds. `url` is the database's,
    `cooldown` the breaker's, `defaults` the operator's rules for notifications. `deadline`: seconds
    that a group may take; `silence`: those in which it may give no sign of life meanwhile. It
    belongs to the event loop in which it is first asked.
    """

    def __init__(
        self,
        url: str,
        cooldown: timedelta,
        *,
        defaults: Defaults = NO_DEFAULTS,
        deadline: float = DEADLINE,
        silence: float = SILENCE,
    ) -> None:
        self._url = url
        self._defaults = defaults
        self._cooldown = cooldown
        self._deadline = deadline
        self._silence = silence
        self._child: _Child | None = None
        self._pause = SHORTEST
        self._keeping: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The child that is there."""
        return self._child.process.pid if self._child else None

    async def is_ready(self) -> bool:
        """Whether a group can be given to it now; starts the child, and waits for nothing."""
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())
        child = self._child
        return child is not None and child.ready and child.process.poll() is None

    async def write(self, group: Sequence[Verified]) -> Written | None:
        """What became of a group once it is committed; None where it could not be written.

        Raises `OutcomeUnknown` where the child ended, or had to be ended, while it wrote.
        """
        child = self._child
        if child is None:
            return None
        try:
            # A group may wait long for somebody's lock, or a connection hang; a process that is
            # stopped, or that the system does not run, is told from these by its silence.
            async with asyncio.timeout(self._deadline) as whole:
                await asyncio.wait_for(child.send(group), self._silence)
                written: Written | None = await child.answer(self._silence)
        except TimeoutError:
            seconds = self._deadline if whole.expired() else self._silence
            why = f"it {'did not answer' if whole.expired() else 'was silent'} for {seconds:g} s"
        except (OSError, EOFError):
            why = "it ended while it wrote"
        except BaseException:
            # Its answer, which may be on its way, would be taken for that to the next group.
            child.ready = False
            child.process.kill()
            raise
        else:
            self._pause = SHORTEST
            return written
        # Gone before anybody asks the database what it wrote: it must not commit after that.
        child.ready = False
        await _end(child)
        raise OutcomeUnknown(why)

    async def close(self) -> None:
        """Let the child go, and wait until it is gone; at once, where this is cancelled."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self) -> None:
        """Start the child, and another one whenever it has ended, until this is cancelled."""
        while True:
            try:
                self._child = child = await self._start()
            except OSError as error:
                log.warning("no process can be started that writes deliveries", why=error.strerror)
            else:
                await self._attend(child)
                log.warning("the process that writes deliveries has ended", pid=child.process.pid)
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST)

    async def _attend(self, child: _Child) -> None:
        """Wait for the end of the child; let it go where this is cancelled."""
        try:
            await asyncio.wait([child.listening])
            child.process.kill()  # one that took too long to start
        finally:
            # Ours is cleared before the next one is started: no group goes to a dead one.
            self._child = None
            if not child.ready:
                child.process.kill()  # it has begun nothing that it would have to finish
            await _let_go(child)

    async def _start(self) -> _Child:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                reader, writer = await asyncio.open_connection(sock=ours)
            except BaseException:
                ours.close()
                raise
            # Nothing is awaited from here on until it is attended to: whoever gave up in between
            # would leave a child that nobody waits for.
            try:
                child = _Child(_started(theirs), reader, writer)
            except BaseException:
                writer.close()
                raise
        setup = Setup(self._url, self._cooldown, self._defaults, beat=self._silence / _BEATS)
        child.writer.write(message(setup))
        log.info("writing deliveries in a process of its own", pid=child.process.pid)
        return child


async def _end(child: _Child) -> None:
    child.process.kill()
    await asyncio.to_thread(child.process.wait)


async def _let_go(child: _Child) -> None:
    """Close the socket, which ends the child, and wait until it is gone."""
    child.writer.close()
    try:
        await asyncio.to_thread(child.process.wait, FAREWELL)
    except subprocess.TimeoutExpired:
        await _end(child)
    except asyncio.CancelledError:
        # Nobody has the time to wait for its farewell, and nobody else will wait for it.
        child.process.kill()
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(KILLED)
        raise
    finally:
        child.listening.cancel()
    await asyncio.gather(child.listening, return_exceptions=True)


def _started(channel: socket.socket) -> "subprocess.Popen[bytes]":
    environment = {
        name: value for name, value in os.environ.items() if not is_secret_variable(name)
    }
    return subprocess.Popen(
        interpreter("reconciler.control.webhooks.writer_worker", str(channel.fileno())),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[channel.fileno()],
        env=environment,
        start_new_session=True,  # a Ctrl-C is the parent's business
    )
