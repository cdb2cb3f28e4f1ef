"""Servers are killed at any moment: a precheck runs once for a run, and its answer holds."""

import random
from collections import Counter

import pytest

from reconciler.core.runs.run import Reason, Status
from tests.e2e.ledger import Ledger
from tests.support.eventually import eventually
from tests.support.process import Site, passes
from tests.support.rig import Document, agent, autopilot, schedule

PROGRAM = """#!/bin/sh
# A precheck that takes its time and has something to do for every second run; or the agent's work.
if [ "$1" = check ]; then
    echo "$RUN_ID" >> {folder}/checked
    sleep 0.6
    case "$RUN_ID" in *[02468ace]) echo nothing new; exit 10;; esac
    echo something new
else
    echo "$RUN_ID" >> {folder}/worked
    echo done
fi
"""
ROUNDS = [
    pytest.param(4, 3, id="4 rounds", marks=pytest.mark.timeout(300)),
    pytest.param(100, 4, id="100 rounds", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
]


def manifests(*, enabled: bool) -> list[Document]:
    """An autopilot that fires each second."""
    runtime = {"type": "command", "program": "note", "args": ["work"]}
    return [
        agent(runtime=runtime),
        autopilot(
            "checked",
            schedule(None, every="1s", enabled=enabled),
            precheck={"program": "note", "args": ["check"]},
            maxConcurrency=5,
            timeout="30m",
            pauseAfterFailures=0,
        ),
    ]


def ids_in(site: Site, name: str) -> Counter[str]:
    """How often each run id stands in a file of the site."""
    path = site.folder / name
    return Counter(path.read_text().split()) if path.exists() else Counter()


@pytest.mark.parametrize(("rounds", "seed"), ROUNDS)
def test_never_two_and_never_lost(here: Site, rounds: int, seed: int) -> None:
    program = here.folder / "note"
    program.write_text(PROGRAM.format(folder=here.folder))
    program.chmod(0o755)
    here.write("all.yaml", *manifests(enabled=True))
    moments, ledger = random.Random(seed), Ledger(here)
    server = here.serve()
    for _ in range(rounds):
        passes(moments.uniform(0.3, 1.5))
        server.kill()
        server = here.serve()
    eventually(lambda: len(ledger.completed("checked")) >= 2)
    here.write("all.yaml", *manifests(enabled=False))
    eventually(lambda: not ledger.open_runs("checked"), within=60)

    runs = {run.id: run for run in ledger.runs("checked") if run.reason is not Reason.OVERLAP}
    checked, worked = ids_in(here, "checked"), ids_in(here, "worked")
    assert {run.reason for run in runs.values()} <= {None, Reason.NOTHING_TO_DO}
    assert set(checked.values()) == set(worked.values()) == {1}
    assert checked.keys() == runs.keys()
    passed = {id_ for id_, run in runs.items() if run.status is Status.COMPLETED}
    assert worked.keys() == passed
    assert all((int(id_[-1], 16) % 2 == 1) is (id_ in passed) for id_ in runs)
