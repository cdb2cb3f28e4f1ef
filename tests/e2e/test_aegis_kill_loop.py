"""A server that follows Aegis sessions is killed at random moments: no session twice, no prompt."""

import random
import threading
from datetime import UTC, datetime

import pytest

from reconciler.core.runs.run import Run, Status
from tests.e2e.ledger import Ledger, scheduled_twice
from tests.support.aegis import Aegis
from tests.support.aegis import running as stand_in
from tests.support.eventually import eventually
from tests.support.process import Site
from tests.support.rig import Document, agent, autopilot, schedule

NAMES = ("skipping", "queueing", "replacing")

ROUNDS = [
    pytest.param(5, 1, id="5 rounds"),
    pytest.param(100, 2, id="100 rounds", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
]


@pytest.mark.parametrize(("rounds", "seed"), ROUNDS)
def test_no_session_is_doubled_and_no_prompt_is_sent_twice(
    sqlite_site: Site, rounds: int, seed: int
) -> None:
    moments, ledger = random.Random(seed), Ledger(sqlite_site)
    sqlite_site.settings |= {
        "AUTOPILOT_SECRET_DEFAULT__AEGIS": "key-1",
        "RECONCILER_BREAKER_COOLDOWN": "1s",
        "RECONCILER_AEGIS": '{"folders": ["/srv"]}',
    }
    with stand_in() as aegis:
        aegis.control(script={"boot": 0.05, "think": 0.1, "work": 0.6, "settle": 0.1})
        sqlite_site.write("all.yaml", *manifests(aegis))
        server, since = sqlite_site.serve(), datetime.now(UTC)
        for _ in range(rounds):
            threading.Event().wait(moments.uniform(0.2, 2.0))
            server.kill()
            server = sqlite_site.serve()
        eventually(lambda: len(ledger.completed("skipping")) >= 2, within=40)

        assert [line for name in NAMES for line in ledger.wrong(name, since)] == []
        sqlite_site.write("all.yaml", *manifests(aegis, enabled=False))
        eventually(lambda: not still_open(ledger), within=90)
        runs = {run.id: run for name in NAMES for run in ledger.runs(name)}
        assert scheduled_twice([*runs.values()]) == []
        assert {name: times for name, times in aegis.made.items() if times > 1} == {}
        assert {name: times for name, times in aegis.worked.items() if times > 1} == {}
        completed = {run.id for run in runs.values() if run.status is Status.COMPLETED}
        assert completed <= aegis.worked.keys() <= runs.keys()
        eventually(lambda: not aegis.sessions, within=30)


def manifests(aegis: Aegis, *, enabled: bool = True) -> list[Document]:
    """An agent and an autopilot of each policy; each agent has a folder of its own."""
    made: list[Document] = []
    for name in NAMES:
        runtime = {
            "type": "aegis",
            "url": aegis.url,
            "token": {"env": "AUTOPILOT_SECRET_DEFAULT__AEGIS"},
            "workDir": f"/srv/{name}",
        }
        made.append(agent(name, runtime=runtime, maxConcurrency=1))
        policy = {"queueing": "queue", "replacing": "replace"}.get(name, "skip")
        made.append(
            autopilot(
                name,
                schedule(None, every="1s", enabled=enabled),
                assignee={"type": "agent", "id": name},
                concurrencyPolicy=policy,
                timeout="20s",
                pauseAfterFailures=0,
            )
        )
    return made


def still_open(ledger: Ledger) -> list[Run]:
    """All runs that have not ended."""
    return [run for name in NAMES for run in ledger.open_runs(name)]
