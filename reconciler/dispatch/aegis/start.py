"""How a run gets its session: once, whatever is lost on the way (handover.py gives it its prompt).

Aegis knows no idempotency, so the run's id is the session's name and is searched for first. A
session that is handed out instead of a new one belongs to somebody, and nothing is sent to it.
"""

from dataclasses import dataclass

from reconciler.core.manifest.runtime import AegisRuntime
from reconciler.core.runs.run import Failed, Reason
from reconciler.dispatch.aegis.answers import Trouble, Unsure
from reconciler.dispatch.aegis.client import AegisClient
from reconciler.dispatch.aegis.costs import Costs
from reconciler.dispatch.aegis.ending import Deleted, NotThere, end
from reconciler.dispatch.aegis.handle import Mark, Phase, asked, asked_since, nothing
from reconciler.dispatch.aegis.handover import Again, HandOver, failed, later
from reconciler.dispatch.aegis.reading import READY, Created, Session
from reconciler.dispatch.aegis.request import Request
from reconciler.dispatch.base import Ended, Job, Record, Start, Started, TargetDown, Transient

MOST_SESSIONS = 3
"""Sessions that one attempt makes, each after the one before was ended without its prompt."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The start of one run on one server."""

    api: AegisClient
    job: Job
    runtime: AegisRuntime
    record: Record
    costs: Costs

    async def begin(self) -> Start:
        """1. What an earlier attempt recorded is taken over; 2. what it may have made without a
        record is searched for by name; 3. otherwise a session is made, three times at most."""
        mark, since = Mark.read(self.job.handle), asked_since(self.job.handle)
        message = ""
        for _ in range(MOST_SESSIONS):
            if since is not None:
                result = await self._answer_lost(
                    since, "a creation was not answered", prompted=True
                )
            else:
                result = await (self._make() if mark is None else self._hand_over.go_on(mark))
            if not isinstance(result, Again):
                return result
            mark, since, message = None, None, result.message
        return Transient(f"{message}, {MOST_SESSIONS} times")

    async def find(self) -> Session | Trouble | None:
        """The session that carries the run's id as its name."""
        listed = await self.api.sessions()
        if not isinstance(listed, tuple):
            return listed
        return self._ours(listed)

    async def _make(self) -> Start | Again:
        since = self.api.clock.now().timestamp()
        listed = await self.api.sessions()
        if not isinstance(listed, tuple):
            return failed(listed)
        if (left := self._ours(listed)) is not None:
            return await self._adopt(left, since)
        folder = self.runtime.work_dir
        for other in (s for s in listed if s.work_dir == folder and s.live):
            if other.id not in self.costs.sessions_over():
                return _in_the_way(other, folder)
            self.costs.forget(other.id)  # its run has ended: what it cost is worth no wait
            if not isinstance(await end(self.api, other.id), Deleted | NotThere):
                return _in_the_way(other, folder)
        return await self._create()

    async def _create(self) -> Start | Again:
        if (refusal := self._request.refusal) is not None:
            return Ended(Failed(Reason.DISPATCH_FAILED, refusal))
        since = self.api.clock.now().timestamp()
        create = self.api.create
        if self._request.by_batch:
            create = self.api.batch
            await self.record(asked(self.api.target.url, since))
        match await create(self._request.body()):
            case Created(session, reused=True):
                return _in_the_way(session, self.runtime.work_dir)
            case Created(session):
                return await self._adopt(session, since)
            case Unsure(message):
                answered = await self._answer_lost(since, message, prompted=self._request.by_batch)
                return Transient(message) if isinstance(answered, Again) else answered
            case trouble:  # nothing happened
                if self._request.by_batch:
                    await self.record(nothing(self.api.target.url))
                return failed(trouble)

    async def _answer_lost(self, since: float, message: str, *, prompted: bool) -> Start | Again:
        """The creation was not answered; the session may be there all the same.

        A server that was started since does not know the session, and its agent may have the prompt
        that a batch types: then the run is followed as at work.
        """
        match await self.find():
            case Session() as session:
                return await self._adopt(session, since)
            case None if not prompted:
                return Again(message)
            case None if await self.api.has_run_since(since):
                return await self._hand_over.forget(message)
            case None:
                return Started(asked(self.api.target.url, since))
            case trouble:
                return later(trouble)

    async def _adopt(self, session: Session, since: float) -> Start | Again:
        """A session by our name without a record: only a batch may have sent its prompt."""
        phase = Phase.SENT if self._request.by_batch else Phase.MADE
        mark = Mark.of(session, self.api.target.url, phase, since)
        if mark.created_at is None:  # the answer to a batch does not tell it
            match await self.api.session(session.id):
                case Session() as whole:
                    mark = Mark.of(whole, mark.url, phase, since)
                case _:
                    pass
        await self.record(mark.handle)
        return await self._hand_over.go_on(mark)

    @property
    def _request(self) -> Request:
        return Request(self.job, self.runtime)

    @property
    def _hand_over(self) -> HandOver:
        return HandOver(self.api, self._request, self.record)

    def _ours(self, listed: tuple[Session, ...]) -> Session | None:
        return next((s for s in listed if s.name == self.job.run_id and s.live), None)


def _in_the_way(session: Session, work_dir: str) -> TargetDown:
    state = "an idle session" if session.status == READY else "another session"
    message = (
        f"{state} ({session.name or session.id}) holds {work_dir}: sessions of one folder read "
        "each other's words, and Aegis gives idle ones out; the run waits until it has ended"
    )
    return TargetDown(message, in_the_way=session.name or None)
