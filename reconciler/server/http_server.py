"""The HTTP server: uvicorn with our limits, and without its signal handlers."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn

from reconciler.server.acceptor import Acceptor
from reconciler.server.descriptors import most_connections, raise_limit
from reconciler.web.app import create_app
from reconciler.web.http.connection import protocol_of
from reconciler.web.http.connections import Connections
from reconciler.web.http.context import Context

OPEN_REQUESTS = 12.0
"""Seconds that requests under way get to finish once the server stops."""


class HttpServer(uvicorn.Server):
    """uvicorn, whose own signal handlers would end the process before leases are handed back."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self.connections = connections
        self._stopping = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `reconciler.server.lifecycle`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections from the sockets, as far as there is room for them."""

        def protocol() -> asyncio.Protocol:
            make = protocol_of(self.connections)
            return make(self.config, self.server_state, {})

        acceptors = [Acceptor(listener, protocol, self.connections) for listener in sockets or ()]
        for acceptor in acceptors:
            acceptor.start()
        self.servers = acceptors  # type: ignore[assignment]
        self.started = True

    async def main_loop(self) -> None:
        """Keep the `Date` of answers current until `stop`.

        Uvicorn polls ten times a second whether it is to stop, which is half of what an idle
        server does.
        """
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stopping.wait()

    def stop(self) -> None:
        """Finish open requests, then return from `serve`."""
        self.should_exit = True
        self._stopping.set()


def http_server(context: Context) -> HttpServer:
    """The server of the application, with the bounds of connections and headers."""
    config = uvicorn.Config(
        create_app(context),
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=int(OPEN_REQUESTS),
        timeout_keep_alive=30,
        http="h11",
        ws="none",
    )
    limit = raise_limit()
    return HttpServer(
        config, Connections(most_connections(context.settings.max_connections, limit))
    )


def listen(host: str, port: int) -> socket.socket:
    """Bind before anything else is started, so that a port in use is said at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    listener.setblocking(False)
    return listener
