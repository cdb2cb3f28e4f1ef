"""Servers begin and end in order: one per SQLite file, leases handed back, work recorded."""

from reconciler.core.runs.run import Source, Status
from tests.e2e.ledger import Ledger
from tests.support.eventually import eventually
from tests.support.process import Site
from tests.support.rig import autopilot, schedule

EXIT_LOCKED = 6


def test_a_second_server_on_one_sqlite_file_is_refused(sqlite_site: Site) -> None:
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("triage"))
    first = sqlite_site.serve()
    second = sqlite_site.start()
    assert second.process.wait(30) == EXIT_LOCKED
    assert "PostgreSQL" in second.text
    assert f"pid {first.process.pid}" in second.text
    assert "Traceback" not in second.text
    assert first.alive


def test_sigterm_hands_runs_back_and_the_next_server_goes_on_with_them(here: Site) -> None:
    busy = autopilot("triage", schedule(None, every="1s"), maxConcurrency=2)
    here.write("all.yaml", here.agent(held=True), busy)
    with here.holding():
        server, ledger = here.serve(), Ledger(here)
        eventually(lambda: sum(run.status is Status.RUNNING for run in ledger.open_runs()) == 2)
        eventually(lambda: len(here.noted()) == 2)
        assert server.terminate(within=30) == 0
        left = ledger.open_runs()
        assert len(left) == 2
        assert all(run.lease_owner is None and run.lease_until is None for run in left)
        assert "Traceback" not in server.text
        assert [one["handed_back"] for one in server.events("stopped")] == [2]
        here.serve()

    eventually(lambda: all(ledger.run(run.id).ended for run in left))
    ended = [ledger.run(run.id) for run in left]
    assert {run.status for run in ended} == {Status.COMPLETED}
    assert {str(run.result) for run in ended} == {"worked on triage\n"}
    assert all(here.noted()[run.id] == 1 for run in ended)


def test_a_run_by_hand_without_a_server_waits_for_one(sqlite_site: Site) -> None:
    site, ledger = sqlite_site, Ledger(sqlite_site)
    site.write("all.yaml", site.agent(), autopilot("triage", concurrencyPolicy="queue"))
    assert site.cli("apply", str(site.manifests), "--yes").returncode == 0
    assert site.cli("run", "triage").returncode == 0
    waited = site.cli("run", "triage", "--wait")
    assert waited.returncode == 1
    assert "no server is running" in waited.stderr
    first, second = ledger.runs()
    assert (first.active, second.waiting) == (True, True)
    assert second.id in waited.stderr

    site.serve()
    eventually(lambda: len(ledger.completed(source=Source.MANUAL)) == 2)
