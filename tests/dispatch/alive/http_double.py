"""An endpoint of the `http` runtime: one piece of work for one key, though answers are lost."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import httpx

from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.runtime import HttpRuntime
from reconciler.dispatch.base import Job, Runtime
from reconciler.dispatch.http.runtime import HttpAgents
from reconciler.dispatch.reach import Reach
from tests.dispatch.builders import a_job
from tests.support.virtual_time import START, LoopClock

CALLBACK = "http://127.0.0.1:8484/v1/runs/x/complete"
URL = "http://127.0.0.1:9200/runs"


@dataclass
class Work:
    """What a key began."""

    begins: float
    ends: float

    def alive(self, now: float) -> bool:
        """Whether it is at work."""
        return self.begins <= now < self.ends


@dataclass
class HttpDouble:
    """Eight runs, half of them answered when they are done."""

    steps: tuple[float, ...] = (0.3, 1.0, 1.7)
    timeout: float = 60.0
    lingers: float = 0.0
    works: dict[str, list[Work]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    chance: random.Random = field(default_factory=random.Random)
    forgetful: bool = False
    """It begins anew for a key that it knows: what no endpoint may do."""
    unlucky: bool = True
    down: bool = False

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[Runtime]:
        async with httpx.AsyncClient(transport=_Endpoint(self)) as client:
            agents = HttpAgents(client, Reach(("http://127.0.0.1",)), LoopClock())
            yield agents
            await agents.close()

    def serving(self) -> AbstractAsyncContextManager[Runtime]:
        """A client of its own; its open requests break off with it."""
        return self._serving()

    def jobs(self, chance: random.Random) -> Sequence[Job]:
        """In both modes."""
        self.chance = chance
        runtime = HttpRuntime(type="http", url=URL)
        modes = [ExecutionMode.CREATE_SESSION, ExecutionMode.RUN_ONLY] * 4
        later = START.replace(year=START.year + 1)
        return [
            a_job(
                runtime,
                mode=mode,
                deadline=later,
                callback_url=CALLBACK if mode is ExecutionMode.CREATE_SESSION else None,
                run_token="rct_run_x",
            )
            for mode in modes
        ]

    def alive(self, run_id: str) -> int:
        """Works of its key."""
        now = asyncio.get_running_loop().time()
        return sum(work.alive(now) for work in self.works.get(run_id, []))

    def misfortune(self, chance: random.Random) -> None:
        """The endpoint is down, or its process dies with all its work; it remembers its keys."""
        self.down = chance.random() < (0.8 if self.down else 0.03)
        if chance.random() < 0.01:
            now = asyncio.get_running_loop().time()
            for work in [work for works in self.works.values() for work in works]:
                work.ends = min(work.ends, now)

    def fortune(self) -> None:
        """Answers arrive."""
        self.unlucky = self.down = False

    def reports(self, run_id: str) -> bool:
        """The callback was called."""
        now = asyncio.get_running_loop().time()
        return run_id in self.done and all(work.ends <= now for work in self.works[run_id])


class _Endpoint(httpx.AsyncBaseTransport):
    def __init__(self, double: HttpDouble) -> None:
        self._double = double

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        double = self._double
        luck = double.chance.random() if double.unlucky else 1.0
        if double.down or luck < 0.05:
            raise httpx.ConnectError("refused", request=request)
        answer = await (
            self._delete(request) if request.method == "DELETE" else self._post(request)
        )
        if luck < 0.15:
            raise httpx.ReadError("reset", request=request)
        return answer

    async def _post(self, request: httpx.Request) -> httpx.Response:
        """The same key is the same work, whatever became of it."""
        double, now = self._double, asyncio.get_running_loop().time()
        key, run = request.headers["idempotency-key"], json.loads(request.content)
        await asyncio.sleep(double.chance.choice([0.0, 0.0, 3.0, 40.0]))
        if key not in double.works or double.forgetful:
            begins = now + double.chance.choice([0.0, 0.5, 5.0])
            work = Work(begins, begins + double.chance.uniform(1.0, 40.0))
            double.works.setdefault(key, []).append(work)
        if run.get("callbackUrl"):
            double.done.add(key)
            return _answer(202, {"sessionId": f"s-{key}"})
        work = double.works[key][-1]
        for _ in range(100):
            if (left := work.ends - asyncio.get_running_loop().time()) <= 0:
                break
            await asyncio.sleep(min(left, 1.0))
        return _answer(200, {"status": "completed"})

    async def _delete(self, request: httpx.Request) -> httpx.Response:
        """Stops take a moment; a run that was never seen is kept from beginning."""
        double, now = self._double, asyncio.get_running_loop().time()
        key = request.url.path.rpartition("/")[2]
        for work in double.works.setdefault(key, [Work(now, now)]):
            work.ends = min(work.ends, now)
        return _answer(204, {})


def _answer(status: int, body: dict[str, str]) -> httpx.Response:
    """As it comes from a connection: not yet read."""
    return httpx.Response(status, stream=httpx.ByteStream(json.dumps(body).encode()))
