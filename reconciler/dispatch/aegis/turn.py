"""Whether the turn of a session is over, and how it ended.

The status cannot tell (docs/runtimes.md#aegis): after its turn a session looks idle for a moment
and then at work for ever. What tells are the hooks that the server has heard of.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.aegis.answers import Absent, Trouble
from reconciler.dispatch.aegis.client import AegisClient
from reconciler.dispatch.aegis.costs import Cost, Costs
from reconciler.dispatch.aegis.handle import Mark
from reconciler.dispatch.aegis.paste import clean, prompt_of
from reconciler.dispatch.aegis.reading import ASKS, Session, detail
from reconciler.dispatch.aegis.words.transcript import Entry, answer, last_is_answer
from reconciler.dispatch.base import Ended, Job, NeedsApproval, Unseen, Working, cut_result

ENDED, FAILED = "Stop", "StopFailure"
"""The hooks of a turn that ended."""
_BUSY: Final = "esc to interrupt"
_DONE: Final = re.compile(r"^\W?\s*\w+ for \d+m? ?\d*s\b", re.MULTILINE)
"""`✻ Baked for 5s`: the last line of a turn on the terminal, with a verb of chance."""
_API_ERRORS: Final = (
    "API Error",
    "Credit balance is too low",
    "Please run /login",
    "Invalid API key",
)
"""What failed turns begin with, for servers that do not tell a failure from an answer."""
MIXED: Final = (
    "[the words of this session are not known: the server shows those of another one that worked "
    "in the same folder]"
)


@dataclass(slots=True)
class Memory:
    """What was seen of a session in earlier rounds; monotonic seconds. It may be lost."""

    stopped: str | None = None
    """The hook with which the first turn ended, where an event told it."""
    active_at: str = ""
    since: float = 0.0
    read_stamp: str | None = None
    read_at: float = 0.0
    asks_since: float | None = None
    """Since when it has shown a question."""
    rests: int = 0
    """How often the terminal of a session without hook fields looked finished."""


@dataclass(slots=True)
class Turns:
    """The sessions of one server, each with one turn."""

    api: AegisClient
    costs: Costs
    memory: dict[str, Memory] = field(default_factory=dict)

    def hear(self, session_id: str, hook: str) -> None:
        """An event told how a turn ended; that of the first one counts."""
        if hook in (FAILED, ENDED):
            memory = self.memory.setdefault(session_id, Memory())
            memory.stopped = memory.stopped or hook

    async def judge(
        self, mark: Mark, session: Session, job: Job
    ) -> Working | NeedsApproval | Unseen | Ended:
        """One session as the list shows it now; at rest, its terminal and words are read."""
        memory, now = self.memory.setdefault(session.id, Memory()), self.api.clock.monotonic()
        if session.failures is None and memory.stopped is not None:
            session = replace(session, failures=int(memory.stopped == FAILED))
        activity, waits = session.hooked_at or session.stamp, self.api.waits
        if session.status not in ASKS:
            memory.asks_since = None
        elif memory.asks_since is None:
            memory.asks_since = now
        if memory.asks_since is not None and now - memory.asks_since < waits.quiet:
            # A question that Aegis answers by itself shows for a moment as well.
            return Working(detail(session.status))
        if activity != memory.active_at:
            memory.active_at, memory.since, memory.rests = activity, now, 0
        if session.live and now - memory.since < waits.quiet:
            return _goes_on(session)
        if session.stamp == memory.read_stamp and now - memory.read_at < waits.read_again:
            return _goes_on(session)  # the terminal said so
        memory.read_stamp, memory.read_at = session.stamp, now
        return await self._at_rest(mark, session, memory, job)

    async def _at_rest(
        self, mark: Mark, session: Session, memory: Memory, job: Job
    ) -> Working | NeedsApproval | Unseen | Ended:
        """No hook for some seconds: a later turn, or a tool that takes long, shows on the pane."""
        pane = await self.api.pane(session.id) if session.live else ""
        if not isinstance(pane, str):
            return _unseen(pane)
        if _BUSY in pane:
            memory.rests = 0
            return _goes_on(session)
        if session.failures is None and session.live:
            if not _DONE.search(pane):
                return _goes_on(session)
            memory.rests += 1
            if memory.rests < 2:
                memory.read_stamp = None  # the next list reads it once more
                return _goes_on(session)
        entries = await self.api.transcript(session.id)
        if not isinstance(entries, tuple):
            return _unseen(entries)
        seen = _over(mark, session, entries, prompt_of(job))
        return await self._with_cost(session.id, seen, job) if isinstance(seen, Ended) else seen

    async def _with_cost(self, session_id: str, ended: Ended, job: Job) -> Working | Ended:
        """With `budget.perRun` the end depends on the cost; it comes before the deadline."""
        left = (job.deadline - self.api.clock.now()).total_seconds()
        if not job.allowance_micros or left < self.api.waits.read_again:
            return ended
        cost = await self.costs.settle(session_id)
        if cost is Cost.LATER:
            self.memory[session_id].read_stamp = None  # look again with the next list
            return Working("the agent is done; its cost is awaited")
        usage = cost if isinstance(cost, Usage) else None
        return Ended(replace(ended.outcome, usage=usage))


def _over(
    mark: Mark, session: Session, entries: tuple[Entry, ...], prompt: str
) -> Working | NeedsApproval | Ended:
    """The turn is over: well, or not, in the last words of the agent."""
    words = answer(entries, clean(prompt), mark.created_at) if mark.is_of(session) else None
    if session.failures is None and session.live and not (words and last_is_answer(entries)):
        return _goes_on(session)
    if _has_failed(session, words):
        return Ended(_failed(session, words))
    return Ended(Completed(cut_result(MIXED if words is None else words)))


def _goes_on(session: Session) -> Working | NeedsApproval:
    """What the session shows; a person answers at its terminal, as `approve` may type a prompt."""
    if session.status not in ASKS:
        return Working(detail(session.status))
    return NeedsApproval(
        f"{session.status} in session {session.id}",
        f"in the terminal of session {session.id} on the Aegis host (tmux)",
    )


def _has_failed(session: Session, words: str | None) -> bool:
    if session.failures is not None:
        return session.failures > 0
    if session.status in ("killed", "crashed"):
        return True
    return words is not None and words.rpartition("\n\n")[2].startswith(_API_ERRORS)


def _failed(session: Session, words: str | None) -> Failed:
    last = (words or "").rpartition("\n\n")[2].strip() or session.status
    message = f"session {session.id} ended with an error: {last[:300]}"
    return Failed(Reason.SESSION_FAILED, message, cut_result(words) if words else None)


def _unseen(trouble: Absent | Trouble) -> Unseen:
    return Unseen("the session is gone" if isinstance(trouble, Absent) else trouble.message)
