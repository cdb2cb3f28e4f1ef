"""`kill -9` of a server in the middle of its work: nothing is lost, nothing happens twice."""

from datetime import UTC, datetime

from reconciler.core.runs.run import Status
from tests.e2e.ledger import Ledger, scheduled_twice
from tests.support.eventually import eventually
from tests.support.process import Site
from tests.support.rig import autopilot, schedule


def test_a_run_whose_server_was_killed_ends_and_the_schedule_goes_on(here: Site) -> None:
    here.write("all.yaml", here.agent(held=True), autopilot("triage", schedule(None, every="1s")))
    with here.holding():
        server, ledger = here.serve(), Ledger(here)
        since = datetime.now(UTC)
        (run,) = eventually(lambda: [r for r in ledger.open_runs() if r.status is Status.RUNNING])
        eventually(lambda: here.noted()[run.id])
        server.kill()
        assert [process.is_running() for process in here.agents()] == [True]
        here.serve()

    eventually(lambda: ledger.run(run.id).ended)
    assert ledger.run(run.id).status is Status.COMPLETED
    eventually(lambda: len(ledger.completed()) >= 3)
    assert all(one.scheduled_for >= run.scheduled_for for one in ledger.completed())  # type: ignore[operator]
    eventually(lambda: not here.agents())
    runs, noted = ledger.runs(), here.noted()
    assert scheduled_twice(runs) == []
    assert set(noted.values()) == {1}
    assert {one.id for one in runs if one.status is Status.COMPLETED} <= noted.keys()
    assert ledger.wrong("triage", since) == []


def test_two_servers_share_the_work_and_one_may_die(postgres_site: Site) -> None:
    site, ledger = postgres_site, Ledger(postgres_site)
    triggers = [schedule(None, f"clock-{number}", every="1s") for number in range(4)]
    site.write("all.yaml", site.agent(), autopilot("triage", *triggers, maxConcurrency=10))
    first, second = site.serve(), site.serve()
    since = datetime.now(UTC)

    def both_worked() -> bool:
        return all(server.events("run started") for server in (first, second))

    eventually(both_worked)
    assert all(server.events("round failed") == [] for server in (first, second))
    first.kill()
    died = datetime.now(UTC)
    eventually(lambda: len([r for r in ledger.completed() if r.triggered_at > died]) >= 4)
    eventually(lambda: not [r for r in ledger.open_runs() if r.triggered_at < died])
    runs, noted = ledger.runs(), site.noted()
    assert scheduled_twice(runs) == []
    assert set(noted.values()) == {1}
    assert ledger.wrong("triage", since) == []
    assert {run.reason for run in runs if run.status is Status.FAILED} <= {"lost"}
    assert second.events("round failed") == []
    started = [one["run"] for server in (first, second) for one in server.events("run started")]
    assert len(started) == len(set(started))
