"""Which agent gets a run now: the assignee or a member of the squad, with room and within reach."""

from dataclasses import dataclass, field
from datetime import datetime

from reconciler.core.runs.run import Run
from reconciler.core.runs.squad import Chosen, NobodyAvailable, choose
from reconciler.store.engine.database import Tx
from reconciler.store.objects.agents import LiveAgent, find_agents, find_squad


@dataclass(slots=True)
class AgentPool:
    """The agents of one round: each is read once, and its runs are counted as they are assigned.

    `by_agent` says how many runs each has in flight, by (workspace, name).
    """

    by_agent: dict[tuple[str, str], int]
    _read: dict[tuple[str, tuple[str, ...]], dict[str, LiveAgent]] = field(default_factory=dict)

    def find(self, tx: Tx, workspace: str, names: tuple[str, ...]) -> dict[str, LiveAgent]:
        """Return those of these agents that exist, by name."""
        key = (workspace, names)
        if key not in self._read:
            self._read[key] = find_agents(tx, workspace, names)
        return self._read[key]

    def add(self, workspace: str, agent: str) -> None:
        """Count one more run in flight."""
        key = (workspace, agent)
        self.by_agent[key] = self.by_agent.get(key, 0) + 1

    def load(self, workspace: str, agent: str) -> int:
        """Return the number of runs in flight."""
        return self.by_agent.get((workspace, agent), 0)


@dataclass(frozen=True, slots=True)
class Assigned:
    """The agent that gets the run; `squad` and `turn` say what to remember for round_robin."""

    agent: str
    squad: str | None = None
    turn: int = 0
    note: str = ""


def assign(
    tx: Tx, run: Run, assignee: tuple[str, str], pool: AgentPool, now: datetime
) -> Assigned | NobodyAvailable:
    """Choose the agent of a run. A run that had an agent before stays with it."""
    kind, name = assignee
    if run.agent is not None and run.handle is not None:
        return Assigned(run.agent)
    members: tuple[str, ...] = (name,)
    strategy, turn = "leader", 0
    if kind == "squad":
        squad = find_squad(tx, run.workspace, name)
        if squad is None:
            return NobodyAvailable(f"there is no squad {run.workspace}/{name} any more")
        members, strategy, turn = squad.members, squad.strategy, squad.turn
    agents = pool.find(tx, run.workspace, members)
    own = 1 if run.agent in members else 0

    def unavailable(member: str) -> str | None:
        held = own if member == run.agent else 0
        return _unavailable(agents.get(member), pool.load(run.workspace, member) - held, now)

    chosen = choose(members, strategy, turn, unavailable)
    if isinstance(chosen, Chosen):
        return Assigned(chosen.agent, name if kind == "squad" else None, chosen.turn, chosen.note)
    return chosen


def _unavailable(agent: LiveAgent | None, load: int, now: datetime) -> str | None:
    """Why the agent takes nothing now, or None."""
    if agent is None:
        return "does not exist any more"
    if agent.unavailable_until is not None and now < agent.unavailable_until:
        return f"is unavailable ({agent.unavailable_reason})"
    if load >= agent.max_concurrency:
        return f"has {load} runs in flight; its maxConcurrency is {agent.max_concurrency}"
    return None
