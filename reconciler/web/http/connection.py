"""One connection: uvicorn's protocol with bounds of time and size (docs/operating.md#connections).

1. A request head has a deadline, from the connection's start or its first byte.
2. Heads are read strictly (`request_head`); what is refused is answered as problem details.
3. Beyond the cap only probes are answered, everything else is told to come back (`connections`).
4. An answer that comes before the body was read ends the connection (`lingering`).
5. A client that does not take its answer is given up.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from reconciler.web.http.connections import Connections
from reconciler.web.http.lingering import LingeringTransport
from reconciler.web.http.problems import Problem
from reconciler.web.http.request_head import RequestReader

HEAD_DEADLINE = 10.0
"""Seconds that a request head may take."""
WRITE_DEADLINE = 60.0
"""Seconds for which a client may leave its answer unread."""
PROBES = frozenset({"/healthz", "/readyz"})
_CLOSE = (b"connection", b"close")
_SLOW = Problem(408, "headers-too-slow", "the request head did not arrive in time")
_FULL = Problem(503, "too-many-connections", "too many connections are open", {"Retry-After": "1"})

ProtocolFactory = Callable[..., asyncio.Protocol]


def protocol_of(connections: Connections) -> ProtocolFactory:
    """The protocol of a server whose connections are counted in `connections`."""

    def make(
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        return Connection(connections, config, server_state, app_state, _loop)

    return make


class Connection(H11Protocol):
    """One connection of a client."""

    transport: LingeringTransport
    conn: RequestReader

    def __init__(
        self,
        table: Connections,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = RequestReader()
        self._table = table
        self._application: ASGIApp = self.app
        self.app = self._serve
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected; its first request head is due."""
        super().connection_made(LingeringTransport(transport))
        self._table.idle(self)
        self._expect_head()
        if self._table.closing:
            # It was accepted before the stop and is made after it: uvicorn has told all others.
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._forget_head()
        self._table.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes have come. The deadline runs until a head is complete."""
        if self.transport.drop(data):
            return
        if self.conn.their_state is h11.IDLE:
            self._expect_head()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._forget_head()
            self._table.busy(self)

    def eof_received(self) -> None:
        """The client sends no more; it may still read."""
        self.transport.finish()

    def on_response_complete(self) -> None:
        """An answer is sent; the connection waits for the next request, unless one is there."""
        self._table.idle(self)
        super().on_response_complete()
        if self.conn.their_state is not h11.IDLE:
            self._table.busy(self)

    def close_idle(self) -> None:
        """Close a connection that is not being answered."""
        self.transport.abort()

    def send_400_response(self, _message: str) -> None:
        """Refuse what is not a request, with the reason that the reader has."""
        self._refuse(self.conn.refusal)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: whoever asks for another protocol is answered in this one."""

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_DEADLINE, self._head_is_late)

    def _forget_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
        if self.conn.trailing_data[0]:
            self._refuse(_SLOW)
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer what no application sees, and close."""
        self._forget_head()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            # An answer is under way already: nothing can be said any more.
            self.transport.abort()
            return
        response = problem.response()
        head = h11.Response(status_code=problem.status, headers=[*response.raw_headers, _CLOSE])
        for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.linger()
        self.transport.close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_bounded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._close_afterwards(message)
            await self._send(send, message)

        full = self._table.full and scope["path"] not in PROBES
        application = _FULL.response() if full else self._application
        await application(scope, receive, send_bounded)

    def _close_afterwards(self, message: Message) -> None:
        """End the connection with this answer where there is a reason to."""
        if self.cycle.more_body:
            # The next request would be read from within this one's body.
            self.transport.linger()
        if self.cycle.more_body or self._table.full:
            message["headers"] = [*message.get("headers", ()), _CLOSE]

    async def _send(self, send: Send, message: Message) -> None:
        if not self.flow.write_paused:
            await send(message)
            return
        try:
            async with asyncio.timeout(WRITE_DEADLINE):
                await send(message)
        except TimeoutError:
            self.transport.abort()
