"""A busy server is killed at random moments, over and over: the books are right all the same."""

import random
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.runs.run import Run, Status
from tests.e2e.ledger import (
    Ledger,
    assert_every_delivery_is_there_once,
    ends_of,
    scheduled_twice,
)
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.process import Serving, Site, passes
from tests.support.rig import Document, autopilot, schedule, webhook
from tests.support.sender import sending

TIMEOUT = timedelta(seconds=10)
SCHEDULED = ("skipping", "queueing", "replacing", "catching-up")

ROUNDS = [
    pytest.param(3, 1, id="3 rounds", marks=pytest.mark.timeout(300)),
    pytest.param(50, 2, id="50 rounds", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    pytest.param(200, 3, id="200 rounds", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
]


@pytest.mark.parametrize(("rounds", "seed"), ROUNDS)
def test_servers_that_are_killed_at_any_moment_lose_and_double_nothing(
    here: Site, rounds: int, seed: int
) -> None:
    """One server on SQLite; two on PostgreSQL, of which one or both are killed."""
    here.settings["RECONCILER_BREAKER_COOLDOWN"] = "1s"
    here.write("all.yaml", *manifests(here))
    ports = [free_port() for _ in range(2 if here.database.startswith("postgres") else 1)]
    running = {port: here.serve(port) for port in ports}
    since, ledger, chance = datetime.now(UTC), Ledger(here), random.Random(seed)
    with sending([server.webhook_url for server in running.values()]) as sender:
        for _ in range(rounds):
            passes(chance.uniform(0, 1.5))
            for port in chance.sample(ports, chance.randint(1, len(ports))):
                running[port].kill()
                running[port] = here.start(port)
            if chance.random() < 0.7:
                all_ready(running.values())
        all_ready(running.values())
        eventually(lambda: len(ledger.completed("skipping")) >= 2)

    assert [line for name in SCHEDULED for line in ledger.wrong(name, since)] == []
    here.write("all.yaml", *manifests(here, enabled=False))
    # A deadline, the half minute that a proof may take, and a second for each run in the queues.
    patience = TIMEOUT.total_seconds() + 40 + len(still_open(ledger))
    eventually(lambda: not still_open(ledger), within=patience)
    eventually(lambda: not here.agents())
    assert_every_delivery_is_there_once(ledger, sender)
    runs = assert_nothing_ran_twice(here, ledger)
    sys.stdout.write(f"{rounds} rounds, {len(runs)} runs: {ends_of(runs)}\n")
    assert [log for one in here.servers for log in one.events("round failed")] == []


def manifests(site: Site, *, enabled: bool = True) -> list[Document]:
    """Autopilots of every policy, busy enough that runs overlap, wait and are replaced."""

    def every_second(name: str, **more: object) -> Document:
        return schedule(None, name, every="1s", enabled=enabled, **more)

    return [
        site.agent("quick", works=0),
        site.agent("slow", works=1.4),
        autopilot("skipping", every_second("a"), every_second("b"), **to("quick")),
        autopilot("queueing", every_second("a"), **to("slow", concurrencyPolicy="queue")),
        autopilot("replacing", every_second("a"), **to("slow", concurrencyPolicy="replace")),
        autopilot(
            "catching-up",
            every_second("a", catchUp="all", catchUpWindow="10s"),
            **to("quick", concurrencyPolicy="queue", queueLimit=1000),
        ),
        autopilot("hooks", webhook(), **to("quick", maxConcurrency=3, pauseAfterFailures=0)),
    ]


def to(agent: str, **spec: object) -> Document:
    """The part of a spec that these autopilots share, for one of the agents."""
    return {"assignee": {"type": "agent", "id": agent}, "timeout": "10s", **spec}


def still_open(ledger: Ledger) -> list[Run]:
    """All runs that have not ended."""
    return [run for name in (*SCHEDULED, "hooks") for run in ledger.open_runs(name)]


def assert_nothing_ran_twice(site: Site, ledger: Ledger) -> list[Run]:
    """No occurrence has two runs, no run reached the agent twice, and what completed did so.

    Return all runs.
    """
    noted = site.noted()
    assert {run_id for run_id, times in noted.items() if times > 1} == set()
    runs = [run for name in (*SCHEDULED, "hooks") for run in ledger.runs(name)]
    assert scheduled_twice(runs) == []
    by_id = {run.id: run for run in runs}
    completed = {run.id for run in runs if run.status is Status.COMPLETED}
    assert completed <= noted.keys() <= by_id.keys()
    assert {by_id[run_id].status for run_id in noted} <= {Status.COMPLETED, Status.FAILED}
    return runs


def all_ready(servers: Iterable[Serving]) -> None:
    """Wait for all of them."""
    for server in servers:
        server.await_ready()
