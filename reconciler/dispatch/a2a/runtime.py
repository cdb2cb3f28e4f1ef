"""A2A agents: a run is a task, whose context's id is the run's (docs/runtimes.md#a2a).

A message that comes twice is two tasks, so it is sent once: where its answer was lost, or an
earlier attempt may have sent it, the task is searched for by its context before anything is sent.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from reconciler.clock import Clock
from reconciler.core.manifest.runtime import A2aRuntime
from reconciler.core.runs.approval import kept_question
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.dispatch.a2a.answers import (
    Away,
    Creation,
    Lost,
    Refused,
    Replied,
    Trouble,
    Unknown,
    Unlisted,
)
from reconciler.dispatch.a2a.card import PATHS, calls_back, cards_of
from reconciler.dispatch.a2a.task import A2aTask, observation_of, question_of
from reconciler.dispatch.base import (
    Answer,
    Answered,
    Ended,
    Handle,
    Hints,
    Job,
    NotAnswered,
    Observation,
    Record,
    Start,
    Started,
    Stop,
    Stopped,
    Stopping,
    TargetDown,
    Transient,
    Unseen,
    Working,
    Written,
)
from reconciler.dispatch.open_request import OpenRequest
from reconciler.dispatch.poller import Poller
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import Call, Reply, Unreached, exchange

if TYPE_CHECKING:
    from reconciler.dispatch.a2a.connection import Connection

_HELD = "it may be at work, and is held until its deadline"
_HISTORY = 200
"""Messages of a task that are shown while it goes on."""
_BELOW = f"spec.runtime.url is the address below which {PATHS[0]} lies"
_NO_SDK = "this server speaks no A2A: install autopilot-reconciler[a2a]"


@dataclass(frozen=True, slots=True)
class A2aPatience:
    """Seconds."""

    settle: float = 20.0
    """How long the answer to the message is waited for before the run counts as running."""
    ask: float = 20.0
    """For the answer to any other call."""
    every: float = 5.0
    """Between two questions about a task."""
    card: float = 300.0
    """How long a card is believed."""
    search: tuple[float, ...] = (1.0, 3.0, 6.0, 10.0)
    """Before each search for a task whose creation was not answered."""
    beyond: float = 60.0
    """How long the message's request stays open after the run's deadline."""


class A2aTasks:
    """The `a2a` runtime."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        reach: Reach,
        clock: Clock,
        notify: Callable[[], None],
        patience: A2aPatience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`http` reads cards; calls go through a client of the SDK's own, over `transport`, which
        is for tests."""
        self._cards = http
        self._reach = reach
        self._clock = clock
        self._notify = notify
        self._patience = patience or A2aPatience()
        self._transport = transport
        self._http: httpx.AsyncClient | None = None
        self._connections: dict[tuple[str, str | None], tuple[Connection, float]] = {}
        self._open: dict[str, OpenRequest[Creation]] = {}
        self._pollers: dict[str, Poller] = {}
        self._ids: dict[str, str] = {}
        self._cancelled: dict[str, float] = {}

    async def start(self, job: Job, record: Record) -> Start:
        """Send the agent its work, unless an earlier attempt may have."""
        if job.handle is not None:
            return Started(job.handle)
        connection = await self._connect(job)
        match connection:
            case Refused(message):
                return Ended(Failed(Reason.DISPATCH_FAILED, message))
            case Away(message, retry_after, quota):
                return TargetDown(message, retry_after, quota=quota)
            case Lost(message):
                return TargetDown(message)
        if job.unsure:
            match await self._search(job, connection):
                case A2aTask(id=task_id):
                    return await self._begun(job, record, task_id)
                case str(missing):
                    return await self._hold(job, record, f"an earlier request was lost; {missing}")
        return await self._send(job, record, connection)

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
        """Return what is known of each; questions are asked beside the rounds."""
        return {job.run_id: self._poll(job, handle) for job, handle in jobs}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """Cancel the task; the proof is a task that has ended, in the agent's own words."""
        connection = await self._connect(job)
        if isinstance(connection, Refused | Away | Lost):
            return Stopping(connection.message)
        task = await self._current(job, handle, connection)
        if not isinstance(task, A2aTask):
            return Stopping(_unclear(task))
        if task.ended:
            return await self._let_go(job, Stopped(task.result, task.usage))
        if self._clock.monotonic() < self._cancelled.get(job.run_id, 0.0):
            return Stopping("the agent was asked to cancel the task")
        self._cancelled[job.run_id] = self._clock.monotonic() + self._patience.every
        cancelled = await connection.cancel(task.id, _headers(job), self._patience.ask)
        if isinstance(cancelled, A2aTask) and cancelled.ended:
            return await self._let_go(job, Stopped(cancelled.result, cancelled.usage))
        if isinstance(cancelled, A2aTask):
            return Stopping("the agent was asked to cancel the task, and it goes on")
        return Stopping(_unclear(cancelled))

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """Forget a run; without a handle, cancel the task that an attempt may have made."""
        if handle is not None or not job.unsure:
            return await self._let_go(job, Stopped())
        connection = await self._connect(job)
        if isinstance(connection, Refused | Away | Lost):
            return Stopping(connection.message)
        match await connection.find(job.run_id, _headers(job), self._patience.ask):
            case A2aTask(id=task_id):
                return await self.stop(job, Handle(task_id, {"taskId": task_id}))
            case Unknown():
                return await self._let_go(job, Stopped())
            case missing:
                return Stopping(_unclear(missing))

    async def answer(self, job: Job, handle: Handle, question: str, approved: bool) -> Answer:
        """Tell a task that waits for input what a person said; one that does not wait is let be."""
        connection = await self._connect(job)
        if isinstance(connection, Refused | Away | Lost):
            return NotAnswered(connection.message)
        task = await self._current(job, handle, connection)
        if not isinstance(task, A2aTask):
            return NotAnswered(_unclear(task))
        if task.state == "AUTH_REQUIRED":
            return NotAnswered("the agent asks for a credential, which only the agent can be given")
        if task.state != "INPUT_REQUIRED":
            return NotAnswered("the agent does not ask any more")
        # It may have asked on since the last poll: nobody has answered that.
        if kept_question(question_of(task)) != kept_question(question):
            return NotAnswered("the agent asks something else now")
        words = "approved" if approved else "rejected"
        try:
            async with asyncio.timeout(self._patience.ask):
                sent = await connection.reply(words, task.id, job.run_id, _headers(job))
        except TimeoutError:
            sent = Lost("the agent did not answer")
        if isinstance(sent, A2aTask | Replied):
            if (poller := self._pollers.pop(job.run_id, None)) is not None:
                await poller.close()  # it has seen the question, which is answered now
            return Answered()
        return NotAnswered(sent.message)

    async def output(self, job: Job, handle: Handle, after: str | None) -> Written | None:
        """Return what the agent has said; a position counts characters."""
        task_id = handle.detail.get("taskId") or self._ids.get(job.run_id)
        connection = await self._connect(job)
        if not isinstance(task_id, str) or isinstance(connection, Refused | Away | Lost):
            return None
        headers, within = _headers(job), self._patience.ask
        task = await connection.task(task_id, headers, within, _HISTORY)
        if not isinstance(task, A2aTask):
            return None
        begin = int(after) if after and after.isascii() and after.isdigit() else 0
        # An agent may have said something else in place of what was read: told from the start.
        begin = begin if begin <= len(task.log) else 0
        return Written(task.log[begin:], str(len(task.log)))

    def hint(self, run_id: str) -> bool:
        """Read a task soon: its agent says that it has news. It is not believed for more."""
        poller = self._pollers.get(run_id)
        if poller is not None:
            poller.hint()
        return poller is not None

    async def close(self) -> None:
        """Hang up; tasks go on, and the next server finds them."""
        pollers, requests = [*self._pollers.values()], [*self._open.values()]
        self._pollers.clear()
        self._open.clear()
        self._connections.clear()
        await asyncio.gather(*(poller.close() for poller in pollers))
        await asyncio.gather(*(request.close() for request in requests))
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _send(self, job: Job, record: Record, connection: "Connection") -> Start:
        left = max(0.0, (job.deadline - self._clock.now()).total_seconds())

        async def send() -> Creation:
            try:
                async with asyncio.timeout(left + self._patience.beyond):
                    return await connection.send(job.prompt, job.run_id, _headers(job), _hints(job))
            except TimeoutError:
                return Lost("the agent did not answer")

        request = OpenRequest(send, self._notify)
        self._open[job.run_id] = request
        try:
            verdict = await request.within(self._patience.settle)
            if verdict is None:  # the answer may be a message, which takes as long as the work
                return await self._hold(job, record, None)
            self._open.pop(job.run_id, None)
            return await self._created(job, record, connection, verdict)
        except BaseException:
            await self._let_go(job, Stopped())
            raise

    async def _created(
        self, job: Job, record: Record, connection: "Connection", verdict: Creation
    ) -> Start:
        match verdict:
            case A2aTask(id=task_id):
                return await self._begun(job, record, task_id)
            case Replied(result):
                return Ended(Completed(result))
            case Refused(message):
                return Ended(Failed(Reason.DISPATCH_FAILED, message))
            case Away(message, retry_after, quota):
                return TargetDown(message, retry_after, quota=quota)
            case Lost(message):
                match await self._search(job, connection):
                    case A2aTask(id=task_id):
                        return await self._begun(job, record, task_id)
                    case None:
                        return Transient(f"{message}, and the agent has no task of the run")
                    case str(missing):
                        return await self._hold(job, record, f"{message}; {missing}")

    async def _begun(self, job: Job, record: Record, task_id: str) -> Start:
        detail = {"url": _runtime(job).url, "runId": job.run_id, "taskId": task_id}
        handle = Handle(task_id, detail)
        await record(handle)
        return Started(handle)

    async def _hold(self, job: Job, record: Record, why: str | None) -> Start:
        """The work may be under way, and has no name yet: its context's id is the run's."""
        detail = {"url": _runtime(job).url, "runId": job.run_id}
        handle = Handle(None, detail if why is None else {**detail, "answer": f"{why}: {_HELD}"})
        await record(handle)
        return Started(handle)

    async def _search(self, job: Job, connection: "Connection") -> A2aTask | str | None:
        """The task of a run; None where the agent surely has none, a sentence where unclear.

        An agent that answers, and goes on answering for a while, has long read what came before.
        """
        missing: str | None = None
        for pause in self._patience.search:
            await asyncio.sleep(pause)
            match await connection.find(job.run_id, _headers(job), self._patience.ask):
                case A2aTask() as task:
                    return task
                case Unknown():
                    missing = None
                case Unlisted() as unlisted:
                    return _unclear(unlisted)
                case trouble:
                    missing = _unclear(trouble)
        return missing

    def _poll(self, job: Job, handle: Handle) -> Observation:
        request = self._open.get(job.run_id)
        match request.verdict if request is not None else None:
            case Replied(result):
                return Ended(Completed(result))
            case Refused(message):
                return Ended(Failed(Reason.DISPATCH_FAILED, message))
            case Away(message):
                return Ended(Failed(Reason.TARGET_UNAVAILABLE, message))
            case A2aTask(id=task_id):
                self._ids[job.run_id] = task_id
                self._open.pop(job.run_id)
            case Lost():
                self._open.pop(job.run_id)
        if job.run_id not in self._pollers:
            self._pollers[job.run_id] = Poller(
                lambda: self._ask(job, handle),
                self._patience.every,
                self._clock,
                self._notify,
                Working(_note(handle)),
            )
        return self._pollers[job.run_id].poll()

    async def _ask(self, job: Job, handle: Handle) -> tuple[Observation, float]:
        connection = await self._connect(job)
        match connection:
            case Away(message, retry_after):
                return Unseen(message), retry_after or 0.0
            case Refused(message) | Lost(message):
                return Working(f"it cannot be followed: {message}"), 0.0
        task = await self._current(job, handle, connection)
        match task:
            case A2aTask(id=task_id):
                self._ids[job.run_id] = task_id
                return observation_of(task), 0.0
            case Away(message, retry_after):
                self._forget(job)
                return Unseen(message), retry_after or 0.0
            case _ if job.run_id in self._open:
                return Working(), 0.0
            case _:
                return Working(_note(handle) or f"{_unclear(task)}: {_HELD}"), 0.0

    async def _current(
        self, job: Job, handle: Handle, connection: "Connection"
    ) -> A2aTask | Unknown | Unlisted | Trouble:
        task_id = handle.detail.get("taskId") or self._ids.get(job.run_id)
        if isinstance(task_id, str):
            return await connection.task(task_id, _headers(job), self._patience.ask)
        return await connection.find(job.run_id, _headers(job), self._patience.ask)

    async def _connect(self, job: Job) -> "Connection | Trouble":
        """The agent's interface, by its card, which is read again now and then."""
        url = _runtime(job).url
        key = (url, job.secret)
        known = self._connections.get(key)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        try:
            from reconciler.dispatch.a2a.connection import connect, new_a2a_client
        except ImportError:
            return Refused(_NO_SDK)
        answer = await self._card(job, url)
        if not isinstance(answer, Reply):
            return answer
        if self._http is None:
            self._http = new_a2a_client(self._transport)
        connection = connect(self._http, answer, url, self._reach)
        if not isinstance(connection, Refused):
            self._connections[key] = (connection, self._clock.monotonic() + self._patience.card)
        return connection

    async def _card(self, job: Job, url: str) -> Reply | Trouble:
        from reconciler.dispatch.a2a.connection import of_status

        trouble: Trouble = Refused("the agent has no card")
        for address in cards_of(url):
            if (refusal := self._reach.refusal(address)) is not None:
                return Refused(refusal)
            call = Call(method="GET", url=address, headers=_headers(job), within=self._patience.ask)
            match await exchange(self._cards, call):
                case Reply(200) as answer if answer.object():
                    return answer
                case Reply(404 | 200):
                    trouble = Refused(f"there is no agent card at {address}; {_BELOW}")
                case Reply() as answer:
                    return of_status(answer)
                case Unreached(message):
                    return Away(message)
                case failed:
                    return Lost(failed.message)
        return trouble

    def _forget(self, job: Job) -> None:
        """Read the card anew: an agent that moved is not reached where it was."""
        self._connections.pop((_runtime(job).url, job.secret), None)

    async def _let_go(self, job: Job, stop: Stop) -> Stop:
        self._cancelled.pop(job.run_id, None)
        self._ids.pop(job.run_id, None)
        if (poller := self._pollers.pop(job.run_id, None)) is not None:
            await poller.close()
        if (request := self._open.pop(job.run_id, None)) is not None:
            await request.close()
        return stop


def _headers(job: Job) -> dict[str, str]:
    """Those of the manifest, and the token."""
    token = {} if job.secret is None else {"authorization": f"Bearer {job.secret}"}
    return {**{name.lower(): value for name, value in job.headers.items()}, **token}


def _hints(job: Job) -> Hints | None:
    """Where the agent says that there is news, unless it could never reach it."""
    hints = job.hints
    return hints if hints is not None and calls_back(hints.url, _runtime(job).url) else None


def _note(handle: Handle) -> str:
    """Why a run without a task is held."""
    note = handle.detail.get("answer")
    return note if isinstance(note, str) else ""


def _unclear(answer: Unknown | Unlisted | Trouble) -> str:
    match answer:
        case Unknown():
            return "the agent knows no task of the run, which proves nothing"
        case Unlisted():
            return "an agent of protocol 0.3 cannot tell which tasks it has"
        case _:
            return answer.message


def _runtime(job: Job) -> A2aRuntime:
    if not isinstance(job.runtime, A2aRuntime):
        raise TypeError(f"an a2a runtime was given a job of type {job.runtime.type}")
    return job.runtime
