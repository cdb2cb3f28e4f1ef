"""The HTTP application on a rig: real routes, a real database, and a client without a socket."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx
import uvloop
from starlette.types import ASGIApp

from reconciler.control.access.secrets import SecretStore
from reconciler.control.webhooks.intake import Intake
from reconciler.server.http_server import HttpServer, http_server, listen
from reconciler.settings import Settings
from reconciler.web.app import create_app
from reconciler.web.http.context import Authority, Context
from tests.support.rig import COOLDOWN, KEY, Rig

STARTED = 60.0
BASE = "http://127.0.0.1:8484"


@dataclass
class Web:
    """The application of a rig. `more` goes into its context."""

    rig: Rig
    secrets: dict[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    authority: Authority | None = None
    more: dict[str, Any] = field(default_factory=dict)
    _server: "_InThread | None" = None

    @cached_property
    def context(self) -> Context:
        """What the application is given."""
        given: dict[str, Any] = {
            "database": self.rig.database,
            "settings": self.settings,
            "clock": self.rig.clock,
            "intake": self.intake,
            "secret_store": self.intake.secret_store,
            "launcher": self.rig.launcher,
            "server_key": KEY,
            "base_url": self.settings.base_url(),
            "authority": self.authority,
        }
        return Context(**(given | self.more))

    @cached_property
    def intake(self) -> Intake:
        """The receiver of webhooks."""
        rig = self.rig
        return Intake(
            database=rig.database,
            secret_store=SecretStore(self.settings.secrets_dir, self.secrets),
            evaluator=rig.evaluator,
            titles=rig.titles,
            ids=rig.ids,
            clock=rig.clock,
            cooldown=COOLDOWN,
        )

    @cached_property
    def app(self) -> ASGIApp:
        """The application."""
        return create_app(self.context)

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
        """A client that talks to the application in this process."""
        transport = httpx.ASGITransport(self.app)
        options = {"base_url": BASE, "follow_redirects": False, **options}
        async with httpx.AsyncClient(transport=transport, **options) as client:
            yield client

    async def close(self) -> None:
        """End what a used application keeps going."""
        if "intake" in self.__dict__:
            await self.intake.close()

    @contextmanager
    def served(self) -> Iterator[str]:
        """The application on a socket of loopback, for browsers; its URL."""
        server = self._server = _InThread(http_server(self.context))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            assert server.ready.wait(STARTED), "the server did not start"
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.loop.call_soon_threadsafe(self.context.hub.close)
            server.http.stop()
            thread.join(STARTED)

    def soon(self, call: Callable[[], None]) -> None:
        """Call something on the event loop of the server that runs."""
        assert self._server is not None
        self._server.loop.call_soon_threadsafe(call)


class _InThread:
    """The server of `serve` on a port of loopback, in a thread of its own."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, http: HttpServer) -> None:
        self.http = http
        self.ready = threading.Event()
        self.listener = listen("127.0.0.1", 0)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def run(self) -> None:
        """Serve until told to stop."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        # The socket listens already: who connects from now on is served.
        self.ready.set()
        await self.http.serve(sockets=[self.listener])
