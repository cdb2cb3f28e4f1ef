"""Aegis: a run is a session of an Aegis server (docs/runtimes.md#aegis).

start.py begins a session, watch.py polls it, turn.py tells its end; events are hints. A session is
known by its handle alone, so that any server process can go on with it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import httpx

from reconciler.clock import Clock
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.reach import Grant, folder_refusal, variables_refusal
from reconciler.core.manifest.runtime import AegisRuntime
from reconciler.core.runs.run import Failed, Reason
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.aegis.client import AegisClient, Target
from reconciler.dispatch.aegis.costs import Cost, Costs
from reconciler.dispatch.aegis.ending import RESTARTED, Alive, Deleted, NotThere, end
from reconciler.dispatch.aegis.events import Listener, Rhythm
from reconciler.dispatch.aegis.handle import Mark, Phase, asked_since
from reconciler.dispatch.aegis.paste import clean, prompt_of
from reconciler.dispatch.aegis.reading import Session
from reconciler.dispatch.aegis.start import Beginning
from reconciler.dispatch.aegis.turn import Turns
from reconciler.dispatch.aegis.waits import Waits
from reconciler.dispatch.aegis.watch import Followed, Watch
from reconciler.dispatch.aegis.words.live import Live
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
    Observation,
    Record,
    Start,
    Stop,
    Stopped,
    Stopping,
    Unseen,
    Written,
    no_hint,
)
from reconciler.dispatch.reach import Reach, is_here, links_refusal

CLOSING = 3.0
"""Seconds that a server which stops may take for its sessions."""


class AegisSessions:
    """The `aegis` runtime. `modes` are the permission modes that the operator allows."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        reach: Reach,
        modes: Sequence[str],
        clock: Clock,
        waits: Waits | None = None,
        notify: Callable[[], None] = no_hint,
        rhythm: Rhythm | None = None,
        *,
        grant: Grant,
    ) -> None:
        """`notify` is called when a session that was looked at did something: look again soon."""
        self._grant = grant
        self._notify = notify
        self._rhythm = rhythm or Rhythm()
        self._listeners: dict[Target, Listener] = {}
        self._http = http
        self._reach = reach
        self._modes = tuple(modes)
        self._clock = clock
        self._waits = waits or Waits()
        self._apis: dict[Target, AegisClient] = {}
        self._watches: dict[Target, Watch] = {}
        self._costs_of: dict[Target, Costs] = {}
        self._words: dict[Target, Live] = {}

    async def start(self, job: Job, record: Record) -> Start:
        """Make a session and give it the prompt, or take over what an attempt before has made."""
        runtime = _runtime(job)
        if (refusal := self._refusal(job, runtime)) is not None:
            return Ended(Failed(Reason.DISPATCH_FAILED, refusal))
        api = self._api(job)
        return await Beginning(api, job, runtime, record, self._costs(api)).begin()

    async def observe(self, jobs: Sequence[Followed]) -> Mapping[str, Observation]:
        """How each session is: one list call for each server and key, whatever their number."""
        groups: dict[Target, list[Followed]] = {}
        for job, handle in jobs:
            groups.setdefault(_target(job), []).append((job, handle))
        seen = await asyncio.gather(*(self._round(followed) for followed in groups.values()))
        return {run_id: observation for part in seen for run_id, observation in part.items()}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """Interrupt, then end the session; a 404 of the server that had it is the proof."""
        api, mark = self._api(job), Mark.read(handle)
        if mark is None:
            released, since = await self.release(job, handle), asked_since(handle)
            known = since is None or await api.has_run_since(since)
            return released if known or isinstance(released, Stopping) else Stopping(RESTARTED)
        if (refusal := self._reach.refusal(api.target.url)) is not None:
            return Stopping(refusal)
        cost: Usage | Cost = Cost.NEVER
        if mark.phase is not Phase.MADE:
            await api.interrupt(mark.session_id)
            cost = await self._costs(api).read(mark.session_id)
            await self._words_of(api, job, mark)  # a session that was deleted tells nothing
        match await self._end(api, mark.session_id):
            case Deleted():
                return Stopped(usage=cost if isinstance(cost, Usage) else None)
            case Alive(message):
                return Stopping(message)
            case NotThere():
                # Without a prompt there is nothing that could be at work.
                dead = mark.phase is Phase.MADE or await api.has_run_since(mark.since)
                return Stopped() if dead else Stopping(RESTARTED)

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """End the session, so that nobody is given it; without a handle the one by the run's id.

        One that worked is kept until its cost is known, two minutes at most.
        """
        api = self._api(job)
        if (refusal := self._reach.refusal(api.target.url)) is not None:
            return Stopping(refusal)
        if (mark := Mark.read(handle)) is not None:
            worked = mark.phase is Phase.WORKING
            cost = await self._costs(api).keep(mark.session_id) if worked else Cost.NEVER
            if cost is Cost.LATER:
                return Stopping("the cost of its session is awaited")
            released = await self._released(api, mark.session_id)
            self._live(api).forget(mark.session_id)
            usage = cost if isinstance(cost, Usage) else None
            return Stopped(usage=usage) if isinstance(released, Stopped) else released
        match await Beginning(api, job, _runtime(job), _no_record, self._costs(api)).find():
            case None:
                return Stopped()
            case Session(id=session_id):
                return await self._released(api, session_id)
            case trouble:
                return Stopping(trouble.message)

    async def output(self, job: Job, handle: Handle, after: str | None) -> Written | None:
        """What the agent has said; a position counts characters. See `Live`."""
        api, mark = self._api(job), Mark.read(handle)
        if self._reach.refusal(api.target.url) is not None:
            return None
        if mark is None or mark.phase is Phase.MADE:
            return Written("", after or "")
        return await self._words_of(api, job, mark, after)

    async def close(self) -> None:
        """Sessions go on, but for those that are there for their cost alone.

        Connections belong to the client, which others use as well.
        """
        listeners = [*self._listeners.values()]
        self._listeners.clear()
        await asyncio.gather(*(listener.close() for listener in listeners))
        ended = [(c.api, over) for c in self._costs_of.values() for over in c.sessions_over()]
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await asyncio.gather(*(self._end(api, session_id) for api, session_id in ended))

    def _api(self, job: Job) -> AegisClient:
        target = _target(job)
        if target not in self._apis:
            self._apis[target] = AegisClient(self._http, target, self._waits, self._clock)
        return self._apis[target]

    def _watch(self, api: AegisClient) -> Watch:
        return self._watches.setdefault(api.target, Watch(api, Turns(api, self._costs(api))))

    def _costs(self, api: AegisClient) -> Costs:
        return self._costs_of.setdefault(api.target, Costs(api))

    def _live(self, api: AegisClient) -> Live:
        return self._words.setdefault(api.target, Live(api))

    async def _words_of(
        self, api: AegisClient, job: Job, mark: Mark, after: str | None = None
    ) -> Written:
        session = self._watch(api).shown(mark.session_id)
        return await self._live(api).read(mark, clean(prompt_of(job)), session, after)

    def _refusal(self, job: Job, runtime: AegisRuntime) -> str | None:
        if job.mode is ExecutionMode.RUN_ONLY:
            return "an aegis runtime has no mode run_only; use create_session"
        mode = runtime.permission_mode
        if mode is not None and mode not in self._modes:
            return (
                f"permissionMode {mode!r} is not allowed on this server: setting "
                f"allowed_permission_modes admits {', '.join(self._modes) or 'none'}"
            )
        return self._choice_refusal(job, runtime) or self._reach.refusal(runtime.url)

    def _choice_refusal(self, job: Job, runtime: AegisRuntime) -> str | None:
        if refusal := variables_refusal(job.env, self._grant, "aegis"):
            return f"spec.runtime.env: {refusal}"
        folder = runtime.work_dir
        refusal = folder_refusal(folder, self._grant, "aegis")
        if refusal is None and is_here(runtime.url):
            refusal = links_refusal(folder, self._grant, "aegis")
        return f"spec.runtime.workDir: {refusal}" if refusal else None

    async def _round(self, followed: Sequence[Followed]) -> Mapping[str, Observation]:
        api = self._api(followed[0][0])
        if (refusal := self._reach.refusal(api.target.url)) is not None:
            return {job.run_id: Unseen(refusal) for job, _ in followed}
        self._listen(api, followed)
        return await self._watch(api).poll(followed)

    def _listen(self, api: AegisClient, followed: Sequence[Followed]) -> None:
        if self._notify is no_hint:  # nobody would hear it
            return
        if api.target not in self._listeners:
            watch = self._watch(api)

            def hint() -> None:
                watch.hint()  # before the round that the next line brings about
                self._notify()

            self._listeners[api.target] = Listener(api, watch.turns.hear, hint, self._rhythm)
        ids = frozenset(handle.session_id for _, handle in followed if handle.session_id)
        self._listeners[api.target].follow(ids)

    async def _end(self, api: AegisClient, session_id: str) -> Deleted | NotThere | Alive:
        self._watch(api).forget(session_id)
        self._costs(api).forget(session_id)
        return await end(api, session_id)

    async def _released(self, api: AegisClient, session_id: str) -> Stop:
        """For a run whose end is recorded, what is not there needs no release."""
        ended = await self._end(api, session_id)
        return Stopping(ended.message) if isinstance(ended, Alive) else Stopped()


async def _no_record(_handle: Handle) -> None:
    """For a search that starts nothing."""


def _runtime(job: Job) -> AegisRuntime:
    if not isinstance(job.runtime, AegisRuntime):
        raise TypeError(f"an aegis runtime was given a job of type {job.runtime.type}")
    return job.runtime


def _target(job: Job) -> Target:
    return Target(_runtime(job).url.rstrip("/"), job.secret)
