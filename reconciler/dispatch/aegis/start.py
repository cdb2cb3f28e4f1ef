"""How a run gets its Aegis session and its prompt: once, whatever is lost on the way.

Aegis knows no idempotency, so the run's id is the session's name and is looked for before any
second attempt. A prompt is never sent again blindly either: the transcript is read first. An idle
session that is handed out instead of a new one belongs to somebody, and nothing is sent to it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.manifest.runtime import AegisRuntime
from reconciler.core.runs.run import Failed, Json, Reason
from reconciler.dispatch.aegis.client import (
    Absent,
    AegisClient,
    Busy,
    Created,
    Down,
    Rejected,
    Trouble,
    Unsure,
)
from reconciler.dispatch.aegis.prompt import SEND_LIMIT, fit, units
from reconciler.dispatch.aegis.reading import READY, Session, Transcript, is_session_id
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
    Record,
    Start,
    Started,
    TargetDown,
    Transient,
)

POLLS = 3
"""Times that a session is looked at before a prompt counts as never arrived."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The start of one run on one server."""

    api: AegisClient
    job: Job
    runtime: AegisRuntime
    record: Record

    async def begin(self) -> Start:
        """1. What an earlier attempt recorded is taken over; 2. what it may have made without a
        record is found by name; 3. otherwise a session is made."""
        handle = self.job.handle
        if handle is not None and is_session_id(handle.session_id):
            return await self._resume(str(handle.session_id), handle.detail.get("prompted") is True)
        if self.job.attempt > 1 or handle is not None:
            left = await self.find()
            if not isinstance(left, Session | None):
                return failed(left)
            if left is not None:
                return await self._adopt(left)
        return await self._create()

    async def find(self) -> Session | Trouble | None:
        """The session that carries the run's id as its name."""
        listed = await self.api.sessions()
        if not isinstance(listed, tuple):
            return listed
        return next((s for s in listed if s.name == self.job.run_id), None)

    async def _create(self) -> Start:
        match await self.api.create(self._request()):
            case Created(session, reused=True):
                return _in_the_way(session, self.runtime.work_dir)
            case Created(session, delivered=True) if self._long:
                return await self._started(session.id)
            case Created(session):
                await self._record(session.id, prompted=False)
                return await self._prompt(session.id, sent=self._long)
            case Unsure(message):
                return await self._perhaps_created(message)
            case trouble:
                return failed(trouble)

    async def _perhaps_created(self, message: str) -> Start:
        """The creation was not answered; the session may be there all the same."""
        match await self.find():
            case Session() as session:
                return await self._adopt(session)
            case None:
                return Transient(message)
            case trouble:
                return failed(trouble)

    async def _adopt(self, session: Session) -> Start:
        """A session by our name: it was made with a long prompt, or still waits for a short one."""
        await self._record(session.id, prompted=False)
        return await self._prompt(session.id, sent=True)

    async def _resume(self, session_id: str, prompted: bool) -> Start:
        match await self.api.session(session_id):
            case Absent():
                return await self._gone(session_id)
            case Session() if prompted:
                return Started(self._handle(session_id, prompted=True))
            case Session():
                return await self._prompt(session_id, sent=True)
            case trouble:
                return failed(trouble)

    async def _prompt(self, session_id: str, *, sent: bool) -> Start:
        """Send the prompt, unless it is long or may have been sent; then the transcript decides."""
        if not sent:
            match await self.api.send(session_id, self._text):
                case True:
                    return await self._started(session_id)
                case False | Unsure():
                    pass
                case Absent():
                    return await self._gone(session_id)
                case trouble:
                    return failed(trouble)
        match await self._look_for_prompt(session_id):
            case Transcript() as seen if seen.began():
                return await self._started(session_id)
            case Transcript(status=status):
                return await self._undelivered(session_id, status, again=sent)
            case Absent():
                return await self._gone(session_id)
            case trouble:
                return failed(trouble)

    async def _look_for_prompt(self, session_id: str) -> Transcript | Absent | Trouble:
        """The transcript, read until it shows that the prompt arrived, at most `POLLS` times."""
        for poll in range(POLLS):
            if poll:
                await asyncio.sleep(self.api.waits.poll)
            seen = await self.api.transcript(session_id)
            if not isinstance(seen, Transcript) or seen.began():
                break
        return seen

    async def _undelivered(self, session_id: str, status: str, *, again: bool) -> Start:
        """The transcript shows that the prompt never arrived. `again`: it may be sent now."""
        if self._long:
            return await self._give_back(session_id)
        if not again:
            return Transient(f"session {session_id} did not take its prompt")
        if status != READY:
            return TargetDown(f"session {session_id} is not ready for its prompt: {status}")
        return await self._prompt(session_id, sent=False)

    async def _give_back(self, session_id: str) -> Start:
        """Only a creation can carry a long prompt: the next attempt makes another session."""
        message = f"session {session_id} did not take its prompt"
        await self.api.delete(session_id)
        if not isinstance(await self.api.session(session_id), Absent):
            return Transient(f"{message} and could not be ended")
        await self.record(Handle(None, {"url": self.api.target.url, "prompted": False}))
        return Transient(f"{message} and was ended")

    async def _started(self, session_id: str) -> Start:
        return Started(await self._record(session_id, prompted=True))

    async def _record(self, session_id: str, *, prompted: bool) -> Handle:
        handle = self._handle(session_id, prompted=prompted)
        await self.record(handle)
        return handle

    def _handle(self, session_id: str, *, prompted: bool) -> Handle:
        before = self.job.handle
        if before is not None and before.session_id == session_id:
            since = before.detail.get("since")
        else:
            since = self.api.clock.now().timestamp()
        return _handle(self.api, session_id, prompted=prompted, since=since)

    async def _gone(self, session_id: str) -> Start:
        """404: an end only if the server is still the one that had the session."""
        handle = self._handle(session_id, prompted=True)
        if not await self.api.has_run_since(handle.detail["since"]):
            return Started(handle)  # followed as at work, and stopped at its deadline
        return _gone(session_id)

    @property
    def _text(self) -> str:
        return fit(self.job.prompt)

    @property
    def _long(self) -> bool:
        return units(self.job.prompt) > SEND_LIMIT

    def _request(self) -> Mapping[str, Json]:
        """Only what the manifest sets: request schemas are strict and differ between versions."""
        request: dict[str, Json] = {"workDir": self.runtime.work_dir, "name": self.job.run_id}
        optional = {
            "permissionMode": self.runtime.permission_mode,
            "model": self.runtime.model,
            "env": dict(self.job.env) or None,
            "prompt": self._text if self._long else None,
        }
        return request | {name: value for name, value in optional.items() if value is not None}


def failed(trouble: Trouble) -> Start:
    """What a trouble means for a start."""
    match trouble:
        case Down(message):
            return TargetDown(message)
        case Busy(message, retry_after):
            return TargetDown(message, retry_after)
        case Unsure(message):
            return Transient(message)
        case Rejected(message):
            return Ended(Failed(Reason.DISPATCH_FAILED, message))


def _handle(api: AegisClient, session_id: str, *, prompted: bool, since: Json) -> Handle:
    """`since` is when the session was first known, in seconds since 1970."""
    return Handle(session_id, {"url": api.target.url, "prompted": prompted, "since": since})


def _in_the_way(session: Session, work_dir: str) -> TargetDown:
    message = (
        f"an idle session ({session.name or session.id}) holds {work_dir}: Aegis gives it out "
        "instead of a new one; the run waits until it has ended or is at work"
    )
    return TargetDown(message, in_the_way=session.name or None)


def _gone(session_id: str) -> Ended:
    message = f"session {session_id} is not there any more (404): it ended, or its server restarted"
    return Ended(Failed(Reason.SESSION_FAILED, message))
