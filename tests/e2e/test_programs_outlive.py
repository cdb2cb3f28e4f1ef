"""Programs outlive the server that started them, and what they find of it is not its secrets."""

import os
import random
import signal
from contextlib import suppress

import psutil
import pytest

from reconciler.core.runs.run import Status
from tests.e2e.ledger import Ledger
from tests.support.eventually import eventually
from tests.support.process import Site, passes
from tests.support.rig import autopilot, schedule

ROUNDS = [
    pytest.param(4, 1, id="4 rounds", marks=pytest.mark.timeout(300)),
    pytest.param(100, 2, id="100 rounds", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
]


@pytest.mark.parametrize(("rounds", "seed"), ROUNDS)
def test_a_restart_finds_completed_and_not_lost(here: Site, rounds: int, seed: int) -> None:
    """Servers are killed at any moment; every run that began ends as its program did, once."""
    here.write("all.yaml", *manifests(here))
    moments, ledger = random.Random(seed), Ledger(here)
    server = here.serve()
    for _ in range(rounds):
        passes(moments.uniform(0.1, 1.5))
        server.kill()
        server = here.serve()
    eventually(lambda: len(ledger.completed("quick")) >= rounds)
    here.write("all.yaml", *manifests(here, enabled=False))
    eventually(lambda: not any(ledger.open_runs(name) for name in ("quick", "slow")), within=60)

    runs = [run for name in ("quick", "slow") for run in ledger.runs(name)]
    assert {run.reason for run in runs if run.status is Status.FAILED} == set()
    assert {run_id: times for run_id, times in here.noted().items() if times != 1} == {}
    completed = {run.id for run in runs if run.status is Status.COMPLETED}
    assert completed == here.noted().keys()
    assert all("worked on" in str(run.result) for run in runs if run.id in completed)


def manifests(site: Site, *, enabled: bool = True) -> list[dict[str, object]]:
    """One that ends at once, and one that is at work across a kill."""
    to = {"timeout": "60s", "pauseAfterFailures": 0}
    return [
        site.agent("quick", works=0),
        site.agent("slow", works=1.0),
        *(
            autopilot(
                name,
                schedule(None, every="1s", enabled=enabled),
                assignee={"type": "agent", "id": name},
                **to,
            )
            for name in ("quick", "slow")
        ),
    ]


def test_what_the_host_stops_with_the_server_has_not_completed(sqlite_site: Site) -> None:
    """`systemctl stop` without KillMode=mixed: SIGTERM to every process, and one exits with 0."""
    program = sqlite_site.folder / "note"
    started = sqlite_site.folder / "started"
    program.write_text(
        f"#!/bin/sh\ntrap 'exit 0' TERM\ntouch {started}\nwhile :; do sleep 0.02; done\n"
    )
    program.chmod(0o755)
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("hand"))
    server, ledger = sqlite_site.serve(), Ledger(sqlite_site)
    assert sqlite_site.cli("run", "hand").returncode == 0
    eventually(started.exists)
    for process in (psutil.Process(server.process.pid), *unit_of(server.process.pid)):
        with suppress(ProcessLookupError):  # one of the program's short sleeps is over
            os.kill(process.pid, signal.SIGTERM)
    assert server.process.wait(30) == 0
    assert ledger.completed("hand") == []
    sqlite_site.serve()
    (run,) = eventually(lambda: [run for run in ledger.runs("hand") if run.ended])
    assert (run.status, run.reason) == (Status.FAILED, "lost")


def unit_of(server: int) -> list[psutil.Process]:
    """Everything below a server, as systemd sees it, each after its parent."""
    return psutil.Process(server).children(recursive=True)


READER = """#!/usr/bin/python3 -I
import os
pid, parents = os.getppid(), []
while pid > 1:
    with open(f"/proc/{pid}/stat", "rb") as file:
        parent = int(file.read().rpartition(b")")[2].split()[1])
    with open(f"/proc/{pid}/environ", "rb") as file:
        parents.append(file.read())
    pid = parent
found = [name for name in os.listdir("/proc") if name.isdecimal()]
everybody = []
for name in found:
    try:
        with open(f"/proc/{name}/environ", "rb") as file:
            everybody.append(file.read())
    except OSError:
        pass
print(len(parents) >= 3, any(b"s3cret-7f3a" in one for one in everybody))
print(any(b"RECONCILER_" in one for one in parents[:3]))
"""


def test_a_program_finds_no_secret_in_the_environment_of_anybody(sqlite_site: Site) -> None:
    """It reads that of all its parents: supervisor, spawner, server; and of all processes."""
    program = sqlite_site.folder / "note"
    secret = f"s3cret-{os.getpid()}"  # suites may run beside one another
    program.write_text(READER.replace("s3cret-7f3a", secret))
    program.chmod(0o755)
    sqlite_site.settings |= {
        "AUTOPILOT_SECRET_DEFAULT__CI": secret,
        "RECONCILER_TOKEN": f"rct_{secret}",
    }
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("hand"))
    sqlite_site.serve()
    del sqlite_site.settings["RECONCILER_TOKEN"]  # the command below is no part of the server
    del sqlite_site.settings["AUTOPILOT_SECRET_DEFAULT__CI"]
    assert sqlite_site.cli("run", "hand").returncode == 0
    ledger = Ledger(sqlite_site)
    (run,) = eventually(lambda: [run for run in ledger.runs("hand") if run.ended])
    assert run.result == "True False\nFalse\n"
