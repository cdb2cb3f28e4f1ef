"""Aegis: a run is a session of an Aegis server (contract 7).

One list call for each round and key says how all runs are; a transcript is only read once its
session rests. What is remembered between rounds is how long a session has shown `error` and which
transcripts were read; all else is in the handle, so that another server can go on.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from reconciler.clock import Clock
from reconciler.core.model import ExecutionMode
from reconciler.core.run import Completed, Failed, Reason
from reconciler.core.runtime import AegisRuntime
from reconciler.dispatch.aegis_client import Absent, AegisClient, Target, Waits
from reconciler.dispatch.aegis_reading import (
    BROKEN,
    RESTING,
    Session,
    Transcript,
    detail,
    is_session_id,
)
from reconciler.dispatch.aegis_start import Beginning
from reconciler.dispatch.base import (
    Ended,
    Gone,
    Handle,
    Job,
    Observation,
    Record,
    Start,
    Stop,
    Stopped,
    Stopping,
    Unseen,
    Working,
    cut_result,
)
from reconciler.dispatch.reach import Reach

Look = tuple[Job, Handle]


@dataclass(slots=True)
class Memory:
    """What was seen of a session in earlier rounds; monotonic seconds."""

    broken_since: float | None = None
    read_at: float = 0.0
    read_stamp: str | None = None


class AegisSessions:
    """The `aegis` runtime. `modes` are the permission modes that the operator allows."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        reach: Reach,
        modes: Sequence[str],
        clock: Clock,
        waits: Waits | None = None,
    ) -> None:
        self._http = http
        self._reach = reach
        self._modes = tuple(modes)
        self._clock = clock
        self._waits = waits or Waits()
        self._apis: dict[Target, AegisClient] = {}
        self._memory: dict[str, Memory] = {}

    async def start(self, job: Job, record: Record) -> Start:
        """Make a session and give it the prompt, or take over what an attempt before has made."""
        runtime = _runtime(job)
        if (refusal := self._refusal(job, runtime)) is not None:
            return Ended(Failed(Reason.DISPATCH_FAILED, refusal))
        return await Beginning(self._api(job), job, runtime, record).begin()

    async def observe(self, jobs: Sequence[Look]) -> Mapping[str, Observation]:
        """How each session is: one list call for each server and key, whatever their number."""
        groups: dict[Target, list[Look]] = {}
        for job, handle in jobs:
            groups.setdefault(_target(job), []).append((job, handle))
        seen = await asyncio.gather(*(self._round(looks) for looks in groups.values()))
        return {run_id: one for part in seen for run_id, one in part.items()}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """Interrupt, then end the session; a 404 is the proof."""
        if is_session_id(handle.session_id):
            await self._api(job).interrupt(str(handle.session_id))
        return await self.release(job, handle)

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """End the session, so that nobody is given it; without a handle the one by the run's id."""
        api = self._api(job)
        if (refusal := self._reach.refusal(api.target.url)) is not None:
            return Stopping(refusal)
        if handle is not None and is_session_id(handle.session_id):
            return await self._end(api, str(handle.session_id))
        match await Beginning(api, job, _runtime(job), _no_record).find():
            case None:
                return Stopped()
            case Session(session_id):
                return await self._end(api, session_id)
            case trouble:
                return Stopping(trouble.message)

    def is_ours(self, handle: Handle) -> bool:
        """Any server can follow a session."""
        return True

    async def close(self) -> None:
        """Sessions go on; connections belong to the client, which others use as well."""
        self._memory.clear()

    def _api(self, job: Job) -> AegisClient:
        target = _target(job)
        if target not in self._apis:
            self._apis[target] = AegisClient(self._http, target, self._waits, self._clock)
        return self._apis[target]

    def _refusal(self, job: Job, runtime: AegisRuntime) -> str | None:
        if job.mode is ExecutionMode.RUN_ONLY:
            return "an aegis runtime has no mode run_only; use create_session"
        mode = runtime.permission_mode
        if mode is not None and mode not in self._modes:
            return (
                f"permissionMode {mode!r} is not allowed on this server: setting "
                f"allowed_permission_modes admits {', '.join(self._modes) or 'none'}"
            )
        return self._reach.refusal(runtime.url)

    async def _round(self, looks: Sequence[Look]) -> Mapping[str, Observation]:
        api = self._api(looks[0][0])
        if (refusal := self._reach.refusal(api.target.url)) is not None:
            return {job.run_id: Unseen(refusal) for job, _ in looks}
        listed = await api.sessions()
        if not isinstance(listed, tuple):
            return {job.run_id: Unseen(listed.message) for job, _ in looks}
        sessions = {session.id: session for session in listed}
        seen = await asyncio.gather(
            *(self._look(api, handle, sessions.get(handle.session_id or "")) for _, handle in looks)
        )
        return {job.run_id: one for (job, _), one in zip(looks, seen, strict=True)}

    async def _look(self, api: AegisClient, handle: Handle, listed: Session | None) -> Observation:
        """One run. A session that the list does not show is asked for before it counts as gone."""
        if not is_session_id(handle.session_id):
            return Gone("the handle names no session")
        if listed is not None:
            return await self._judge(api, handle, listed)
        match await api.session(str(handle.session_id)):
            case Absent():
                return _gone(handle)
            case Session() as session:
                return await self._judge(api, handle, session)
            case trouble:
                return Unseen(trouble.message)

    async def _judge(self, api: AegisClient, handle: Handle, session: Session) -> Observation:
        memory = self._memory.setdefault(session.id, Memory())
        if session.status == BROKEN:
            return await self._broken(api, session, memory)
        memory.broken_since = None
        if session.status not in RESTING:
            return Working(detail(session.status))
        if handle.detail.get("prompted") is not True:
            return Working("the prompt has not been delivered yet")
        return await self._resting(api, handle, session, memory)

    async def _broken(self, api: AegisClient, session: Session, memory: Memory) -> Observation:
        """`error` has to stay: many an error of a moment mends itself."""
        now = self._clock.monotonic()
        if memory.broken_since is None:
            memory.broken_since = now
        if now - memory.broken_since < self._waits.error_stays:
            return Working(detail(BROKEN))
        match await api.transcript(session.id):
            case Transcript() as seen:
                said = cut_result(seen.text()) or None
            case _:
                said = None
        message = f"session {session.id} stays in error"
        return Ended(Failed(Reason.SESSION_FAILED, message, said))

    async def _resting(
        self, api: AegisClient, handle: Handle, session: Session, memory: Memory
    ) -> Observation:
        """Before its work a session rests as it does afterwards: the transcript tells."""
        now = self._clock.monotonic()
        idle = Working(f"{session.status}, without an answer yet")
        if session.stamp == memory.read_stamp and now - memory.read_at < self._waits.read_again:
            return idle
        match await api.transcript(session.id):
            case Transcript() as seen if seen.answered():
                return Ended(Completed(cut_result(seen.text())))
            case Transcript(status=status) if status in RESTING:
                memory.read_at, memory.read_stamp = now, session.stamp
                return idle
            case Transcript(status=status):
                return Working(detail(status))
            case Absent():
                return _gone(handle)
            case trouble:
                return Unseen(trouble.message)

    async def _end(self, api: AegisClient, session_id: str) -> Stop:
        self._memory.pop(session_id, None)
        match await api.delete(session_id):
            case Absent():
                return Stopped()
            case None:
                pass
            case trouble:
                return Stopping(trouble.message)
        match await api.session(session_id):
            case Absent():
                return Stopped()
            case Session(status=status):
                return Stopping(f"session {session_id} is still there after DELETE: {status}")
            case trouble:
                return Stopping(trouble.message)


async def _no_record(_handle: Handle) -> None:
    """For a search that starts nothing."""


def _runtime(job: Job) -> AegisRuntime:
    if not isinstance(job.runtime, AegisRuntime):
        raise TypeError(f"an aegis runtime was given a job of type {job.runtime.type}")
    return job.runtime


def _target(job: Job) -> Target:
    return Target(_runtime(job).url.rstrip("/"), job.secret)


def _gone(handle: Handle) -> Gone:
    return Gone(
        f"session {handle.session_id} is not there any more (404): "
        "it ended, was reaped, or its server restarted",
        Reason.SESSION_FAILED,
    )
