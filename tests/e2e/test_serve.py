"""A running server: schedules, webhooks and hands reach an agent, and edits are followed."""

import os
import pty
from datetime import UTC, datetime

from reconciler.core.runs.run import Source
from reconciler.store.engine.database import Database
from reconciler.store.revisions.revisions import list_attempts
from tests.e2e.ledger import Ledger, scheduled_twice
from tests.support import patient
from tests.support.eventually import eventually
from tests.support.process import Serving, Site
from tests.support.rig import autopilot, webhook

Running = tuple[Site, Serving]


def test_a_schedule_fires_and_its_agent_answers(running: Running) -> None:
    site, _ = running
    run = eventually(lambda: Ledger(site).completed("clock"))[0]
    assert (run.source, run.trigger, run.agent) == (Source.SCHEDULE, "clock", "bot")
    assert run.result == "worked on clock\n"
    assert run.scheduled_for is not None
    assert run.scheduled_for.microsecond == 0
    assert run.session_id is not None
    assert site.noted()[run.id] == 1


def test_the_webhook_that_the_banner_names_works(running: Running) -> None:
    site, server = running
    answer = patient.post(server.webhook_url, json={"text": "hello"})
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    (run,) = eventually(lambda: Ledger(site).completed("hooks", Source.WEBHOOK))
    assert (run.id, run.payload) == (answer.json()["runId"], {"text": "hello"})
    assert answer.headers["location"] == f"/v1/runs/{run.id}"
    shown = patient.get(f"{server.url}{answer.headers['location']}").json()
    assert (shown["status"], shown["result"]) == ("completed", "worked on hooks\n")


def test_tokens_are_not_in_the_log(running: Running) -> None:
    _, server = running
    patient.post(server.webhook_url, content=b"{", headers={"Content-Type": "application/json"})
    assert "whk_" in server.webhook_url
    assert "whk_" not in server.text


def test_a_run_by_hand_beside_a_server(running: Running) -> None:
    site, _ = running
    done = site.cli("run", "hand", "--wait", "--payload", '{"n": 1}', "-o", "json")
    assert done.returncode == 0, done.stderr
    (run,) = Ledger(site).completed("hand", Source.MANUAL)
    assert (run.payload, run.result) == ({"n": 1}, "worked on hand\n")
    assert f'"id": "{run.id}"' in done.stdout


def test_an_edit_is_applied_when_the_file_changes(running: Running) -> None:
    """This server reads its folder once an hour only; how long it takes is what `bench` says."""
    site, server = running
    for number in range(2):
        site.write("edited.yaml", autopilot("edited", title=f"Edit {number}"))
        eventually(lambda n=number: title_of(server, "edited") == f"Edit {n}")  # type: ignore[misc]


def test_a_broken_edit_changes_nothing_and_is_said(running: Running) -> None:
    site, server = running
    in_force = title_of(server, "edited")
    site.write("edited.yaml", autopilot("edited", titel="Broken"))
    problem = eventually(lambda: server.events("problem in a manifest"))[0]
    assert "did you mean 'title'?" in problem["problem"]
    assert eventually(lambda: attempts(site)[0] == "failed")
    assert title_of(server, "edited") == in_force
    broken_at, ledger = datetime.now(UTC), Ledger(site)
    eventually(lambda: [run for run in ledger.completed("clock") if run.triggered_at > broken_at])
    site.write("edited.yaml", autopilot("edited", title="Mended"))
    eventually(lambda: title_of(server, "edited") == "Mended")
    assert attempts(site)[0] == "applied"


def test_the_books_of_a_quiet_server_are_right(running: Running) -> None:
    site, server = running
    since, ledger = datetime.now(UTC), Ledger(site)
    eventually(lambda: len(ledger.completed("books")) >= 4)
    assert ledger.wrong("books", since) == []
    assert scheduled_twice(ledger.runs("books")) == []
    assert server.events("round failed") == []


def title_of(server: Serving, name: str) -> str:
    """The title of an autopilot, as the API shows it."""
    items = patient.get(f"{server.url}/v1/autopilots", params={"name": name}).json()["items"]
    title: str = items[0]["spec"]["title"]
    return title


def attempts(site: Site) -> list[str]:
    """What became of each revision, newest first."""
    with Database.open(site.database) as database:
        return [str(one.result) for one in database.read(list_attempts)]


def test_a_working_url_is_shown_to_a_terminal_only(sqlite_site: Site) -> None:
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("hooks", webhook()))
    ours, theirs = pty.openpty()
    server = sqlite_site.start(terminal=theirs)
    shown = b""
    while b"/v1/webhooks/whk_" not in shown:
        shown += os.read(ours, 4096)
    server.terminate()
    os.close(ours)
    os.close(theirs)
