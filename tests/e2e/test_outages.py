"""Whatever fails or hangs, a server says so, loses nothing, and ends with 0 when it is told to."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.runs.run import Status
from tests.e2e.ledger import Ledger
from tests.support import patient
from tests.support.eventually import eventually
from tests.support.postgres import Server
from tests.support.process import Serving, Site, passes
from tests.support.rig import autopilot, schedule, webhook

WITHIN = 30.0
"""Seconds after which process managers kill."""


def busy(site: Site, works: float = 60) -> tuple[Serving, Ledger]:
    """A server with a run in flight."""
    triggers = (schedule(None, every="1s"), webhook())
    site.write("all.yaml", site.agent(works=works), autopilot("triage", *triggers))
    server, ledger = site.serve(), Ledger(site)
    eventually(lambda: [run for run in ledger.open_runs() if run.status is Status.RUNNING])
    return server, ledger


def status_of(method: str, url: str) -> int:
    """The status of an answer that comes although something hangs."""
    return patient.request(method, url, timeout=30).status_code


def delete(path: Path) -> None:
    """As `rm` does."""
    path.unlink()


def replace(path: Path) -> None:
    """As restoring a backup does."""
    shutil.copy(path, path.with_name("copy.db"))
    path.with_name("copy.db").replace(path)


@pytest.mark.postgres
def test_a_postgresql_that_hangs_holds_up_neither_answers_nor_the_end(
    postgres_site: Site, postgres: Server
) -> None:
    server, ledger = busy(postgres_site, works=30)
    hook = server.webhook_url
    assert status_of("POST", hook) == 202
    with postgres.frozen():
        assert status_of("POST", hook) == 503
        assert status_of("GET", f"{server.url}/readyz") == 503
        assert status_of("GET", f"{server.url}/healthz") == 200
        assert status_of("POST", hook) == 503
    eventually(lambda: status_of("GET", f"{server.url}/readyz") == 200)
    assert status_of("POST", hook) == 202
    with postgres.frozen():
        eventually(lambda: server.events("the database is out of service")[1:])
        assert server.terminate(WITHIN) == 0
    assert len(server.events("the database is out of service")) == 2
    assert server.events("round failed") == []
    assert "Traceback" not in server.text
    left_open = [run.id for run in ledger.open_runs()]
    postgres_site.serve()
    eventually(lambda: all(ledger.run(run_id).ended for run_id in left_open), within=60)


@pytest.mark.postgres
def test_a_stop_in_the_moment_in_which_postgresql_begins_to_hang(
    postgres_site: Site, postgres: Server
) -> None:
    server, _ = busy(postgres_site)
    with postgres.frozen():
        assert server.terminate(WITHIN) == 0
    assert "Traceback" not in server.text


def test_a_manifest_that_is_never_read_to_its_end(sqlite_site: Site) -> None:
    """Before the first reconcile is through, and in a later one."""
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("triage", schedule()))
    server = sqlite_site.serve(RECONCILER_POLL_INTERVAL="1s")
    os.mkfifo(sqlite_site.manifests / "endless.yaml")
    passes(2.5)
    assert server.terminate(WITHIN) == 0
    assert "Traceback" not in server.text


def test_a_log_that_nobody_reads(sqlite_site: Site, tmp_path: Path) -> None:
    """Its pipe is full: the event loop itself hangs in a write."""
    sqlite_site.write(
        "all.yaml", sqlite_site.agent(), autopilot("triage", schedule(None, every="1s"))
    )
    read, write = os.pipe()
    process = subprocess.Popen(
        sqlite_site.command("serve", str(sqlite_site.manifests), "--port", "0"),
        cwd=sqlite_site.folder,
        env=sqlite_site.environment({"RECONCILER_LOG_LEVEL": "debug"}),
        stdin=subprocess.DEVNULL,
        stdout=write,
        stderr=write,
    )
    try:
        os.set_blocking(write, False)
        shown = b""
        while b"Dashboard" not in shown:
            shown += os.read(read, 65536)
        while _fits(write):
            pass
        os.set_blocking(write, True)
        passes(2.5)
        process.terminate()
        assert process.wait(WITHIN) == 0
    finally:
        process.kill()
        process.wait()
        os.close(read)
        os.close(write)


def _fits(descriptor: int) -> bool:
    try:
        return os.write(descriptor, b"." * 4096) > 0
    except BlockingIOError:
        return False


@pytest.mark.parametrize("lose", [delete, replace])
def test_a_lost_file_takes_no_delivery(sqlite_site: Site, lose: Callable[[Path], None]) -> None:
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("hooks", webhook()))
    server = sqlite_site.serve()
    hook = server.webhook_url
    assert status_of("POST", hook) == 202
    lose(sqlite_site.folder.parent / "state.db")
    assert status_of("POST", hook) == 503
    eventually(lambda: status_of("GET", f"{server.url}/readyz") == 503)
    eventually(lambda: server.events("the database is out of service"))
    assert server.terminate(WITHIN) == 0
    errors = [line for line in server.events() if line["level"] == "error"]
    assert [line["event"] for line in errors] == ["the database is out of service"]
    assert "Traceback" not in server.text


def test_not_ready_until_a_revision_is_in_force(sqlite_site: Site) -> None:
    sqlite_site.write("all.yaml", autopilot("hooks", webhook()))  # its agent is missing
    server = sqlite_site.start()
    eventually(lambda: server.url)
    answer = patient.get(f"{server.url}/readyz")
    assert answer.status_code == 503
    assert answer.json()["waitingFor"] == ["a revision without problems: the first one was refused"]
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("hooks", webhook()))
    eventually(lambda: status_of("GET", f"{server.url}/readyz") == 200)
    sqlite_site.write("all.yaml", autopilot("hooks", webhook()))
    eventually(lambda: len(server.events("problem in a manifest")) == 2)
    assert status_of("GET", f"{server.url}/readyz") == 200


def test_a_disk_that_is_full(sqlite_site: Site) -> None:
    """A limit of the file's size stands for the disk: SQLite cannot tell one from the other."""
    server, _ = busy(sqlite_site)
    size = (sqlite_site.folder.parent / "state.db-wal").stat().st_size
    subprocess.run(["prlimit", f"--pid={server.process.pid}", f"--fsize={size}"], check=True)
    eventually(lambda: status_of("GET", f"{server.url}/readyz") == 503)
    assert server.terminate(WITHIN) == 0
    assert "Traceback" not in server.text
