"""HTTP agents: a run is a signed request (docs/runtimes.md#http).

In mode `create_session` the agent answers 202 and reports to the callback URL. In mode `run_only`
the answer ends the run; the request stays open beside the rounds of the runner. An answer that is
lost ends nothing: the request is repeated under the same idempotency key (conversation.py). An API
that is not ours is spoken to by the templates of the manifest (api/).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx

from reconciler.clock import Clock
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.runtime import HttpRuntime
from reconciler.core.runs.run import Failed, Reason
from reconciler.core.runs.usage import reported
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
from reconciler.dispatch.http.answer import Accepted, Begun, Refused, Verdict, verdict_on
from reconciler.dispatch.http.api.calls import Evaluate, no_expressions
from reconciler.dispatch.http.api.runtime import ApiPatience, ApiRuns
from reconciler.dispatch.http.conversation import Conversation
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
    again: float = 2.0
    """Before the first repeat of a request whose answer was lost; then doubled."""
    beyond: float = 60.0
    """How long the request of a `run_only` stays open after the deadline: the run is stopped at its
    deadline, and the request's own limit must not come before that."""


class HttpAgents:
    """The `http` runtime."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        reach: Reach,
        clock: Clock,
        patience: Patience | None = None,
        notify: Callable[[], None] = no_hint,
        evaluate: Evaluate = no_expressions,
        api_patience: ApiPatience | None = None,
    ) -> None:
        """`notify` is called when a request was answered in the end: a poll would find news.

        `evaluate` gives the values of templates, which only APIs of others have.
        """
        self._notify = notify
        self._http = http
        self._reach = reach
        self._clock = clock
        self._patience = patience or Patience()
        self._conversations: dict[str, Conversation] = {}
        waits = api_patience or ApiPatience()
        self._apis = ApiRuns(http, reach, clock, evaluate, waits, notify)

    async def start(self, job: Job, record: Record) -> Start:
        """Post the run, or again what an earlier attempt posted and got no answer to."""
        if _is_templated(job):
            return await self._apis.start(job, record)
        if job.handle is not None and _is_taken(job.handle):
            return Started(job.handle)
        try:
            self._post(job)
        except ValueError as error:
            return Ended(Failed(Reason.DISPATCH_FAILED, str(error)))
        if job.run_id not in self._conversations:
            self._conversations[job.run_id] = self._converse(job)
        try:
            return await self._begin(job, self._conversations[job.run_id], record)
        except BaseException:
            await self._close(job.run_id)
            raise

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
        """Sessions report by themselves (`complete`); the others have ended once answered."""
        templated = [pair for pair in jobs if _is_templated(pair[0])]
        polled = {
            job.run_id: self._poll(job, handle) for job, handle in jobs if not _is_templated(job)
        }
        return {**polled, **await self._apis.observe(templated)}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """`DELETE` the run below the agent's URL: 200, 204 and 410 are the proof."""
        if _is_templated(job):
            return await self._apis.stop(job, handle)
        url = _runtime(job).url
        if (refusal := self._reach.refusal(url)) is not None:
            return Stopping(refusal)
        if (conversation := self._conversations.get(job.run_id)) is not None:
            # Given up first: a late answer must not end a run that is stopping.
            conversation.cease()
            if isinstance(last := conversation.last, Ended):
                await self._close(job.run_id)
                return Stopped(last.outcome.result, last.outcome.usage)
        try:
            call = cancel(job, url, self._clock.now(), self._patience.cancel)
        except ValueError as error:
            return Stopping(str(error))
        answer = await exchange(self._http, call)
        if isinstance(answer, Reply) and answer.status in _STOPPED:
            await self._close(job.run_id)
            usage, _ = reported(answer.object().get("usage"))
            return Stopped(usage=usage)
        return Stopping(_not_proven(answer.status) if isinstance(answer, Reply) else answer.message)

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """Close the request, if it is still open; a session is the agent's own."""
        if _is_templated(job):
            return await self._apis.release(job, handle)
        await self._close(job.run_id)
        return Stopped()

    async def close(self) -> None:
        """Close open requests; the next server posts them again under the same key."""
        await self._apis.close()
        conversations = [*self._conversations.values()]
        self._conversations.clear()
        await asyncio.gather(*(conversation.close() for conversation in conversations))

    async def _begin(self, job: Job, conversation: Conversation, record: Record) -> Start:
        """Return what the first answer says. Work that may have begun is on record from then on."""
        run_only = job.mode is ExecutionMode.RUN_ONLY
        verdict = await conversation.first(self._patience.settle if run_only else None)
        match verdict:
            case Ended() as ended:
                await self._close(job.run_id)
                return ended
            case Accepted(session_id):
                # Recorded after the work began, since only its answer names the session: a crash
                # until then is made good by the same request under the same idempotency key.
                await self._close(job.run_id)
                handle = Handle(session_id, {"url": _runtime(job).url})
            case Refused() | Transient() | TargetDown() if job.handle is None:
                await self._close(job.run_id)
                return _not_started(verdict)
            case Begun(message, again=False):
                handle = _unnamed(job, message)
            case _:  # no answer yet, or none that says what became of an earlier request
                handle = job.handle or _unnamed(job)
        if handle != job.handle:
            await record(handle)
        return Started(handle)

    def _converse(self, job: Job) -> Conversation:
        async def ask() -> Verdict:
            return verdict_on(await exchange(self._http, self._post(job)), job.mode)

        return Conversation(ask, self._patience.again, self._notify)

    def _post(self, job: Job) -> Call:
        """Sign and date the request anew. Raises ValueError with a sentence."""
        url = _runtime(job).url
        if (refusal := self._reach.refusal(url)) is not None:
            raise ValueError(refusal)
        now = self._clock.now()
        if job.mode is ExecutionMode.CREATE_SESSION:
            return post(job, url, now, self._patience.create)
        left = max(0.0, (job.deadline - now).total_seconds())
        return post(job, url, now, left + self._patience.beyond)

    async def _close(self, run_id: str) -> None:
        if (conversation := self._conversations.pop(run_id, None)) is not None:
            await conversation.close()

    def _poll(self, job: Job, handle: Handle) -> Observation:
        if handle.session_id is not None:
            return Working()
        if isinstance(answer := handle.detail.get("answer"), str):
            return Working(answer)
        conversation = self._conversations.get(job.run_id)
        if conversation is None:
            return Unseen("the request was made by another server process")
        if isinstance(conversation.last, Ended):
            return conversation.last
        return Working(conversation.note)


def _is_taken(handle: Handle) -> bool:
    """Whether the agent answered that it has the run: asking again would bring nothing new."""
    return handle.session_id is not None or "answer" in handle.detail


def _unnamed(job: Job, answer: str | None = None) -> Handle:
    """The handle of work whose name is not known; the run's id is enough to stop it."""
    detail = {"url": _runtime(job).url, "runId": job.run_id}
    return Handle(None, detail if answer is None else {**detail, "answer": answer})


def _not_started(verdict: Refused | Transient | TargetDown) -> Start:
    if isinstance(verdict, Refused):
        return Ended(Failed(Reason.DISPATCH_FAILED, verdict.message))
    return verdict


def _not_proven(status: int) -> str:
    match status:
        case 202:
            return "the agent is stopping it"
        case 404 | 405 | 501:
            return f"the agent answered {status} to DELETE: it cannot be asked to stop a run"
        case _:
            return f"the agent answered {status} to DELETE, which proves nothing"


def _is_templated(job: Job) -> bool:
    """Whether the manifest says itself how the API is spoken to."""
    return _runtime(job).request is not None


def _runtime(job: Job) -> HttpRuntime:
    if not isinstance(job.runtime, HttpRuntime):
        raise TypeError(f"an http runtime was given a job of type {job.runtime.type}")
    return job.runtime
