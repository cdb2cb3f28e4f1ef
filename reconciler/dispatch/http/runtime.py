"""HTTP agents: a run is a signed request (docs/runtimes.md).

In mode `create_session` the agent answers 202 and reports to the callback URL, so there is nothing
to look at here. In mode `run_only` the answer ends the run; the request stays open beside the
rounds of the runner, and a repeat after a crash is one under the same idempotency key.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx

from reconciler.clock import Clock
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.runtime import HttpRuntime
from reconciler.core.runs.run import Failed, Reason
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
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
    no_hint,
)
from reconciler.dispatch.http.answer import Accepted, Verdict, of_run, of_session
from reconciler.dispatch.http.request import cancel, post
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import Call, Reply, exchange

_STOPPED = frozenset({200, 204, 410})


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds."""

    create: float = 30.0
    """For the 202 that takes a run."""
    settle: float = 2.0
    """How long the answer of a `run_only` is waited for before the run counts as running."""
    cancel: float = 10.0
    """For the answer to a cancellation."""


class HttpAgents:
    """The `http` runtime."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        reach: Reach,
        clock: Clock,
        patience: Patience | None = None,
        notify: Callable[[], None] = no_hint,
    ) -> None:
        """`notify` is called when a long request was answered: a look would pay."""
        self._notify = notify
        self._http = http
        self._reach = reach
        self._clock = clock
        self._patience = patience or Patience()
        self._posts: dict[str, asyncio.Task[Verdict]] = {}

    async def start(self, job: Job, record: Record) -> Start:
        """Post the run. A session that an earlier attempt was given is simply waited for."""
        if job.handle is not None and job.handle.session_id is not None:
            return Started(job.handle)
        try:
            call = self._post(job)
        except ValueError as error:
            return Ended(Failed(Reason.DISPATCH_FAILED, str(error)))
        if job.mode is ExecutionMode.RUN_ONLY:
            return await self._run(job, call, record)
        match of_session(await exchange(self._http, call)):
            case Accepted(session_id):
                # Recorded after the work began, since only its answer names the session: until
                # then a crash is mended by the same request under the same idempotency key.
                handle = Handle(session_id, {"url": call.url})
                await record(handle)
                return Started(handle)
            case other:
                return other

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
        """Sessions report by themselves (`complete`); the others have ended once answered."""
        return {job.run_id: self._look(job, handle) for job, handle in jobs}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """`DELETE` the run below the agent's URL: 200, 204 and 410 are the proof."""
        url = _runtime(job).url
        if (refusal := self._reach.refusal(url)) is not None:
            return Stopping(refusal)
        try:
            call = cancel(job, url, self._clock.now(), self._patience.cancel)
        except ValueError as error:
            return Stopping(str(error))
        answer = await exchange(self._http, call)
        if isinstance(answer, Reply) and answer.status in _STOPPED:
            return await self.release(job, handle)
        return Stopping(_not_proven(answer.status) if isinstance(answer, Reply) else answer.message)

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """Close the request of a `run_only`, if it is still open; a session is the agent's own."""
        task = self._posts.pop(job.run_id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        return Stopped()

    async def close(self) -> None:
        """Close open requests; the next server posts them again under the same key."""
        tasks = [*self._posts.values()]
        self._posts.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _post(self, job: Job) -> Call:
        url = _runtime(job).url
        if (refusal := self._reach.refusal(url)) is not None:
            raise ValueError(refusal)
        now = self._clock.now()
        rest = max(1.0, (job.deadline - now).total_seconds())
        limit = rest if job.mode is ExecutionMode.RUN_ONLY else self._patience.create
        return post(job, url, now, min(rest, limit))

    async def _run(self, job: Job, call: Call, record: Record) -> Start:
        """An answer within a moment decides at once; a later one is seen by `observe`."""
        if job.run_id not in self._posts:
            self._posts[job.run_id] = asyncio.create_task(self._answer(call))
            self._posts[job.run_id].add_done_callback(lambda _: self._notify())
        task = self._posts[job.run_id]
        try:
            await asyncio.wait([task], timeout=self._patience.settle)
            if not task.done():
                handle = Handle(None, {"url": call.url, "runId": job.run_id})
                await record(handle)
                return Started(handle)
        except BaseException:
            await self.release(job, None)
            raise
        match task.result():
            case Ended() as ended:
                return ended
            case failure:
                del self._posts[job.run_id]
                return failure

    async def _answer(self, call: Call) -> Verdict:
        return of_run(await exchange(self._http, call))

    def _look(self, job: Job, handle: Handle) -> Observation:
        if handle.session_id is not None:
            return Working()
        task = self._posts.get(job.run_id)
        if task is None:
            return Unseen("the request was made by another server process")
        if not task.done():
            return Working()
        match task.result():
            case Ended() as ended:
                return ended
            case Transient(message) | TargetDown(message):
                why = f"the request was at work and then failed: {message}"
                return Ended(Failed(Reason.AGENT_FAILED, why))


def _not_proven(status: int) -> str:
    match status:
        case 202:
            return "the agent is stopping it"
        case 404 | 405 | 501:
            return f"the agent answered {status} to DELETE: it cannot be asked to stop a run"
        case _:
            return f"the agent answered {status} to DELETE, which proves nothing"


def _runtime(job: Job) -> HttpRuntime:
    if not isinstance(job.runtime, HttpRuntime):
        raise TypeError(f"an http runtime was given a job of type {job.runtime.type}")
    return job.runtime
