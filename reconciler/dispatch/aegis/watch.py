"""How the runs of one Aegis server are, seen round by round.

What is remembered between rounds is how long a session has shown `error` and which transcripts
were read; it may be lost at any time. All else is in the handle, so that another server can go on.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.dispatch.aegis.client import Absent, AegisClient
from reconciler.dispatch.aegis.reading import (
    BROKEN,
    RESTING,
    Session,
    Transcript,
    detail,
    is_session_id,
)
from reconciler.dispatch.base import (
    Ended,
    Gone,
    Handle,
    Job,
    Observation,
    Unseen,
    Working,
    cut_result,
)

Followed = tuple[Job, Handle]
RESTARTED = (
    "the Aegis server was started anew and does not know the session; its agent may be at work"
)


@dataclass(slots=True)
class Memory:
    """What was seen of a session in earlier rounds; monotonic seconds."""

    broken_since: float | None = None
    read_at: float = 0.0
    read_stamp: str | None = None


@dataclass(slots=True)
class Watch:
    """The watch over the sessions of one server and key."""

    api: AegisClient
    _memory: dict[str, Memory] = field(default_factory=dict)

    async def poll(self, followed: Sequence[Followed]) -> Mapping[str, Observation]:
        """One round: one list call, and a transcript for each session that rests."""
        listed = await self.api.sessions()
        if not isinstance(listed, tuple):
            return {job.run_id: Unseen(listed.message) for job, _ in followed}
        sessions = {session.id: session for session in listed}
        seen = await asyncio.gather(
            *(
                self._poll_session(handle, sessions.get(handle.session_id or ""))
                for _, handle in followed
            )
        )
        return {job.run_id: poll for (job, _), poll in zip(followed, seen, strict=True)}

    def forget(self, session_id: str) -> None:
        """The session is over."""
        self._memory.pop(session_id, None)

    async def _poll_session(self, handle: Handle, listed: Session | None) -> Observation:
        """One run. A session that the list does not show is asked for before it counts as gone."""
        if not is_session_id(handle.session_id):
            return Working("has no session yet")
        if listed is not None:
            return await self._judge(handle, listed)
        match await self.api.session(str(handle.session_id)):
            case Absent():
                return await self._absent(handle)
            case Session() as session:
                return await self._judge(handle, session)
            case trouble:
                return Unseen(trouble.message)

    async def _absent(self, handle: Handle) -> Observation:
        if await self.api.has_run_since(handle.detail.get("since")):
            return _gone(handle)
        return Working(RESTARTED)

    async def _judge(self, handle: Handle, session: Session) -> Observation:
        memory = self._memory.setdefault(session.id, Memory())
        if session.status == BROKEN:
            return await self._broken(session, memory)
        memory.broken_since = None
        if session.status not in RESTING:
            return Working(detail(session.status))
        if handle.detail.get("prompted") is not True:
            return Working("the prompt has not been delivered yet")
        return await self._resting(handle, session, memory)

    async def _broken(self, session: Session, memory: Memory) -> Observation:
        """`error` has to stay: many an error of a moment goes away by itself."""
        now = self.api.clock.monotonic()
        if memory.broken_since is None:
            memory.broken_since = now
        if now - memory.broken_since < self.api.waits.error_stays:
            return Working(detail(BROKEN))
        match await self.api.transcript(session.id):
            case Transcript() as seen:
                words = cut_result(seen.text()) or None
            case _:
                words = None
        message = f"session {session.id} stays in error"
        return Ended(Failed(Reason.SESSION_FAILED, message, words))

    async def _resting(self, handle: Handle, session: Session, memory: Memory) -> Observation:
        """Before its work a session rests as it does afterwards: the transcript tells."""
        now = self.api.clock.monotonic()
        idle = Working(f"{session.status}, without an answer yet")
        if session.stamp == memory.read_stamp and now - memory.read_at < self.api.waits.read_again:
            return idle
        match await self.api.transcript(session.id):
            case Transcript() as seen if seen.answered():
                return Ended(Completed(cut_result(seen.text())))
            case Transcript(status=status) if status in RESTING:
                memory.read_at, memory.read_stamp = now, session.stamp
                return idle
            case Transcript(status=status):
                return Working(detail(status))
            case Absent():
                return await self._absent(handle)
            case trouble:
                return Unseen(trouble.message)


def _gone(handle: Handle) -> Gone:
    return Gone(
        f"session {handle.session_id} is not there any more (404): it ended or was reaped",
        Reason.SESSION_FAILED,
    )
