"""A program that this server started, from the opening of its gate to its end."""

import asyncio
import socket
from collections.abc import Callable

from reconciler.dispatch.base import Handle
from reconciler.dispatch.command.ending import Ending, parse_ending
from reconciler.dispatch.command.spawner import Gate

CHUNK = 64 * 1024


class Child:
    """The server's connection to the supervisor of a run.

    `done` once the supervisor has closed it; `ending` is what it told then, None where it was
    killed before it could.
    """

    def __init__(self, handle: Handle, gate: Gate, notify: Callable[[], None]) -> None:
        """Open the gate; call from within the running event loop. `notify` is called once `done`.

        From here on the program runs, whatever becomes of this server.
        """
        self.handle = handle
        self.done = False
        self.ending: Ending | None = None
        self._connection: socket.socket = gate.connection
        self._notify = notify
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._told = bytearray()
        gate.open()
        self._loop.add_reader(self._connection, self._read)

    async def ended(self, within: float) -> bool:
        """Wait for the end, at most `within` seconds; return whether it has come."""
        try:
            await asyncio.wait_for(self._end.wait(), within)
        except TimeoutError:
            return False
        return True

    def abandon(self) -> None:
        """Close the connection: program and supervisor go on."""
        self._loop.remove_reader(self._connection)
        self._connection.close()

    def _read(self) -> None:
        try:
            data = self._connection.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._told += data
            return
        self.abandon()
        self.ending = parse_ending(bytes(self._told))
        self.done = True
        self._end.set()
        self._notify()
