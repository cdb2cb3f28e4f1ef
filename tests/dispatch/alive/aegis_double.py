"""Aegis: slow agents, eaten prompts, crashes that leave agents at work."""

import random
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

import httpx

from reconciler.core.manifest.runtime import AegisRuntime
from reconciler.dispatch.base import Job, Runtime
from tests.dispatch.aegis.runtime_kit import job_on, sessions_of
from tests.support.aegis.local import LocalAegis, Loss

LONG = "\n".join(["- Read this line."] * 700)


@dataclass
class AegisDouble:
    """Twelve runs in three folders."""

    server: LocalAegis = field(default_factory=LocalAegis)
    steps: tuple[float, ...] = (0.3, 1.0, 1.7)
    timeout: float = 120.0
    lingers: float = 0.4

    def serving(self) -> AbstractAsyncContextManager[Runtime]:
        """A client of its own."""
        return sessions_of(self.server)

    def jobs(self, chance: random.Random) -> Sequence[Job]:
        """Short prompts, which are sent, and long ones, which go with the creation."""
        self.server.world.script.per_minute = chance.choice([0, 100])
        self.server.lose = lambda request: _losing(chance, request)
        jobs = []
        for number in range(12):
            spec, text = {"workDir": f"/srv/{number % 3}"}, chance.choice(["Triage.", LONG])
            job = job_on(self.server, spec=spec, prompt=text)
            assert isinstance(job.runtime, AegisRuntime)
            jobs.append(replace(job, holds=job.runtime.holds()))
        return jobs

    def alive(self, run_id: str) -> int:
        """Agents at work."""
        return self.server.at_work(run_id)

    def misfortune(self, chance: random.Random) -> None:
        """What befalls Aegis and its host."""
        script = self.server.world.script
        script.boot = chance.choice([0.6, 0.6, 3.0, 3.0, 20.0, 40.0])
        script.work = chance.uniform(1.0, 40.0)
        script.eaten = int(chance.random() < 0.1)
        script.fails = "API Error: 529" if chance.random() < 0.1 else None
        script.typing_fails = chance.random() < 0.05
        self.server.down = self.server.down and chance.random() < 0.8
        luck = chance.random()
        if luck < 0.004:
            self.server.control(crash=True)
        elif luck < 0.006:
            self.server.control(terminate=True)
        elif luck < 0.02:
            self.server.down = True

    def fortune(self) -> None:
        """Answers arrive."""
        self.server.lose, self.server.down = (lambda _: None), False

    def reports(self, run_id: str) -> bool:
        """Polls tell."""
        return False


def _losing(chance: random.Random, _request: httpx.Request) -> Loss | None:
    return chance.choice([*Loss]) if chance.random() < 0.08 else None
