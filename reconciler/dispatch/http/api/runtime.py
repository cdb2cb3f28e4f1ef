"""Runs of an API that is not ours, by the templates of its manifest (docs/runtimes.md#other-apis).

The request that begins the work is sent once. From then on the run is held until the API says how
it ended, was proven to have stopped, or its deadline has passed: an answer that was lost is looked
for by `find`, and never replaced by another request.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpx

from reconciler.clock import Clock
from reconciler.core.cel import EvaluationBusy, EvaluationError
from reconciler.core.manifest.http_api import Done, Request
from reconciler.core.manifest.runtime import HttpRuntime
from reconciler.core.runs.run import Completed, Failed, Json, Reason
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
    NeedsApproval,
    Observation,
    Record,
    Start,
    Started,
    Stop,
    Stopped,
    Stopping,
    TargetDown,
    Transient,
    Working,
)
from reconciler.dispatch.http.api.answers import (
    Creation,
    Errored,
    Lost,
    Refused,
    Taken,
    content,
    on_creation,
    outcome_of,
)
from reconciler.dispatch.http.api.calls import Calls, Evaluate
from reconciler.dispatch.http.api.following import UNCLEAR, ask
from reconciler.dispatch.open_request import OpenRequest
from reconciler.dispatch.poller import Poller
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import Reply, exchange

_HELD = "it may be at work, and is held until its deadline"
_EVALUATIONS = 5
_GONE = frozenset({404, 410})
_NOTHING_TO_STOP = frozenset({404, 409})


@dataclass(frozen=True, slots=True)
class ApiPatience:
    """Seconds."""

    create: float = 60.0
    """For the answer that takes a run."""
    settle: float = 2.0
    """How long an answer that is the end is waited for before the run counts as running."""
    ask: float = 20.0
    """For the answer to any other request."""
    search: tuple[float, ...] = (1.0, 3.0, 6.0, 10.0)
    """Before each search for work whose creation was not answered."""
    beyond: float = 60.0
    """How long a request whose answer is the end stays open after the run's deadline."""


class ApiRuns:
    """Runs of `http` runtimes with a `request`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        reach: Reach,
        clock: Clock,
        evaluate: Evaluate,
        patience: ApiPatience,
        notify: Callable[[], None],
    ) -> None:
        self._http = http
        self._reach = reach
        self._clock = clock
        self._evaluate = evaluate
        self._patience = patience
        self._notify = notify
        self._followers: dict[str, Poller] = {}
        self._open: dict[str, OpenRequest[Creation]] = {}
        self._cancelled: dict[str, float] = {}

    async def start(self, job: Job, record: Record) -> Start:
        """Send the request that begins the work, unless an earlier attempt may have."""
        if job.handle is not None:
            return Started(job.handle)
        if job.unsure:
            return await self._search(job, record, "an earlier request was not answered")
        done = _request(job).done
        left = max(0.0, (job.deadline - self._clock.now()).total_seconds())
        within = left + self._patience.beyond if done is Done.RESPONSE else self._patience.create
        try:
            call = await self._calls(job, {}, within).creation()
        except EvaluationBusy as error:
            return Transient(str(error))
        except (EvaluationError, ValueError) as error:
            return Ended(Failed(Reason.DISPATCH_FAILED, f"spec.runtime: {error}"))

        async def send() -> Creation:
            return on_creation(await exchange(self._http, call))

        if done is Done.RESPONSE:
            return await self._await_end(job, record, OpenRequest(send, self._notify))
        return await self._created(job, record, await send())

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
        """Return what is known of each; questions are asked beside the rounds."""
        return {job.run_id: self._poll(job, handle) for job, handle in jobs}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """Ask the API to stop; the proof is its own word, by its answer or by what is followed."""
        values: dict[str, Json] | str | None = _values_of(handle)
        if values is None:
            values = await self._sought(job)
        if not isinstance(values, dict):
            return await self._stop_unnamed(job, values)
        calls = self._calls(job, values, self._patience.ask)
        end = await self._end(job, calls)
        if isinstance(end, Stopped):
            return await self._let_go(job, end)
        if self._clock.monotonic() < self._cancelled.get(job.run_id, 0.0):
            return Stopping(f"it was asked to stop{'; ' if end.message else ''}{end.message}")
        return await self._cancel(job, calls)

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """Hang up and forget; without a handle, stop what an unanswered request may have begun."""
        if handle is None and job.unsure:
            values = await self._sought(job)
            if isinstance(values, dict):
                return await self.stop(job, Handle(None, {"handle": values}))
            return await self._stop_unnamed(job, values)
        return await self._let_go(job, Stopped())

    async def close(self) -> None:
        """Hang up; the next server follows what has a handle."""
        followers, requests = [*self._followers.values()], [*self._open.values()]
        self._followers.clear()
        self._open.clear()
        await asyncio.gather(*(follower.close() for follower in followers))
        await asyncio.gather(*(request.close() for request in requests))

    async def _await_end(self, job: Job, record: Record, request: OpenRequest[Creation]) -> Start:
        """Wait a moment for an answer that is the end; else the request stays open."""
        self._open[job.run_id] = request
        try:
            match await request.within(self._patience.settle):
                case None:
                    handle = _unnamed(job)
                case Lost(message):
                    handle = _unnamed(job, f"{message}: {_HELD}")
                case TargetDown() as down:
                    await self._let_go(job, Stopped())
                    return down
                case verdict:
                    await self._let_go(job, Stopped())
                    return Ended(outcome_of(verdict) or Completed())
            await record(handle)
        except BaseException:
            await self._let_go(job, Stopped())
            raise
        return Started(handle)

    async def _created(self, job: Job, record: Record, verdict: Creation) -> Start:
        match verdict:
            case TargetDown():
                return verdict
            case Refused(message):
                return Ended(Failed(Reason.DISPATCH_FAILED, message))
            case Taken(answer):
                return await self._taken(job, record, answer)
            case Lost(message) | Errored(message):
                return await self._search(job, record, message)

    async def _taken(self, job: Job, record: Record, answer: Json) -> Start:
        calls = self._calls(job, {}, self._patience.ask)
        try:
            values = await _patiently(calls, _request(job).handle, answer)
        except (EvaluationError, ValueError) as error:
            if _request(job).done is Done.ACCEPTED:  # handed over, whatever its answer looks like
                return Ended(Completed(answer))
            return await self._search(job, record, f"its answer is not understood: {error}")
        return await self._begun(job, record, values, answer)

    async def _begun(
        self, job: Job, record: Record, values: Mapping[str, Json], answer: Json
    ) -> Start:
        """The handle is on the row before anything else is done with it."""
        handle = Handle(_session(values), {"url": _runtime(job).url, "handle": {**values}})
        if values or _request(job).done is Done.FOLLOW:
            await record(handle)
        if _request(job).done is Done.ACCEPTED:
            return Ended(Completed({**values} or answer))
        return Started(handle)

    async def _search(self, job: Job, record: Record, why: str) -> Start:
        """Look for work that may have begun; it is never begun a second time."""
        if _runtime(job).find is None:
            return await self._hold(job, record, why)
        values: dict[str, Json] | str | None = None
        for pause in self._patience.search:
            await asyncio.sleep(pause)
            values = await self._sought(job)
            if isinstance(values, dict):
                return await self._begun(job, record, values, None)
        if values is not None:
            return await self._hold(job, record, f"{why}; {values}")
        await record(_unnamed(job, why))  # says to all that follow that nothing is to be sent
        return Ended(Failed(Reason.LOST, f"{why}, and spec.runtime.find knows nothing of the run"))

    async def _hold(self, job: Job, record: Record, why: str) -> Start:
        handle = _unnamed(job, f"{why}: {_HELD}")
        await record(handle)
        return Started(handle)

    async def _sought(self, job: Job) -> dict[str, Json] | str | None:
        """The handle of work by `find`; None where the API has none, a sentence where unclear."""
        find = _runtime(job).find
        if find is None:
            return "spec.runtime has no find"
        calls = self._calls(job, {}, self._patience.ask)
        try:
            answer = await exchange(self._http, await calls.find())
        except (EvaluationError, ValueError) as error:
            return f"spec.runtime.find: {error}"
        if not isinstance(answer, Reply):
            return f"spec.runtime.find: {answer.message}"
        document = content(answer)
        if not 200 <= answer.status < 300 or document is None or isinstance(document, str):
            return f"spec.runtime.find: the API answered {answer.status} without JSON of its own"
        try:
            return await calls.handles(find.handle, document)
        except EvaluationBusy as error:
            return f"spec.runtime.find: {error}"
        except (EvaluationError, ValueError):
            return None

    async def _end(self, job: Job, calls: Calls) -> Stop:
        """Whether what is asked for, or the answer that is waited for, says that it is over."""
        if (request := self._open.get(job.run_id)) is not None:
            ended = outcome_of(request.verdict) if request.verdict is not None else None
            return Stopped(ended.result, ended.usage) if ended is not None else Stopping()
        follow = _runtime(job).follow
        if follow is None:
            return Stopping()
        seen, _ = await ask(calls, follow, self._http)
        match seen:
            case Ended(outcome):
                return Stopped(outcome.result, outcome.usage)
            case Working(detail) if detail.startswith(UNCLEAR):
                return Stopping(detail)
            case _:
                return Stopping()

    async def _cancel(self, job: Job, calls: Calls) -> Stop:
        follow = _runtime(job).follow
        try:
            call = await calls.cancel()
        except (EvaluationError, ValueError) as error:
            return Stopping(str(error))
        answer = await exchange(self._http, call)
        every = follow.every.total_seconds() if follow else self._patience.ask
        self._cancelled[job.run_id] = self._clock.monotonic() + every
        if not isinstance(answer, Reply):
            return Stopping(answer.message)
        if answer.status == 410 or (follow is None and answer.status in (200, 204)):
            return await self._let_go(job, Stopped())
        if not 200 <= answer.status < 300:
            if answer.status in _NOTHING_TO_STOP and await self._waits(calls):
                return await self._let_go(job, Stopped())
            return Stopping(f"the API answered {answer.status} to {call.method}")
        if follow is not None:
            end = await self._end_after(job, calls, call.method == "DELETE")
            if isinstance(end, Stopped):
                return await self._let_go(job, end)
            if end.message:
                return Stopping(f"it was asked to stop; {end.message}")
        return Stopping("it was asked to stop, and the API still shows it at work")

    async def _waits(self, calls: Calls) -> bool:
        """Whether the work waits for a person: where nothing is to be stopped, nothing is alive."""
        follow = calls.runtime.follow
        if follow is None:
            return False
        seen, _ = await ask(calls, follow, self._http)
        return isinstance(seen, NeedsApproval)

    async def _end_after(self, job: Job, calls: Calls, deleted: bool) -> Stop:
        """After a cancellation that was taken: what was just deleted may be gone, too."""
        end = await self._end(job, calls)
        if isinstance(end, Stopped) or not deleted:
            return end
        answer = await exchange(self._http, await calls.follow())
        gone = isinstance(answer, Reply) and answer.status in _GONE
        return Stopped() if gone else end

    async def _stop_unnamed(self, job: Job, missing: str | None) -> Stop:
        """Work without a handle: over where the API knows nothing of it, or by its answer."""
        if missing is None:
            return await self._let_go(job, Stopped())
        calls = self._calls(job, {}, self._patience.ask)
        if isinstance(end := await self._end(job, calls), Stopped):
            return await self._let_go(job, end)
        if _request(job).done is Done.RESPONSE and _runtime(job).cancel is not None:
            return await self._cancel(job, calls)
        return Stopping(
            f"the API was sent the run and did not name it, so nothing stops it; {missing}"
        )

    async def _let_go(self, job: Job, stop: Stop) -> Stop:
        self._cancelled.pop(job.run_id, None)
        if (follower := self._followers.pop(job.run_id, None)) is not None:
            await follower.close()
        if (request := self._open.pop(job.run_id, None)) is not None:
            await request.close()
        return stop

    def _poll(self, job: Job, handle: Handle) -> Observation:
        if isinstance(note := handle.detail.get("answer"), str):
            return Working(note)
        values, follow = _values_of(handle), _runtime(job).follow
        if values is not None and follow is not None:
            if job.run_id not in self._followers:
                calls = self._calls(job, values, self._patience.ask)
                self._followers[job.run_id] = Poller(
                    lambda: ask(calls, follow, self._http),
                    follow.every.total_seconds(),
                    self._clock,
                    self._notify,
                )
            return self._followers[job.run_id].poll()
        if (request := self._open.get(job.run_id)) is None:
            return Working(f"the request was made by another server process: {_HELD}")
        return _answered(request.verdict)

    def _calls(self, job: Job, values: Mapping[str, Json], within: float) -> Calls:
        runtime, request = _runtime(job), _request(job)
        return Calls(
            job, runtime, request, self._evaluate, self._reach, self._clock, values, within
        )


async def _patiently(calls: Calls, wanted: Mapping[str, str], answer: Json) -> dict[str, Json]:
    """The handle of work that has begun: not lost to an evaluator that is busy for a moment."""
    for _ in range(_EVALUATIONS):
        with suppress(EvaluationBusy):
            return await calls.handles(wanted, answer)
        await asyncio.sleep(1)
    return await calls.handles(wanted, answer)


def _answered(verdict: Creation | None) -> Observation:
    match verdict:
        case None:
            return Working()
        case Lost(message):
            return Working(f"{message}: {_HELD}")
        case _:
            return Ended(outcome_of(verdict) or Completed())


def _unnamed(job: Job, answer: str | None = None) -> Handle:
    """The handle of work that has no name: the request was sent."""
    detail = {"url": _runtime(job).url, "runId": job.run_id}
    return Handle(None, detail if answer is None else {**detail, "answer": answer})


def _values_of(handle: Handle) -> dict[str, Json] | None:
    values = handle.detail.get("handle")
    return values if isinstance(values, dict) else None


def _session(values: Mapping[str, Json]) -> str | None:
    """What the run shows as its session: `id`, or the first by name."""
    if not values:
        return None
    return str(values["id"] if "id" in values else values[min(values)])


def _runtime(job: Job) -> HttpRuntime:
    if not isinstance(job.runtime, HttpRuntime):
        raise TypeError(f"an http runtime was given a job of type {job.runtime.type}")
    return job.runtime


def _request(job: Job) -> Request:
    request = _runtime(job).request
    if request is None:
        raise TypeError("a run of the protocol was given to an API of others")
    return request
