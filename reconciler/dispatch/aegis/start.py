"""How a run gets its session and its prompt: once, whatever is lost on the way.

Aegis knows no idempotency, so the run's id is the session's name and is searched for first. A
session that is handed out instead of a new one belongs to somebody, and nothing is sent to it. One
that did not take its prompt is ended before another one is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.manifest.runtime import AegisRuntime
from reconciler.core.runs.run import Failed, Json, Reason
from reconciler.dispatch.aegis.answers import Absent, Busy, Down, Rejected, Trouble, Unsure
from reconciler.dispatch.aegis.client import AegisClient
from reconciler.dispatch.aegis.costs import Costs
from reconciler.dispatch.aegis.delivery import Arrived, Delivery, Foreign, Lost
from reconciler.dispatch.aegis.ending import Deleted, NotThere, discard, end
from reconciler.dispatch.aegis.handle import Mark, Phase, asked, asked_since, nothing
from reconciler.dispatch.aegis.paste import prompt_of, typed
from reconciler.dispatch.aegis.prompt import CREATE_LIMIT, SEND_LIMIT, is_cut, units
from reconciler.dispatch.aegis.readiness import NotReady, wait_until_ready
from reconciler.dispatch.aegis.reading import READY, Created, Session
from reconciler.dispatch.base import Ended, Job, Record, Start, Started, TargetDown, Transient

MOST_SESSIONS = 3
"""Sessions that one attempt makes, each after the one before was ended without its prompt."""


@dataclass(frozen=True, slots=True)
class Again:
    """The session was ended before its prompt arrived: another one may be made."""

    message: str


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
                result = await (self._make() if mark is None else self._go_on(mark))
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
        """Up to 10,000 characters the prompt is sent; longer ones go with a batch.

        Never with a single creation: that may type it into somebody's idle session.
        """
        if self._long and self._shaped and is_cut(prompt_of(self.job), SEND_LIMIT):
            return Ended(Failed(Reason.DISPATCH_FAILED, _TOO_LONG))
        since = self.api.clock.now().timestamp()
        create = self.api.create
        if self._by_batch:
            create = self.api.batch
            await self.record(asked(self.api.target.url, since))
        match await create(self._request()):
            case Created(session, reused=True):
                return _in_the_way(session, self.runtime.work_dir)
            case Created(session):
                return await self._adopt(session, since)
            case Unsure(message):
                answered = await self._answer_lost(since, message, prompted=self._by_batch)
                return Transient(message) if isinstance(answered, Again) else answered
            case trouble:  # nothing happened
                if self._by_batch:
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
                return await self._forget(message)
            case None:
                return Started(asked(self.api.target.url, since))
            case trouble:
                return _later(trouble)

    async def _adopt(self, session: Session, since: float) -> Start | Again:
        """A session by our name without a record: only a batch may have sent its prompt."""
        phase = Phase.SENT if self._by_batch else Phase.MADE
        mark = Mark.of(session, self.api.target.url, phase, since)
        if mark.created_at is None:  # the answer to a batch does not tell it
            match await self.api.session(session.id):
                case Session() as whole:
                    mark = Mark.of(whole, mark.url, phase, since)
                case _:
                    pass
        await self.record(mark.handle)
        return await self._go_on(mark)

    async def _go_on(self, mark: Mark) -> Start | Again:
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
                return await self._forget(f"session {mark.session_id} is gone")
            case trouble:
                return _later(trouble)
        sent = mark.at(Phase.SENT)
        await self.record(sent.handle)  # a crash from here on must take the prompt for sent
        match await self.api.send(mark.session_id, self._typed):
            case Rejected(message):
                return await self._discard(sent, Ended(Failed(Reason.DISPATCH_FAILED, message)))
            case _:
                return await self._settle(sent)

    async def _settle(self, mark: Mark) -> Start | Again:
        """The prompt may have been sent: the transcript tells."""
        match await Delivery(self.api, mark, prompt_of(self.job)).verify():
            case Arrived(transcript):
                return await self._started(mark, transcript)
            case Lost(message):
                return await self._discard(mark, Again(message))
            case Foreign(message):
                return await self._discard(mark, Ended(Failed(Reason.SESSION_FAILED, message)))
            case Absent():
                return await self._gone(mark)
            case Rejected(message):  # it may be at work: the runner stops it before the run ends
                return Transient(message)
            case trouble:
                return _later(trouble)

    async def _started(self, mark: Mark, transcript: str | None) -> Started:
        handle = mark.at(Phase.WORKING, transcript).handle
        await self.record(handle)
        return Started(handle)

    async def _discard(self, mark: Mark, then: Again | Ended) -> Start | Again:
        """End the session, and only then go on: without proof the runner stops the run."""
        message = then.message if isinstance(then, Again) else _words(then)
        if (missing := await discard(self.api, mark)) is not None:
            return Transient(f"{message}; {missing}")
        return await self._forget(message) if isinstance(then, Again) else then

    async def _forget(self, message: str) -> Again:
        await self.record(nothing(self.api.target.url))
        return Again(message)

    async def _gone(self, mark: Mark) -> Start:
        """404: an end only if the server is still the one that had the session."""
        if not await self.api.has_run_since(mark.since):
            return Started(mark.handle)  # followed as at work, and stopped at its deadline
        return _ended_by_itself(mark.session_id)

    def _ours(self, listed: tuple[Session, ...]) -> Session | None:
        return next((s for s in listed if s.name == self.job.run_id and s.live), None)

    @property
    def _typed(self) -> str:
        return typed(prompt_of(self.job), CREATE_LIMIT if self._by_batch else SEND_LIMIT)

    @property
    def _long(self) -> bool:
        return units(typed(prompt_of(self.job), CREATE_LIMIT)) > SEND_LIMIT

    @property
    def _shaped(self) -> bool:
        """Whether the session has a model or variables, which a batch does not take."""
        return self.runtime.model is not None or bool(self.job.env)

    @property
    def _by_batch(self) -> bool:
        return self._long and not self._shaped

    def _request(self) -> Mapping[str, Json]:
        """Only what the manifest sets: request schemas are strict and differ between versions."""
        request: dict[str, Json] = {"workDir": self.runtime.work_dir, "name": self.job.run_id}
        optional = {
            "permissionMode": self.runtime.permission_mode,
            "model": self.runtime.model,
            "env": dict(self.job.env) or None,
            "prompt": self._typed if self._by_batch else None,
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


def _later(trouble: Trouble) -> Start:
    """A session of ours cannot be seen: it is gone on with when it can, and uses up no attempt."""
    return TargetDown(trouble.message) if isinstance(trouble, Unsure) else failed(trouble)


_TOO_LONG = (
    f"what the agent is asked to do has more than {SEND_LIMIT:,} characters, which Aegis takes "
    "for sessions without model and env only: shorten spec.description, or leave these two out"
)


def _words(ended: Ended) -> str:
    return ended.outcome.message if isinstance(ended.outcome, Failed) else ""


def _in_the_way(session: Session, work_dir: str) -> TargetDown:
    state = "an idle session" if session.status == READY else "another session"
    message = (
        f"{state} ({session.name or session.id}) holds {work_dir}: sessions of one folder read "
        "each other's words, and Aegis gives idle ones out; the run waits until it has ended"
    )
    return TargetDown(message, in_the_way=session.name or None)


def _ended_by_itself(session_id: str) -> Ended:
    message = f"session {session_id} is not there any more (404): it ended or was reaped"
    return Ended(Failed(Reason.SESSION_FAILED, message))
