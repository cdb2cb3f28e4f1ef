"""A file of agents, by which a killed stand-in and a test know what went on meanwhile."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.support.aegis.agent import Agent, restored


@dataclass(frozen=True)
class Witness:
    """One line for each change of an agent; the last line of an agent counts."""

    path: Path | None

    def write(self, agent: Agent) -> None:
        """An agent as it is now."""
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(agent.stored()) + "\n")

    def load(self) -> list[Agent]:
        """All agents, oldest first."""
        if self.path is None or not self.path.exists():
            return []
        agents: dict[str, Agent] = {}
        for line in self.path.read_text().splitlines():
            try:
                agent = restored(json.loads(line))
            except ValueError:
                continue  # cut by kill -9: nobody was told of it
            agents[agent.id] = agent
        return [*agents.values()]
