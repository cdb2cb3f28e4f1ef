"""Takes connections from the listening socket, one by one, and only where there is room.

The event loop's own server takes all that there are: at the limit of open files they are reset, and
nothing is logged (with uvloop), or the probes wait among them.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from reconciler.web.http.connections import Connections

log = structlog.get_logger(__name__)

BATCH = 64
"""Connections that are taken in one round of the event loop."""
PAUSE = 0.05
"""Seconds until a full server looks for new connections again."""
QUIET = 10.0
"""Seconds between two log lines about the same trouble."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(slots=True)
class Acceptor:
    """The server of one listening socket, as `asyncio.Server` as far as uvicorn uses it."""

    listener: socket.socket
    protocol: Callable[[], asyncio.Protocol]
    connections: Connections
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _resuming: asyncio.TimerHandle | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _logged: dict[str, float] = field(default_factory=dict)
    _closed: bool = False

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening socket."""
        return (self.listener,)

    def start(self) -> None:
        """Begin to take connections."""
        if not self._closed:
            self._resuming = None
            self.loop.add_reader(self.listener, self._accept)

    def close(self) -> None:
        """Take no more; those that were taken and are not made yet are let go."""
        self._closed = self.connections.closing = True
        self.loop.remove_reader(self.listener)
        if self._resuming is not None:
            self._resuming.cancel()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for: uvicorn itself closes the connections."""

    def _accept(self) -> None:
        for _ in range(BATCH):
            # Accepted and closed, it would look like a broken server; left in the queue, it waits.
            if not self.connections.has_room():
                self._log("too many connections", open=self.connections.count)
                self._pause()
                return
            try:
                client, _ = self.listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._survive(error)
                return
            self._serve(client)

    def _survive(self, error: OSError) -> None:
        """At the limit of open files the idle give way; the others stay in the system's queue."""
        if error.errno not in _EXHAUSTED:
            raise error
        self._log("a connection was not taken", why=error.strerror, open=self.connections.count)
        self.connections.close_one_idle()
        self._pause()

    def _serve(self, client: socket.socket) -> None:
        self.connections.opened()
        client.setblocking(False)
        task = self.loop.create_task(self._connect(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, client: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(self.protocol, client)
        except OSError as error:
            # It was never a connection: nobody else gives its place back.
            self.connections.count -= 1
            client.close()
            self._log("a connection was not taken", why=error.strerror)

    def _pause(self) -> None:
        # A listener that is ready and not read would spin the event loop.
        self.loop.remove_reader(self.listener)
        self._resuming = self.loop.call_later(PAUSE, self.start)

    def _log(self, event: str, **fields: object) -> None:
        now = self.loop.time()
        if now - self._logged.get(event, -QUIET) >= QUIET:
            self._logged[event] = now
            log.warning(event, **fields)
