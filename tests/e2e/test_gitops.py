"""A server that follows a real bare repository: push, break, revert, rewrite, as teams do it."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.store.engine.database import Database
from reconciler.store.revisions.revisions import Attempt, list_attempts
from tests.support import patient
from tests.support.eventually import eventually
from tests.support.git import GitFolder
from tests.support.pids import is_gone
from tests.support.process import Serving, Site
from tests.support.rig import agent, autopilot, schedule, webhook

SECRET = "a secret of sixteen or more"
PATH = "teams/autopilots"


@dataclass
class Team:
    """A bare repository, a developer's clone of it, and a server that follows it."""

    site: Site
    origin: GitFolder
    clone: GitFolder

    def write(self, *documents: dict[str, Any]) -> None:
        """Make these the manifests of the clone."""
        text = "".join(f"---\n{json.dumps(document)}\n" for document in documents)
        self.clone.write(f"{PATH}/all.yaml", text)

    def push(self, message: str, *options: str) -> str:
        """Commit and push what is in the clone, and give the commit."""
        commit = self.clone.commit(message)
        self.clone.git("push", "--quiet", *options, "origin", "HEAD:main")
        return commit

    def attempts(self) -> list[Attempt]:
        """What was tried, newest first."""
        with Database.open(self.site.database) as database:
            return database.read(list_attempts)

    def tried(self, commit: str) -> Attempt:
        """The last attempt, once it was this commit."""
        eventually(lambda: self.attempts()[0].revision.id == commit)
        return self.attempts()[0]


@pytest.fixture
def team(here: Site, tmp_path: Path) -> Team:
    """One whose server never polls within a test: only hints bring anything."""
    return founded(here, tmp_path)


def founded(here: Site, tmp_path: Path) -> Team:
    """A team with an empty repository."""
    origin = GitFolder.bare(tmp_path / "origin.git")
    clone = GitFolder.make(tmp_path / "clone")
    clone.git("remote", "add", "origin", str(origin.folder))
    here.follows = ("--git", str(origin.folder), "--ref", "main", "--path", PATH)
    here.settings = {
        **here.settings,
        "RECONCILER_GIT_POLL_INTERVAL": "1h",
        "RECONCILER_RECONCILE_SECRET": SECRET,
    }
    return Team(here, origin, clone)


def signed(server: Serving, body: bytes = b'{"ref": "refs/heads/main"}') -> int:
    """Send what GitHub sends after a push, and give the status of the answer."""
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={mac}", "X-GitHub-Event": "push"}
    return patient.post(f"{server.url}/v1/reconcile", content=body, headers=headers).status_code


def shown(server: Serving) -> dict[str, dict[str, Any]]:
    """Every autopilot by name, as the API shows it, without what runs change."""
    items = patient.get(f"{server.url}/v1/autopilots").json()["items"]
    for item in items:
        item.pop("origin")
        item["status"].pop("updatedAt", None)
    return {item["metadata"]["name"]: item for item in items}


def test_push_break_revert_and_rewrite(team: Team) -> None:
    # No night falls, and no day begins, while this goes on.
    nightly = autopilot("nightly", schedule("0 3 29 2 *"), webhook())
    team.write(agent(), nightly)
    first = team.push("Begin")
    server = team.site.serve()
    before = shown(server)
    url = team.site.cli("webhook", "url", "nightly/hook").stdout
    run = patient.post(f"{server.url}/v1/webhooks/{url.strip().rpartition('/')[2]}", json={}).json()
    assert team.tried(first)

    # A hint brings what was pushed; without one the remote is asked once an hour.
    team.write(agent(), nightly, autopilot("weekly", title="Weekly report"))
    second = team.push("Add weekly")
    assert signed(server) == 202
    eventually(lambda: title_of(server, "weekly") == "Weekly report")
    applied = team.tried(second)
    assert (applied.result, applied.revision.author) == (
        "applied",
        "Ada Lovelace <ada@example.org>",
    )
    assert applied.revision.subject == "Add weekly"

    # A push with a mistake is recorded with its line, and changes nothing.
    team.write(agent(), {**nightly, "spec": {**nightly["spec"], "titel": "x"}})
    broken = team.push("Break it")
    assert signed(server) == 202
    failed = team.tried(broken)
    assert failed.result == "failed"
    (problem,) = failed.problems
    assert (problem.path, problem.line) == ("all.yaml", 4)
    assert shown(server).keys() == {"nightly", "weekly"}

    # A revert of everything since the first commit brings back what it had.
    team.clone.git("revert", "--no-edit", f"{first}..HEAD")
    team.clone.git("push", "--quiet", "origin", "HEAD:main")
    reverted = team.clone.git("rev-parse", "HEAD")
    assert signed(server) == 202
    team.tried(reverted)
    after = shown(server)
    assert after.keys() == {"nightly"}
    assert after["nightly"]["id"] == before["nightly"]["id"]
    assert next_moments(after) == next_moments(before)
    assert team.site.cli("webhook", "url", "nightly/hook").stdout == url
    runs = patient.get(f"{server.url}/v1/autopilots/{after['nightly']['id']}/runs").json()["items"]
    assert [entry["id"] for entry in runs] == [run["runId"]]

    # A rewrite of history is refused, and what is in force stays.
    team.clone.git("reset", "--quiet", "--hard", first)
    team.write(agent(), autopilot("other"))
    rewritten = team.push("Rewrite", "--force")
    assert signed(server) == 202
    refused = team.tried(rewritten)
    assert (refused.result, refused.problems[0].code) == ("refused", "rewrite")
    assert shown(server).keys() == {"nightly"}
    assert server.terminate() == 0


@pytest.mark.postgres
def test_servers_that_share_a_database_apply_each_commit_once(
    postgres_site: Site, tmp_path: Path
) -> None:
    """Each has a mirror of its own, and all are told of every push at once."""
    team = founded(postgres_site, tmp_path)
    team.write(agent(), autopilot("nightly"))
    commits = [team.push("Begin")]
    servers = [team.site.start(RECONCILER_GIT_DIR=f"git-{number}") for number in range(2)]
    for server in servers:
        server.await_ready()
    for number in range(6):
        team.write(agent(), autopilot("nightly", title=f"Edit {number}"))
        commits.append(team.push(f"Edit {number}"))
        assert [signed(server) for server in servers] == [202, 202]
        if number % 2:
            team.tried(commits[-1])
    team.tried(commits[-1])
    assert [server.terminate() for server in servers] == [0, 0]
    attempts = team.attempts()[::-1]
    tried = [attempt.revision.id for attempt in attempts]
    assert {str(attempt.result) for attempt in attempts} == {"applied"}
    assert tried == [commit for commit in commits if commit in tried]
    for server in servers:
        assert server.events("revision refused") == []
        assert server.events("round failed") == []


def title_of(server: Serving, name: str) -> str | None:
    """The title of an autopilot, if there is one."""
    there = shown(server).get(name)
    return there["spec"]["title"] if there else None


def next_moments(autopilots: dict[str, dict[str, Any]]) -> list[object]:
    """The next fire times of the triggers."""
    return [trigger["nextRunAt"] for trigger in autopilots["nightly"]["status"]["triggers"]]


def test_a_server_starts_while_the_remote_is_away_and_what_is_in_force_goes_on(team: Team) -> None:
    team.write(team.site.agent(), autopilot("clock", schedule(None, every="1s")))
    team.push("Begin")
    server = team.site.serve()
    assert server.terminate() == 0
    team.origin.folder.rename(team.origin.folder.with_name("away"))
    server = team.site.serve()
    eventually(lambda: server.events("source not read"))
    newest = newest_run(server)
    eventually(lambda: newest_run(server) != newest)
    assert server.terminate() == 0


def newest_run(server: Serving) -> str | None:
    """The id of the run that began last, if there is one."""
    runs = patient.get(f"{server.url}/v1/runs").json()["items"]
    return runs[0]["id"] if runs else None


def test_a_stop_does_not_wait_for_a_remote_that_never_answers(team: Team, tmp_path: Path) -> None:
    """Nor does it leave anything behind that still waits for it."""
    stuck, pid = tmp_path / "stuck", tmp_path / "pid"
    stuck.write_text(f"#!/bin/sh\necho $$ > {pid}\nexec sleep 600\n")
    stuck.chmod(0o755)
    team.site.follows = ("--git", "ssh://git@localhost/x")
    server = team.site.start(GIT_SSH_COMMAND=str(stuck))
    number = int(eventually(lambda: pid.exists() and pid.read_text()))
    assert server.terminate(within=30) == 0
    eventually(lambda: is_gone(number))


def test_several_sources_stand_and_fall_alone(team: Team) -> None:
    team.write(agent(), autopilot("nightly"))
    team.push("Begin")
    config = team.site.folder / "reconciler.toml"
    config.write_text(
        f'[[sources]]\nid = "repository"\ngit = "{team.origin.folder}"\npath = "{PATH}"\n'
        f'[[sources]]\nid = "folder"\npath = "{team.site.manifests}"\n'
    )
    team.site.write("all.yaml", autopilot("local", titel="Broken"))
    team.site.follows = ("--config", str(config))
    server = team.site.serve()
    assert shown(server).keys() == {"nightly"}
    team.site.write("all.yaml", autopilot("local"))
    eventually(lambda: shown(server).keys() == {"nightly", "local"})
    team.write(agent(), autopilot("nightly", title="Edited"))
    team.push("Edit")
    assert signed(server) == 202
    eventually(lambda: shown(server)["nightly"]["spec"]["title"] == "Edited")
    assert patient.get(f"{server.url}/v1/status").json()["followed"] == ["folder", "repository"]
    assert server.terminate() == 0
