"""Servers that are killed at any moment start no work twice at agents that forget no request."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from reconciler.core.runs.run import Status
from tests.e2e.ledger import Ledger
from tests.support.a2a_agent import A2aAgent
from tests.support.agent_apis import AgentApi, Reply, Sessions
from tests.support.eventually import eventually
from tests.support.http_agent import Received
from tests.support.ports import free_port
from tests.support.process import Site, passes
from tests.support.rig import Document, agent, autopilot, schedule

ROUNDS = [
    pytest.param(3, 1, id="3 rounds", marks=pytest.mark.timeout(300)),
    pytest.param(60, 2, id="60 rounds", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]
WORKS = 0.3
"""Seconds that a session is at work, and that its creation takes."""


@pytest.fixture
def api() -> Iterator[AgentApi]:
    with AgentApi(api=sessions_api) as made:
        yield made


@pytest.fixture
def analyst() -> Iterator[A2aAgent]:
    with A2aAgent() as made:
        yield made


def sessions_api(received: Received, sessions: Sessions) -> Reply:
    """Sessions that are found by their tag; each request makes one, whoever sent it before."""
    path, _, query = received.path.partition("?")
    if received.method == "POST":
        time.sleep(random.uniform(0, WORKS))
        with _LOCK:
            name = f"s{len(sessions)}"
            sessions[name] = {"id": name, "tag": received.json()["tag"], "at": time.monotonic()}
        time.sleep(random.uniform(0, WORKS))
        return 201, {"id": name}
    if query:
        with _LOCK:  # others are made meanwhile
            found = [s for s in sessions.values() if f"tag={s['tag']}" == query]
        return 200, {"items": [{"id": session["id"]} for session in found]}
    session = sessions[path.rpartition("/")[2]]
    over = time.monotonic() - session["at"] > WORKS
    return 200, {"status": "completed" if over else "running"}


_LOCK = threading.Lock()


def templated(base: str) -> Document:
    """The runtime of the API."""
    return {
        "type": "http",
        "url": f"{base}/sessions",
        "request": {"body": {"tag": "{{ run.id }}"}, "handle": {"id": "answer.id"}},
        "follow": {
            "url": base + "/sessions/{{ handle.id }}",
            "every": "1s",
            "status": "answer.status",
        },
        "find": {
            "url": base + "/sessions?tag={{ run.id }}",
            "handle": {"id": "answer.items[0].id"},
        },
    }


def manifests(api: AgentApi, analyst: A2aAgent, *, enabled: bool) -> list[Document]:
    """Two agents, each with work every second."""

    def busy(name: str, assignee: str) -> Document:
        return autopilot(
            name,
            schedule(None, "clock", every="1s", enabled=enabled),
            assignee={"type": "agent", "id": assignee},
            description="complete",
            concurrencyPolicy="queue",
            maxConcurrency=3,
            pauseAfterFailures=0,
            timeout="30s",
        )

    return [
        agent("elsewhere", runtime=templated(api.base)),
        agent("analyst", runtime={"type": "a2a", "url": analyst.url}),
        busy("sessions", "elsewhere"),
        busy("tasks", "analyst"),
    ]


@pytest.mark.parametrize(("rounds", "seed"), ROUNDS)
def test_no_run_has_two_sessions_or_tasks(
    here: Site, api: AgentApi, analyst: A2aAgent, rounds: int, seed: int
) -> None:
    here.write("all.yaml", *manifests(api, analyst, enabled=True))
    port, chance, ledger = free_port(), random.Random(seed), Ledger(here)
    server = here.serve(port)
    for _ in range(rounds):
        passes(chance.uniform(0.5, 2.5))
        server.kill()
        server = here.serve(port)
    for name in ("sessions", "tasks"):
        eventually(lambda name=name: len(ledger.completed(name)) >= 2, 40)  # type: ignore[misc]
    here.write("all.yaml", *manifests(api, analyst, enabled=False))
    eventually(lambda: not ledger.open_runs("sessions") + ledger.open_runs("tasks"), 100)

    for name, begun in (
        ("sessions", Counter(str(session["tag"]) for session in api.sessions.values())),
        ("tasks", Counter(analyst.executions())),
    ):
        assert [run_id for run_id, times in begun.items() if times > 1] == []
        runs = {run.id: run for run in ledger.runs(name)}
        assert begun.keys() <= runs.keys()
        never = [run_id for run_id in begun if runs[run_id].status is Status.SKIPPED]
        assert never == []
