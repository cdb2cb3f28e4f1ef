"""Which agent gets a run now: the one of its queue, or a member of the squad, with room."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.control.dispatching.quota import is_held
from reconciler.core.manifest.runtime import WorkerRuntime
from reconciler.core.runs.queue import Queue
from reconciler.core.runs.retry import HoldUntil
from reconciler.core.runs.squad import Chosen, NobodyAvailable, choose
from reconciler.store.engine.database import Tx
from reconciler.store.objects.agents import LiveAgent, LiveSquad, find_agents, find_squad
from reconciler.store.runs.in_flight import count_offered

_Key = tuple[str, tuple[str, ...]]


@dataclass(slots=True)
class AgentPool:
    """The agents of one round: each is read once, and its runs are counted as they are assigned.

    `in_flight` is the number of runs in flight by (workspace, agent).
    """

    in_flight: Counter[tuple[str, str]]
    _agents: dict[_Key, dict[str, LiveAgent]] = field(default_factory=dict)
    _squads: dict[Queue, LiveSquad | None] = field(default_factory=dict)
    _offered: Counter[tuple[str, str]] | None = None

    def find(self, tx: Tx, workspace: str, names: tuple[str, ...]) -> dict[str, LiveAgent]:
        """Return those of these agents that exist, by name."""
        key = (workspace, names)
        if key not in self._agents:
            self._agents[key] = find_agents(tx, workspace, names)
        return self._agents[key]

    def squad(self, tx: Tx, queue: Queue) -> LiveSquad | None:
        """Return the squad of a queue, with the turn that this round has come to."""
        if queue not in self._squads:
            self._squads[queue] = find_squad(tx, queue.workspace, queue.name)
        return self._squads[queue]

    def offered(self, tx: Tx) -> Counter[tuple[str, str]]:
        """Return the number of runs that wait for a worker to claim them, by (workspace, agent)."""
        if self._offered is None:
            self._offered = count_offered(tx)
        return self._offered

    def took_turn(self, queue: Queue, turn: int) -> None:
        """Go on to the next member of a squad."""
        if (squad := self._squads.get(queue)) is not None:
            self._squads[queue] = LiveSquad(
                squad.workspace, squad.name, squad.members, squad.strategy, turn
            )


@dataclass(frozen=True, slots=True)
class Assigned:
    """The agent that gets the run; `squad` and `turn` say what to remember for round_robin.

    `by_worker`: a worker has to claim it, and nothing is started here.
    """

    agent: str
    by_worker: bool
    squad: str | None = None
    turn: int = 0
    note: str = ""


def assign(tx: Tx, queue: Queue, pool: AgentPool, now: datetime) -> Assigned | NobodyAvailable:
    """Choose the agent for the next run of a queue."""
    if queue.kind == "agent":
        return _of_agent(tx, queue, pool, now)
    squad = pool.squad(tx, queue)
    if squad is None:
        return NobodyAvailable(f"there is no squad {queue.workspace}/{queue.name} any more")
    agents = pool.find(tx, queue.workspace, squad.members)

    def unavailable(member: str) -> str | None:
        return _unavailable(agents.get(member), _load(tx, pool, agents.get(member)), now)

    match choose(squad.members, squad.strategy, squad.turn, unavailable):
        case Chosen(name, turn, note):
            return Assigned(name, _by_worker(agents[name]), squad.name, turn, note)
        case NobodyAvailable(why):
            return NobodyAvailable(why, _held([agents.get(name) for name in squad.members], now))


def _held(agents: Sequence[LiveAgent | None], now: datetime) -> HoldUntil | None:
    """Until when all of these are out of quota; None where another one may come free sooner."""
    if not agents or not all(is_held(agent, now) for agent in agents):
        return None
    first = min((each for each in agents if each), key=lambda each: each.unavailable_until or now)
    return HoldUntil(first.unavailable_until or now, first.unavailable_reason or "")


def _of_agent(tx: Tx, queue: Queue, pool: AgentPool, now: datetime) -> Assigned | NobodyAvailable:
    agent = pool.find(tx, queue.workspace, (queue.name,)).get(queue.name)
    if agent is not None and _by_worker(agent):
        return Assigned(agent.name, by_worker=True)  # its room counts when a worker claims
    load = pool.in_flight[queue.workspace, queue.name]
    if (why := _unavailable(agent, load, now)) is not None:
        return NobodyAvailable(f"{queue.name}: {why}", _held([agent], now))
    return Assigned(queue.name, by_worker=False)


def _by_worker(agent: LiveAgent) -> bool:
    return isinstance(agent.runtime, WorkerRuntime)


def _load(tx: Tx, pool: AgentPool, agent: LiveAgent | None) -> int:
    """Among members, what waits for a worker's claim counts: else the first would get it all."""
    if agent is None:
        return 0
    key = (agent.workspace, agent.name)
    return pool.in_flight[key] + (pool.offered(tx)[key] if _by_worker(agent) else 0)


def _unavailable(agent: LiveAgent | None, load: int, now: datetime) -> str | None:
    """Why the agent takes nothing now, or None."""
    if agent is None:
        return "does not exist any more"
    if agent.unavailable_until is not None and now < agent.unavailable_until:
        return f"is unavailable ({agent.unavailable_reason})"
    if load >= agent.max_concurrency:
        return f"has {load} runs in flight; its maxConcurrency is {agent.max_concurrency}"
    return None
