"""What a session has cost: the server tells it a minute or two after the turn, until DELETE.

So a session whose run has ended is kept a while. With `budget.perRun` the end itself waits, since
it depends on the cost; otherwise the cost is recorded later on the run. A server that told nothing
in that time is not waited for again.
"""

from dataclasses import dataclass, field
from enum import Enum

from reconciler.core.runs.usage import Usage, reported
from reconciler.dispatch.aegis.answers import Absent
from reconciler.dispatch.aegis.client import AegisClient


class Cost(Enum):
    """What is known of a cost besides the cost."""

    LATER = "it may be told later"
    NEVER = "it is not told"


@dataclass(slots=True)
class Costs:
    """The costs of one server's sessions; monotonic seconds. What is remembered may be lost."""

    api: AegisClient
    _since: dict[str, float] = field(default_factory=dict)
    _asked_at: dict[str, float] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)
    _settled: set[str] = field(default_factory=set)
    _tells: bool = True

    def sessions_over(self) -> frozenset[str]:
        """The sessions that are there for nothing but their cost: their runs have ended."""
        return frozenset(self._over)

    def forget(self, session_id: str) -> None:
        """The session is over."""
        self._since.pop(session_id, None)
        self._asked_at.pop(session_id, None)
        self._over.discard(session_id)
        self._settled.discard(session_id)

    async def read(self, session_id: str) -> Usage | Cost:
        """What the server says now."""
        match await self.api.metrics(session_id):
            case Absent():
                return Cost.NEVER
            case dict() as told:
                usage, _ = reported({**told, "costUsd": told.get("estimatedCostUsd")})
                return usage or Cost.LATER
            case _:
                return Cost.LATER

    async def keep(self, session_id: str) -> Usage | Cost:
        """As `settle`, for a session whose run has ended."""
        self._over.add(session_id)
        return await self.settle(session_id)

    async def settle(self, session_id: str) -> Usage | Cost:
        """The cost, asked from time to time, until it is known or was waited for in vain."""
        if session_id in self._settled:
            return Cost.NEVER
        now, waits = self.api.clock.monotonic(), self.api.waits
        since = self._since.setdefault(session_id, now)
        if now - self._asked_at.get(session_id, float("-inf")) < waits.read_again:
            return Cost.LATER
        self._asked_at[session_id] = now
        cost = await self.read(session_id)
        if cost is Cost.LATER and self._tells and now - since < waits.cost:
            return Cost.LATER
        if cost is not Cost.NEVER:
            self._tells = isinstance(cost, Usage)
        self._settled.add(session_id)
        return cost if isinstance(cost, Usage) else Cost.NEVER
