"""A transport that lets the client read an answer which came before its request was read.

Closing a socket with unread data resets the connection, and then the client may lose the answer
that is on its way (`lingering_close` of nginx, RFC 9112, 9.6).
"""

import asyncio
from typing import Any

LINGER = 2.0
"""Seconds that a client may take to stop sending."""
LINGER_BYTES = 1024 * 1024
"""Bytes of a refused body that are read and dropped, at most."""


class LingeringTransport(asyncio.Transport):
    """The transport of one connection. After `linger`, `close` waits for the client to stop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._lingers = False
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None

    def linger(self) -> None:
        """The request was not read to its end: what still comes is dropped before `close`."""
        self._lingers = True

    def close(self) -> None:
        """Close, at once or after the client has stopped sending."""
        if self.is_closing():
            return
        if not self._lingers or not self.can_write_eof():
            self._transport.close()
            return
        # First the end of our side, then reading on: only so is the answer delivered.
        self._transport.write_eof()
        self._transport.resume_reading()
        self._timer = asyncio.get_running_loop().call_later(LINGER, self.finish)

    def drop(self, data: bytes) -> bool:
        """Drop data that came while closing. Return whether the transport is closing."""
        if self._timer is not None:
            self._dropped += len(data)
            if self._dropped > LINGER_BYTES:
                self.finish()
        return self.is_closing()

    def finish(self) -> None:
        """End a close that lingers: nothing more is expected."""
        if self._timer is not None:
            self._timer.cancel()
            self._transport.close()

    def abort(self) -> None:
        """Close without sending what is buffered."""
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether `close` was called, even where it still waits for the client."""
        return self._timer is not None or self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport's own."""
        return self._transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """As the transport's own."""
        self._transport.write(data)

    def write_eof(self) -> None:
        """As the transport's own."""
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        """As the transport's own."""
        return self._transport.can_write_eof()

    def pause_reading(self) -> None:
        """As the transport's own."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """As the transport's own."""
        if not self.is_closing():
            self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """As the transport's own."""
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """As the transport's own."""
        return self._transport.get_protocol()
