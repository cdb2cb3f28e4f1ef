"""Agents elsewhere that begin anew with each request: APIs of others, and A2A.

A request that has left goes on at the far side whatever becomes of its sender. What was begun can
be listed by the run that it is for.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from reconciler.core.cel import ANSWER_VARIABLES, compile_expression, evaluate
from reconciler.core.manifest.runtime import A2aRuntime, HttpRuntime
from reconciler.core.manifest.runtime import Runtime as RuntimeSpec
from reconciler.dispatch.a2a.runtime import A2aTasks
from reconciler.dispatch.base import Job, Runtime, no_hint
from reconciler.dispatch.http.runtime import HttpAgents
from reconciler.dispatch.reach import Reach
from tests.dispatch.builders import a_job
from tests.support.virtual_time import START, LoopClock

BASE = "http://127.0.0.1:9200"
API = HttpRuntime.model_validate(
    {
        "type": "http",
        "url": f"{BASE}/sessions",
        "request": {"body": {"run": "{{ run.id }}"}, "handle": {"id": "answer.id"}},
        "follow": {
            "url": BASE + "/sessions/{{ handle.id }}",
            "every": "2s",
            "status": "answer.status",
        },
        "cancel": {"method": "DELETE", "url": BASE + "/sessions/{{ handle.id }}"},
        "find": {
            "url": BASE + "/sessions?run={{ run.id }}",
            "handle": {"id": "answer.items[0].id"},
        },
    }
)
A2A = A2aRuntime(type="a2a", url=BASE)


@dataclass
class Work:
    """What one request began."""

    id: str
    run: str
    ends: float
    cancelled: bool = False

    def alive(self, now: float) -> bool:
        """Whether it is at work."""
        return not self.cancelled and now < self.ends


@dataclass
class ForgetfulDouble:
    """Eight runs. `slow` are the seconds that a request may lie before it is read."""

    spec: RuntimeSpec = API
    slow: tuple[float, ...] = (0.0, 0.0, 3.0, 8.0)
    lists: bool = True
    """What was begun is told; else a search finds nothing, which no agent may say."""
    steps: tuple[float, ...] = (0.3, 1.0, 1.7)
    timeout: float = 90.0
    lingers: float = 0.0
    works: list[Work] = field(default_factory=list)
    reading: set[asyncio.Task[Work]] = field(default_factory=set)
    chance: random.Random = field(default_factory=random.Random)
    unlucky: bool = True
    down: bool = False

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[Runtime]:
        reach, clock, far = Reach(("http://127.0.0.1",)), LoopClock(), _FarSide(self)
        async with httpx.AsyncClient(transport=far) as client:
            made: HttpAgents | A2aTasks = (
                HttpAgents(client, reach, clock, evaluate=in_place)
                if isinstance(self.spec, HttpRuntime)
                else A2aTasks(client, reach, clock, no_hint, transport=far)
            )
            yield made
            await made.close()

    def serving(self) -> AbstractAsyncContextManager[Runtime]:
        """A client of its own."""
        return self._serving()

    def jobs(self, chance: random.Random) -> Sequence[Job]:
        """All of one agent."""
        self.chance = chance
        later = START.replace(year=START.year + 1)
        return [a_job(self.spec, deadline=later) for _ in range(8)]

    def of(self, run_id: str) -> list[Work]:
        """What was begun for a run."""
        return [work for work in self.works if work.run == run_id]

    def alive(self, run_id: str) -> int:
        """What is at work for a run."""
        now = asyncio.get_running_loop().time()
        return sum(work.alive(now) for work in self.of(run_id))

    def misfortune(self, chance: random.Random) -> None:
        """The far side is down for a while; what it began goes on."""
        self.down = chance.random() < (0.8 if self.down else 0.03)

    def fortune(self) -> None:
        """Answers arrive."""
        self.unlucky = self.down = False

    def reports(self, run_id: str) -> bool:
        """It is asked, and tells nothing by itself."""
        return False

    async def begin(self, run_id: str) -> Work:
        """Read a request, and begin, whatever became of whoever sent it."""
        task = asyncio.create_task(self._read(run_id))
        self.reading.add(task)
        return await asyncio.shield(task)

    async def _read(self, run_id: str) -> Work:
        await asyncio.sleep(self.chance.choice(self.slow))
        ends = asyncio.get_running_loop().time() + self.chance.uniform(1.0, 40.0)
        work = Work(f"w{len(self.works)}", run_id, ends)
        self.works.append(work)
        return work


async def in_place(texts: Sequence[str], variables: Mapping[str, Any]) -> dict[str, Any]:
    """The values of expressions, which are small here."""
    return {
        text: evaluate(compile_expression(text, variables=ANSWER_VARIABLES), variables)
        for text in texts
    }


class _FarSide(httpx.AsyncBaseTransport):
    def __init__(self, double: ForgetfulDouble) -> None:
        self._double = double

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        double = self._double
        luck = double.chance.random() if double.unlucky else 1.0
        if double.down or luck < 0.05:
            raise httpx.ConnectError("refused", request=request)
        answer = await self._answer(request)
        if luck < 0.2:
            raise httpx.ReadError("reset", request=request)
        return answer

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.startswith("/.well-known/"):
            return _json(200, _CARD)
        if path == "/a2a":
            return _json(200, await self._rpc(json.loads(request.content)))
        return await self._rest(request, path)

    async def _rest(self, request: httpx.Request, path: str) -> httpx.Response:
        double = self._double
        if request.method == "POST":
            work = await double.begin(json.loads(request.content)["run"])
            return _json(201, {"id": work.id})
        if path == "/sessions":
            found = double.of(request.url.params["run"]) if double.lists else []
            return _json(200, {"items": [{"id": work.id} for work in found]})
        (work,) = [work for work in double.works if work.id == path.rpartition("/")[2]]
        if request.method == "DELETE":
            work.cancelled = True
            return _json(200, {})
        now = asyncio.get_running_loop().time()
        word = "running" if work.alive(now) else "failed" if work.cancelled else "completed"
        return _json(200, {"status": word})

    async def _rpc(self, call: dict[str, Any]) -> dict[str, Any]:
        double, params = self._double, call["params"]
        result: dict[str, Any]
        match call["method"]:
            case "SendMessage":
                work = await double.begin(params["message"]["contextId"])
                result = {"task": self._task(work)}
            case "ListTasks":
                found = double.of(params["contextId"]) if double.lists else []
                result = {"tasks": [self._task(work) for work in found[::-1]]}
            case method:
                (work,) = [work for work in double.works if work.id == params["id"]]
                work.cancelled = work.cancelled or method == "CancelTask"
                result = self._task(work)
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    def _task(self, work: Work) -> dict[str, Any]:
        now = asyncio.get_running_loop().time()
        word = "WORKING" if work.alive(now) else "CANCELED" if work.cancelled else "COMPLETED"
        return {
            "id": work.id,
            "contextId": work.run,
            "status": {"state": f"TASK_STATE_{word}"},
        }


_CARD = {
    "name": "double",
    "supportedInterfaces": [
        {"url": f"{BASE}/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    ],
}


def _json(status: int, body: Any) -> httpx.Response:
    """As it comes from a connection: not yet read."""
    return httpx.Response(status, stream=httpx.ByteStream(json.dumps(body).encode()))
