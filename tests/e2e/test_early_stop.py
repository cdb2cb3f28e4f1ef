"""A server that is told to stop while it starts does so in order, whatever it was doing."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.cli import environment
from tests.support.eventually import eventually
from tests.support.process import Serving, Site
from tests.support.rig import autopilot, schedule


def hears_signals(server: Serving) -> bool:
    """Whether SIGTERM has a handler, as Linux tells it; none of our modules is there by then."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def listens(server: Serving) -> bool:
    """Whether it has its port: everything is imported, nothing is opened."""
    return bool(psutil.Process(server.process.pid).net_connections("inet"))


def has_a_database(server: Serving) -> bool:
    """Whether the file is there: it is being migrated."""
    return (server.log.parent.parent / "state.db").exists()


def has_a_key(server: Serving) -> bool:
    """Whether the server's key is there: it was made after the migration."""
    return (server.log.parent / ".reconciler" / "server.key").exists()


def serves(server: Serving) -> bool:
    """Whether it says that it is up."""
    return bool(server.url)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(hears_signals, id="while modules are imported"),
        pytest.param(listens, id="once it has a port"),
        pytest.param(has_a_database, id="while tables are made"),
        pytest.param(has_a_key, id="before the first reconcile"),
        pytest.param(serves, id="as soon as it is up"),
    ],
)
def test_told_to_stop_it_ends_with_0(
    sqlite_site: Site, moment: Callable[[Serving], bool], number: signal.Signals
) -> None:
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("triage", schedule()))
    server = sqlite_site.start()
    eventually(lambda: moment(server))
    server.process.send_signal(number)
    assert server.process.wait(30) == 0
    assert "Traceback" not in server.text
    assert "error" not in server.text.lower()


TOLD_AS_THE_LOOP_IS_MADE = """
import os, signal, uvloop
made = uvloop.new_event_loop
def make():
    loop = made()
    os.kill(os.getpid(), signal.SIGINT)
    return loop
uvloop.new_event_loop = make
from reconciler.__main__ import main
main()
"""


def test_told_to_stop_as_the_event_loop_is_made_it_stops_in_order(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", TOLD_AS_THE_LOOP_IS_MADE, "serve", "manifests", "--port", "0"],
        cwd=tmp_path,
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, done.stdout, told[-1]["event"]) == (0, "", "stopped")
    assert [entry for entry in told if entry["level"] == "error"] == []


def test_what_it_left_half_made_is_made_by_the_next_one(sqlite_site: Site) -> None:
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("triage", schedule()))
    early = sqlite_site.start()
    eventually(lambda: has_a_database(early))
    assert early.terminate() == 0
    assert sqlite_site.serve().terminate() == 0
