"""A server that follows Aegis sessions, and Aegis itself, are killed at random moments.

The agents of a killed Aegis work on. No run gets its prompt twice, and in no folder do two work.
"""

import random
import threading
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from reconciler.core.runs.run import Run, Status
from tests.e2e.ledger import Ledger, scheduled_twice
from tests.support.aegis.agent import Agent
from tests.support.aegis.process import Aegis, running
from tests.support.aegis.witness import Witness
from tests.support.eventually import eventually
from tests.support.process import Site
from tests.support.rig import Document, agent, autopilot, schedule

EVERY = {"skipping": "1s", "queueing": "1s", "replacing": "4s"}
"""An end is seen in three seconds or more: what replaces each second sees none."""
NAMES = tuple(EVERY)
KEYS = {name: f"key-{name}" for name in NAMES}
"""One each: a key has so many calls a minute, of which `replacing` takes all that it gets."""
TIMEOUT = 25
"""Seconds of a run. One whose Aegis was killed holds its folder for half a minute longer."""

ROUNDS = [
    pytest.param(3, 3.0, 1, id="3 rounds", marks=[pytest.mark.timeout(300)]),
    pytest.param(
        100, 20.0, 2, id="100 rounds", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]
    ),
]


@pytest.mark.parametrize(("rounds", "longest", "seed"), ROUNDS)
def test_both_sides_are_killed_and_no_prompt_is_doubled(
    sqlite_site: Site, tmp_path: Path, rounds: int, longest: float, seed: int
) -> None:
    moments, ledger = random.Random(seed), Ledger(sqlite_site)
    sqlite_site.settings |= {secret(name): key for name, key in KEYS.items()} | {
        "RECONCILER_BREAKER_COOLDOWN": "1s",
        "RECONCILER_AEGIS": '{"folders": ["/srv"]}',
    }
    script = {"boot": 0.3, "shown_late": 0.3, "work": 1.0, "settle": 0.3, "per_minute": 0}
    script |= {"metrics_late": 0.0}
    with running(*KEYS.values(), witness=tmp_path / "agents") as aegis:
        aegis.control(script=script)
        sqlite_site.write("all.yaml", *manifests(aegis))
        server, since = sqlite_site.serve(), datetime.now(UTC)
        for _ in range(rounds):
            threading.Event().wait(moments.uniform(0.2, longest))
            server.kill()
            server = sqlite_site.serve()
            threading.Event().wait(moments.uniform(0.2, longest))
            aegis.kill()
            aegis.start()
            aegis.control(script=script)
        eventually(lambda: len(ledger.completed("skipping")) >= 2, within=120)

        assert [line for name in NAMES for line in ledger.wrong(name, since)] == []
        sqlite_site.write("all.yaml", *manifests(aegis, enabled=False))
        eventually(lambda: not still_open(ledger), within=120)
        runs = {run.id: run for name in NAMES for run in ledger.runs(name)}
        assert scheduled_twice([*runs.values()]) == []
        agents = Witness(aegis.witness).load()
        assert prompted_twice(agents) == {}
        assert side_by_side(agents) == []
        worked = {a.name for a in agents if a.turns}
        completed = {run.id for run in runs.values() if run.status is Status.COMPLETED}
        assert completed <= worked <= runs.keys()
        eventually(lambda: not aegis.sessions, within=30)


def prompted_twice(agents: list[Agent]) -> dict[str, int]:
    """Runs whose prompt reached an agent more than once."""
    prompts = Counter(a.name for a in agents for _ in a.turns)
    return {name: times for name, times in prompts.items() if times > 1}


def side_by_side(agents: list[Agent]) -> list[tuple[str, str]]:
    """Pairs of runs whose agents worked in one folder at one time."""
    work = sorted(
        (a.work_dir, turn.begins, min(turn.ends, a.killed_at or turn.ends), a.name)
        for a in agents
        for turn in a.turns
    )
    return [
        (first[3], second[3])
        for first, second in pairwise(work)
        if first[0] == second[0] and second[1] < first[2]
    ]


def secret(name: str) -> str:
    """The variable that holds an agent's key."""
    return f"AUTOPILOT_SECRET_DEFAULT__{name.upper()}"


def manifests(aegis: Aegis, *, enabled: bool = True) -> list[Document]:
    """An agent and an autopilot of each policy; each agent has a folder of its own."""
    made: list[Document] = []
    for name in NAMES:
        runtime = {
            "type": "aegis",
            "url": aegis.url,
            "token": {"env": secret(name)},
            "workDir": f"/srv/{name}",
        }
        made.append(agent(name, runtime=runtime, maxConcurrency=1))
        policy = {"queueing": "queue", "replacing": "replace"}.get(name, "skip")
        made.append(
            autopilot(
                name,
                schedule(None, every=EVERY[name], enabled=enabled),
                assignee={"type": "agent", "id": name},
                concurrencyPolicy=policy,
                timeout=f"{TIMEOUT}s",
                pauseAfterFailures=0,
            )
        )
    return made


def still_open(ledger: Ledger) -> list[Run]:
    """All runs that have not ended."""
    return [run for name in NAMES for run in ledger.open_runs(name)]
