"""All that one Aegis server knows and counts, and the agents, which it may forget."""

import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

from tests.support.aegis.agent import Agent
from tests.support.aegis.script import Faults, Json, Script
from tests.support.aegis.session import Session
from tests.support.aegis.typing import type_text
from tests.support.aegis.witness import Witness

SECOND_SEND = 30.0
"""How long a `send` after a finished turn blocks."""


class World:
    """One server. `agents` are all that ever were on its host, killed ones too."""

    def __init__(self, now: Callable[[], float] = time.time, witness: Path | None = None) -> None:
        self.now = now
        self.witness = Witness(witness)
        self.agents: list[Agent] = self.witness.load()
        self.script = Script()
        self.reset_counts()
        self.begin()

    def begin(self) -> None:
        """As a server that has just been started: it knows no session."""
        self.started = self.now()
        self.sessions: dict[str, Session] = {}
        self.recent: dict[str, deque[float]] = {}
        self.last_batch: dict[str, float] = {}
        self.sse_tokens: dict[str, tuple[str, float]] = {}

    def reset_counts(self) -> None:
        """No call, no creation, no fault."""
        self.calls: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self.faults = Faults()

    def reset(self) -> None:
        """As after the very first start, on a host without agents."""
        self.agents, self.script = [], Script()
        self.reset_counts()
        self.begin()

    def crash(self) -> None:
        """`kill -9` and a new start: the agents work on, and nobody knows them."""
        self.begin()

    def terminate(self) -> None:
        """SIGTERM and a new start: every agent is killed."""
        for agent in self.agents:
            self.kill(agent, 0.0)
        self.begin()

    def create(self, key: str, request: dict[str, Json]) -> Session:
        """A new session with a new agent, which boots."""
        now, common = self.now(), {"workDir", "name", "permissionMode", "prompt"}
        agent = Agent(
            name=request.get("name") or "",
            work_dir=request["workDir"],
            ready_at=now + self.script.boot,
            installed=self.script.installed,
            trusted=self.script.trusted,
            asks_first=self.script.asks_first,
        )
        session = Session(
            agent=agent,
            name=request.get("name"),
            work_dir=request["workDir"],
            key=key,
            permission_mode=request.get("permissionMode", "default"),
            created_at=now,
            extra={name: value for name, value in request.items() if name not in common},
        )
        self.agents.append(agent)
        self.sessions[session.id] = session
        self.made[agent.name] += 1
        self.note(agent)
        return session

    def idle_in(self, work_dir: str) -> Session | None:
        """The session that a creation would be given instead of a new one, whoever owns it."""
        there = (s for s in self.sessions.values() if s.work_dir == work_dir)
        return next((s for s in there if self.status(s) == "idle"), None)

    def type(self, session: Session, text: str) -> None:
        """Type a text into the terminal of a session."""
        if self.script.eaten > 0:
            self.script.eaten -= 1
            return
        try:
            type_text(session.agent, text, self.now(), self.script)
        finally:
            self.note(session.agent)

    def busy_for(self, session: Session) -> float:
        """How long a `send` blocks before it gives up: a turn of this session is over."""
        agent, now = session.agent, self.now()
        return SECOND_SEND if agent.ended(now) and agent.turn(now) is None else 0.0

    def remove(self, session: Session) -> None:
        """DELETE: 404 from now on; the agent dies soon."""
        del self.sessions[session.id]
        self.kill(session.agent, self.script.killing)

    def kill(self, agent: Agent, after: float) -> None:
        """The agent is dead so many seconds from now."""
        agent.kill(self.now() + after)
        self.note(agent)

    def note(self, agent: Agent) -> None:
        """Write down what has to outlive this server."""
        self.witness.write(agent)

    def status(self, session: Session) -> str:
        """By the list."""
        return session.status(self.now(), self.script)

    def shown(self, session: Session) -> Agent:
        """Whose transcript stands for a session: that of the newest agent of its folder."""
        now = self.now()
        there = [a for a in self.agents if a.work_dir == session.work_dir and a.alive(now)]
        spoke = [agent for agent in there if agent.entries(now)]
        return spoke[-1] if spoke else session.agent

    def view(self, session: Session) -> dict[str, Json]:
        """A session as the API shows it."""
        return session.view(self.now(), self.script, self.shown(session))

    def find(self, name_or_id: str) -> Session:
        """For tests: by id or by name."""
        for session in self.sessions.values():
            if name_or_id in (session.id, session.name):
                return session
        raise KeyError(name_or_id)

    def over_limit(self, key: str) -> bool:
        """Whether this call of a key is one too many."""
        now, recent = self.now(), self.recent.setdefault(key, deque())
        while recent and recent[0] < now - 60:
            recent.popleft()
        recent.append(now)
        return 0 < self.script.per_minute < len(recent)
