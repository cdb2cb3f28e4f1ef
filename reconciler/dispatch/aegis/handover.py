"""How a session of ours gets its prompt, once, and how a start goes on after a crash.

What is recorded says what may have happened (`Phase`). A session that did not take its prompt is
ended, on proof, before another one may be made.
"""

from dataclasses import dataclass

from reconciler.core.runs.run import Failed, Reason
from reconciler.dispatch.aegis.answers import Absent, Busy, Down, Rejected, Trouble, Unsure
from reconciler.dispatch.aegis.client import AegisClient
from reconciler.dispatch.aegis.delivery import Arrived, Delivery, Foreign, Lost
from reconciler.dispatch.aegis.ending import discard
from reconciler.dispatch.aegis.handle import Mark, Phase, nothing
from reconciler.dispatch.aegis.paste import prompt_of
from reconciler.dispatch.aegis.readiness import NotReady, wait_until_ready
from reconciler.dispatch.aegis.request import Request
from reconciler.dispatch.base import Ended, Record, Start, Started, TargetDown, Transient


@dataclass(frozen=True, slots=True)
class Again:
    """The session was ended before its prompt arrived: another one may be made."""

    message: str


@dataclass(frozen=True, slots=True)
class HandOver:
    """The prompt of one run, on its way into a session."""

    api: AegisClient
    request: Request
    record: Record

    async def go_on(self, mark: Mark) -> Start | Again:
        match mark.phase:
            case Phase.WORKING:
                return await self._still_there(mark)
            case Phase.SENT:
                return await self._settle(mark)
            case Phase.MADE:
                return await self._give_prompt(mark)

    async def _still_there(self, mark: Mark) -> Start | Again:
        match await self.api.session(mark.session_id):
            case Absent():
                return await self._gone(mark)
            case _:  # not to be seen now says nothing of the work
                return Started(mark.handle)

    async def _give_prompt(self, mark: Mark) -> Start | Again:
        """Nothing is ever typed before the agent is ready: a shell or a dialog might take it."""
        match await wait_until_ready(self.api, mark.session_id):
            case None:
                pass
            case NotReady(message):
                return await self._discard(mark, Ended(Failed(Reason.DISPATCH_FAILED, message)))
            case Absent():  # of a server before this one or not: it had no prompt
                return await self.forget(f"session {mark.session_id} is gone")
            case trouble:
                return later(trouble)
        sent = mark.at(Phase.SENT)
        await self.record(sent.handle)  # a crash from here on must take the prompt for sent
        match await self.api.send(mark.session_id, self.request.keys):
            case Rejected(message):
                return await self._discard(sent, Ended(Failed(Reason.DISPATCH_FAILED, message)))
            case _:
                return await self._settle(sent)

    async def _settle(self, mark: Mark) -> Start | Again:
        """The prompt may have been sent: the transcript tells."""
        match await Delivery(self.api, mark, prompt_of(self.request.job)).verify():
            case Arrived(transcript):
                return await self._started(mark, transcript)
            case Lost(message):
                return await self._discard(mark, Again(message))
            case NotReady(message):
                return await self._discard(mark, Ended(Failed(Reason.DISPATCH_FAILED, message)))
            case Foreign(message):
                return await self._discard(mark, Ended(Failed(Reason.SESSION_FAILED, message)))
            case Absent():
                return await self._gone(mark)
            case Rejected(message):  # it may be at work: the runner stops it before the run ends
                return Transient(message)
            case trouble:
                return later(trouble)

    async def _started(self, mark: Mark, transcript: str | None) -> Started:
        handle = mark.at(Phase.WORKING, transcript).handle
        await self.record(handle)
        return Started(handle)

    async def _discard(self, mark: Mark, then: Again | Ended) -> Start | Again:
        """End the session, and only then go on: without proof the runner stops the run."""
        message = then.message if isinstance(then, Again) else _words(then)
        if (missing := await discard(self.api, mark)) is not None:
            return Transient(f"{message}; {missing}")
        return await self.forget(message) if isinstance(then, Again) else then

    async def forget(self, message: str) -> Again:
        await self.record(nothing(self.api.target.url))
        return Again(message)

    async def _gone(self, mark: Mark) -> Start:
        """404: an end only if the server is still the one that had the session."""
        if not await self.api.has_run_since(mark.since):
            return Started(mark.handle)  # followed as at work, and stopped at its deadline
        return _ended_by_itself(mark.session_id)


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


def later(trouble: Trouble) -> Start:
    """A session of ours cannot be seen: it is gone on with when it can, and uses up no attempt."""
    return TargetDown(trouble.message) if isinstance(trouble, Unsure) else failed(trouble)


def _words(ended: Ended) -> str:
    return ended.outcome.message if isinstance(ended.outcome, Failed) else ""


def _ended_by_itself(session_id: str) -> Ended:
    message = f"session {session_id} is not there any more (404): it ended or was reaped"
    return Ended(Failed(Reason.SESSION_FAILED, message))
