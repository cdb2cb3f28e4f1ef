"""Three servers on one PostgreSQL: killed, stalled beyond their leases, cut off by its restarts.

Whatever comes in which order, the agent itself is the witness: it holds a lock for as long as it
works, so that two that are alive at once for one autopilot are seen, and notes each start.
"""

import random
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.e2e.ledger import Ledger, assert_every_delivery_is_there_once, ends_of
from tests.e2e.test_kill_loop import (
    SCHEDULED,
    TIMEOUT,
    all_ready,
    assert_nothing_ran_twice,
    manifests,
    still_open,
)
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.postgres import Server, find_binaries, running
from tests.support.process import Serving, Site, passes, site
from tests.support.sender import sending

pytestmark = pytest.mark.postgres

LEASE = 2.0
_WITNESS = """#!/bin/sh
# Note the run, hold the autopilot's lock, work for the seconds of $1.
folder=$(dirname "$AUTOPILOT_TEST_NOTES")
printf '%s\\n' "$RUN_ID" >> "$AUTOPILOT_TEST_NOTES"
exec 9>> "$folder/lock-$RUN_AUTOPILOT"
flock -n 9 || printf '%s %s\\n' "$RUN_AUTOPILOT" "$RUN_ID" >> "$folder/overlaps"
exec /bin/sleep "$1"
"""
LENGTHS = [
    pytest.param(25, 1, id="half a minute", marks=pytest.mark.timeout(300)),
    pytest.param(600, 2, id="ten minutes", marks=[pytest.mark.soak, pytest.mark.timeout(1500)]),
]


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A server that may be restarted without harm to other tests."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql)")
    with running(binaries) as server:
        yield server


@pytest.mark.parametrize(("seconds", "seed"), LENGTHS)
def test_three_servers_lose_and_double_nothing(
    own_postgres: Server, tmp_path_factory: pytest.TempPathFactory, seconds: int, seed: int
) -> None:
    """Nothing lost, nothing doubled, no two alive for one autopilot, nothing stuck."""
    settings = {"RECONCILER_LEASE": f"{LEASE:g}s", "RECONCILER_BREAKER_COOLDOWN": "1s"}
    settings["RECONCILER_LOG_FORMAT"] = "json"
    url = own_postgres.create("soak")
    with site(tmp_path_factory.mktemp("soak"), url, **settings) as here:
        soak(here, own_postgres, seconds, random.Random(seed))


def soak(here: Site, postgres: Server, seconds: int, chance: random.Random) -> None:
    """Let it all happen for so long, then hold the books against what was done."""
    witness = here.folder / "note"
    witness.write_text(_WITNESS)
    witness.chmod(0o755)
    here.write("all.yaml", *manifests(here))
    servers = {port: here.serve(port) for port in [free_port() for _ in range(3)]}
    since, ledger, until = datetime.now(UTC), Ledger(here), time.monotonic() + seconds
    with sending([server.webhook_url for server in servers.values()]) as sender:
        while time.monotonic() < until:
            passes(chance.uniform(0, 1.5))
            happen(here, postgres, servers, chance)
        all_ready(servers.values())
        eventually(lambda: len(ledger.completed("skipping")) >= 2)

    assert [line for name in SCHEDULED for line in ledger.wrong(name, since)] == []
    here.write("all.yaml", *manifests(here, enabled=False))
    patience = TIMEOUT.total_seconds() + 40 + len(still_open(ledger))
    eventually(lambda: not still_open(ledger), within=patience)
    eventually(lambda: not here.agents())
    assert_every_delivery_is_there_once(ledger, sender)
    runs = assert_nothing_ran_twice(here, ledger)
    assert overlaps(here) == []
    crashes = [event for one in here.servers for event in one.events() if "exception" in event]
    assert crashes == []
    done = f"{len(here.servers)} servers, {len(sender.accepted)} deliveries, {len(runs)} runs"
    sys.stdout.write(f"{seconds} s: {done}: {ends_of(runs)}\n")


def happen(
    here: Site, postgres: Server, servers: dict[int, Serving], chance: random.Random
) -> None:
    """One misfortune."""
    port = chance.choice(list(servers))
    match chance.choices(["killed", "stalled", "all stalled", "restarted"], [4, 4, 1, 1])[0]:
        case "killed":
            servers[port].kill()
            servers[port] = here.start(port)
        case "stalled":
            with servers[port].stalled():
                passes(chance.uniform(LEASE / 2, 2 * LEASE))
        case "all stalled":
            for server in servers.values():
                server.process.send_signal(signal.SIGSTOP)
            passes(chance.uniform(LEASE / 2, 2 * LEASE))
            for server in servers.values():
                server.process.send_signal(signal.SIGCONT)
        case _:
            postgres.restart(chance.choice([signal.SIGINT, signal.SIGQUIT]))


def overlaps(here: Site) -> list[str]:
    """Starts while another run of the autopilot was alive, where only one may be."""
    file = here.folder / "overlaps"
    lines = file.read_text().splitlines() if file.exists() else []
    return [line for line in lines if line.split()[0] in SCHEDULED]
