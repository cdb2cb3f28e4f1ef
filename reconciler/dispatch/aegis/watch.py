"""How the runs of one Aegis server are seen, round by round: one slow list for all of a key.

A server admits a key 100 calls a minute, and starts and stops need some of them. Rounds between two
lists repeat what the last one said; events make the next list earlier. What is remembered may be
lost at any time: all else is in the handle, so that another server can go on.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core.runs.run import Reason
from reconciler.dispatch.aegis.answers import Absent
from reconciler.dispatch.aegis.client import AegisClient
from reconciler.dispatch.aegis.ending import RESTARTED
from reconciler.dispatch.aegis.handle import Mark, Phase, asked_since
from reconciler.dispatch.aegis.reading import Session
from reconciler.dispatch.aegis.turn import Turns
from reconciler.dispatch.base import Gone, Handle, Job, Observation, Unseen, Working

Followed = tuple[Job, Handle]


@dataclass(slots=True)
class Watch:
    """The watch over the sessions of one server and key."""

    api: AegisClient
    turns: Turns
    _seen: dict[str, Observation] = field(default_factory=dict)
    _sessions: dict[str, Session] = field(default_factory=dict)
    _listed_at: float = float("-inf")
    _hinted: bool = False

    async def poll(self, followed: Sequence[Followed]) -> Mapping[str, Observation]:
        """One round: at most one list call, and a look at each session that rests."""
        if self._is_due():
            self._listed_at, self._hinted = self.api.clock.monotonic(), False
            self._seen = dict(await self._list(followed))
        return {job.run_id: self._seen.get(job.run_id, Working()) for job, _ in followed}

    def hint(self) -> None:
        """Something happened to a session: the next round lists."""
        self._hinted = True

    def shown(self, session_id: str) -> Session | None:
        """A session as the last list shows it; None where that is long ago."""
        age = self.api.clock.monotonic() - self._listed_at
        return self._sessions.get(session_id) if age <= 2 * self.api.waits.between_lists else None

    def forget(self, session_id: str) -> None:
        """The session is over."""
        self.turns.memory.pop(session_id, None)
        self._sessions.pop(session_id, None)

    def _is_due(self) -> bool:
        pause, usual = self.api.clock.monotonic() - self._listed_at, self.api.waits.between_lists
        # Over its share a key would be refused, and with it the stop of a run; but among many
        # starts and stops the ends of others have to be seen, too.
        return ((self._hinted or pause >= usual) and self.api.has_room()) or pause >= 2 * usual

    async def _list(self, followed: Sequence[Followed]) -> Mapping[str, Observation]:
        listed = await self.api.sessions()
        if not isinstance(listed, tuple):
            return {job.run_id: Unseen(listed.message) for job, _ in followed}
        self._sessions = sessions = {session.id: session for session in listed}
        seen = await asyncio.gather(
            *(self._judge(job, handle, sessions) for job, handle in followed)
        )
        return {job.run_id: poll for (job, _), poll in zip(followed, seen, strict=True)}

    async def _judge(
        self, job: Job, handle: Handle, sessions: Mapping[str, Session]
    ) -> Observation:
        """One run. A session that the list does not show is asked for before it counts as gone."""
        mark = Mark.read(handle)
        if mark is None:
            return Working("has no session yet" if asked_since(handle) is None else RESTARTED)
        session: Session | Absent = sessions.get(mark.session_id, Absent())
        if isinstance(session, Absent):
            match await self.api.session(mark.session_id):
                case Absent():
                    return await self._absent(mark)
                case Session() as shown:
                    session = shown
                case trouble:
                    return Unseen(trouble.message)
        if mark.phase is Phase.MADE:
            return Working("the prompt has not been delivered yet")
        return await self.turns.judge(mark, session, job)

    async def _absent(self, mark: Mark) -> Observation:
        if not await self.api.has_run_since(mark.since):
            return Working(RESTARTED)
        why = f"session {mark.session_id} is not there any more (404): it ended or was reaped"
        return Gone(why, Reason.SESSION_FAILED)
