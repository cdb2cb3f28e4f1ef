"""The stand-in within a test, on the loop's own time: no socket, and answers that get lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import httpx

from tests.support.aegis.control import order
from tests.support.aegis.script import Json
from tests.support.aegis.server import application
from tests.support.aegis.world import World
from tests.support.virtual_time import LoopClock

KEYS = ("key-1", "key-2")
URL = "http://127.0.0.1:9100"


class Loss(Enum):
    """How an exchange fails."""

    UNREACHED = "the request does not leave"
    UNHEARD = "the request is acted on and its answer is lost"


@dataclass
class LocalAegis:
    """A server of this process. `lose` decides what becomes of each request."""

    url: str = URL
    world: World = field(default_factory=lambda: World(LoopClock().timestamp))
    lose: Callable[[httpx.Request], Loss | None] = lambda _request: None
    down: bool = False

    def control(self, **wanted: Json) -> None:
        """Give an order, as to a process."""
        order(self.world, wanted)

    def client(self) -> httpx.AsyncClient:
        """A client that reaches this server at any address."""
        return httpx.AsyncClient(transport=_Transport(self), timeout=httpx.Timeout(600))

    @property
    def calls(self) -> dict[str, int]:
        """How often each endpoint was called."""
        return dict(self.world.calls)

    def prompts(self, name: str) -> list[str]:
        """What agents were asked that a session of this name started."""
        return [turn.text for a in self.world.agents if a.name == name for turn in a.turns]

    def at_work(self, name: str) -> int:
        """How many agents work, at this moment, for the run of this name."""
        now = self.world.now()
        return sum(agent.at_work(now) for agent in self.world.agents if agent.name == name)


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, aegis: LocalAegis) -> None:
        self._aegis = aegis
        self._app = httpx.ASGITransport(application(aegis.world, KEYS))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        loss = self._aegis.lose(request)
        if self._aegis.down or loss is Loss.UNREACHED:
            raise httpx.ConnectError("refused", request=request)
        began = self._aegis.world.started
        answer = await self._app.handle_async_request(request)
        if loss is Loss.UNHEARD or self._aegis.world.started != began:
            raise httpx.ReadError("reset", request=request)
        return answer
