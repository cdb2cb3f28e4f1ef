"""The interface of a runtime: start the work of a run, poll it, stop it, release what is left.

The runner (control/dispatching/runner.py) owns the run's row, its lease and its deadline. A runtime
knows how to reach one kind of agent and nothing of the database. Nothing here raises for what an
agent may do: each call returns a value. Only what `record` raises and a cancellation pass through.

The order that keeps a run from ever having two sessions:

1. The runner counts the attempt in the database, then calls `start`.
2. `start` makes the session, process or request known by a `Handle` and awaits `record(handle)`
   *before* any work begins, so that a crash afterwards finds it again. It may record a second time
   when it knows more; the last one counts.
3. A run that had an attempt is never started blindly: `start` with `attempt > 1` looks for what
   the attempt before may have left (find before create), and with `job.handle` it takes over what
   that attempt recorded: follows it, or removes it and says that the run is lost.
4. `stop` answers `Stopped` only on proof: process group gone, session 404, worker's `complete`.
5. Once the end of a run is recorded, `release` lets go of what is left of it: the session is
   deleted, the process forgotten. It is repeated after a crash; it never changes the outcome.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.runtime import Runtime as RuntimeSpec
from reconciler.core.runs.result import RESULT_LIMIT as RESULT_LIMIT
from reconciler.core.runs.result import cut_result as cut_result
from reconciler.core.runs.retry import TargetDown as TargetDown
from reconciler.core.runs.retry import Transient as Transient
from reconciler.core.runs.run import Json, Outcome, Reason
from reconciler.core.runs.usage import Usage

LONGEST_SESSION_ID = 200
"""Characters of a name that an agent gives to its work."""


@dataclass(frozen=True, slots=True)
class Handle:
    """How work in progress is found again, also by another process after a crash.

    `session_id` is what the runtime calls it (the API shows it); `detail` is JSON that only the
    runtime reads: pid, start time and host of a process, the URL of a session.
    """

    session_id: str | None
    detail: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hints:
    """Where an agent says that its work has news. The token opens nothing else."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run, ready to be given to an agent. `run` is its JSON as the API shows it, with payload.

    `prompt` is the text with the payload in its untrusted block. `secret` is the resolved token of
    an aegis runtime or signing secret of an http one; `env` and `headers` are resolved too: they
    may hold secrets and are never logged. `own_headers` go with the request alone that begins the
    work. `handle` is what an earlier attempt recorded, if any; `unsure` says that one came as far
    as the agent and recorded nothing. `expect` is for the runner, which judges the result by it,
    and `holds` too: it names what no other run may use before this one has ended.
    `allowance_micros` is what the run may cost, for agents that can be told; 0 is no limit.
    `hints` is where an agent may say that there is news, and what it says that with.
    """

    run_id: str
    mode: ExecutionMode
    agent: str
    workspace: str
    title: str
    prompt: str
    run: Mapping[str, Json]
    runtime: RuntimeSpec
    attempt: int
    deadline: datetime
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    own_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: str | None = field(default=None, repr=False)
    callback_url: str | None = None
    hints: Hints | None = None
    run_token: str | None = field(default=None, repr=False)
    handle: Handle | None = None
    expect: str | None = None
    allowance_micros: int = 0
    unsure: bool = False
    holds: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The work has begun (or was found to have begun already)."""

    handle: Handle


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The agent's plan or rate limit is used up, until `until` where it names a moment.

    `untouched`: it did nothing of the work, so that all of it can be started again later.
    """

    message: str
    until: datetime | None = None
    untouched: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """The work is over.

    `exhausted` where it ended because the agent has no quota left: then all runs of the agent wait.
    `session_id` where the session has named itself, for a handle that was recorded before it did.
    """

    outcome: Outcome
    exhausted: Exhausted | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class AwaitClaim:
    """Nothing to do here: a worker has to claim the run (`waitingFor: claim`)."""


Start = Started | Ended | Transient | TargetDown | AwaitClaim
"""`TargetDown` and `Transient` after a `record` leave the handle in force: `start` again later."""


@dataclass(frozen=True, slots=True)
class Working:
    """The work goes on. `detail` is shown on the run ("waits for approval: permission_prompt").

    `usage` is what it has used until now, where the agent says so while it works.
    """

    detail: str = ""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """The agent stands still and asks a person for permission.

    `question` says for what, in one line or a few. `answer_at` says how a person answers where the
    runtime cannot pass an answer on ("in its session: `claude --resume ID`"); empty where
    `AnswersQuestions.answer` can. Reported again with each poll for as long as the agent asks.
    """

    question: str
    answer_at: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """The work is no longer there and left no outcome behind; the run fails with `reason`."""

    message: str
    reason: Reason = Reason.LOST
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Unseen:
    """The poll failed (agent unreachable): that says nothing about the work."""

    message: str


Observation = Working | NeedsApproval | Ended | Gone | Unseen


@dataclass(frozen=True, slots=True)
class Stopped:
    """Proof that nothing of the work is alive; what it had left, and had used, until then."""

    result: Json = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Stopping:
    """Asked to stop, not yet proven."""

    message: str = ""


Stop = Stopped | Stopping


@dataclass(frozen=True, slots=True)
class Answered:
    """The agent has the answer; polls tell what it makes of it."""


@dataclass(frozen=True, slots=True)
class NotAnswered:
    """The answer did not arrive, or nothing was asked any more; tried again while it is asked."""

    message: str


Answer = Answered | NotAnswered


@dataclass(frozen=True, slots=True)
class Written:
    """What the work has written after a position; `position` is where to go on.

    `cut`: something before it is not kept any more.
    """

    text: str
    position: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the work has written is kept on another host."""

    host: str


Record = Callable[[Handle], Awaitable[None]]


class NotRecorded(Exception):
    """What a `Record` raises where nothing was recorded; after any other exception it may be."""


class Runtime(Protocol):
    """One kind of agent."""

    async def start(self, job: Job, record: Record) -> Start:
        """Begin the work once, or take over `job.handle`; await `record` before any effect."""
        ...

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
        """Poll all of these at once (one list call per agent); keyed by run id."""
        ...

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """Ask the work to stop; idempotent. `Stopped` only on proof."""
        ...

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """The run's end is recorded: let go of what is left. Idempotent; try again on `Stopping`.

        Without a handle: of what an attempt may have begun and not recorded.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; processes in progress stay as they are."""
        ...


@runtime_checkable
class AnswersQuestions(Protocol):
    """What a runtime has beside `Runtime` whose agent can be told yes or no from here."""

    async def answer(self, job: Job, handle: Handle, question: str, approved: bool) -> Answer:
        """Pass a person's decision about `question` on. May be repeated: be idempotent."""
        ...


@runtime_checkable
class TakesHints(Protocol):
    """A runtime whose agents can say that there is news (`Job.hints`)."""

    def hint(self, run_id: str) -> bool:
        """Ask what became of a run soon. Return whether it is followed here."""
        ...


@runtime_checkable
class TellsOutput(Protocol):
    """A runtime that can tell what the work writes while it goes on. Others leave it out."""

    async def output(
        self, job: Job, handle: Handle, after: str | None
    ) -> Written | Elsewhere | None:
        """Return what was written after a position, all of it without one; bounded.

        It never consumes what `observe` reads. None where nothing is known.
        """
        ...


def no_hint() -> None:
    """Do nothing: the default of `notify`, for a caller that polls by the clock alone."""
