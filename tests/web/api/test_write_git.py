"""Writes into a repository: `commit` is on the followed branch and in force, `branch` waits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.control.apply.followed_ref import FollowedRef
from reconciler.control.apply.forge import Forge
from reconciler.control.apply.reconcile import ApplyRequest, apply_once
from reconciler.control.apply.write_git import GitWriter
from reconciler.core.manifest.checks import OFFLINE
from reconciler.manifest.git.mirror import Mirror
from reconciler.manifest.git.repository import Repository
from reconciler.manifest.load.checkpoint import proceed
from reconciler.store.revisions.revisions import Via, list_attempts
from tests.support.following import write_checks
from tests.support.forge import PROJECT, TOKEN, StandInForge
from tests.support.hub import Hub
from tests.support.rig import Rig, hash_of, id_of
from tests.support.web import Web
from tests.support.yaml_styles import AGENT
from tests.web.conftest import Ask

TRIAGE_YAML = """\
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: triage}
spec:
  title: 'Triage'   # what people see
  assignee: {type: agent, id: bot}
"""
TRIAGE = f"/v1/autopilots/{id_of('triage')}"
DEPLOY = {
    "metadata": {"name": "deploy"},
    "spec": {"title": "Ship it", "assignee": {"type": "agent", "id": "bot"}},
}


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """A repository with manifests in a folder of it, and something else."""
    hub = Hub.make(tmp_path)
    hub.clone.write("autopilots/agents.yaml", AGENT)
    hub.clone.write("autopilots/triage.yaml", TRIAGE_YAML)
    hub.clone.write("README.md", "# Ours\n")
    hub.push("First")
    return hub


@pytest.fixture
def mirror(hub: Hub, tmp_path: Path) -> Mirror:
    """What the server reads of it."""
    return Mirror.below(tmp_path / "mirrors", str(hub.bare))


@pytest.fixture
def policy() -> str:
    """The write policy; tests of `branch` say so."""
    return "commit"


@pytest.fixture
def writer(rig: Rig, mirror: Mirror, policy: str) -> GitWriter:
    """Writes into the repository, whose head is in force."""
    reconcile(rig, mirror)
    return GitWriter(
        mirror=mirror,
        branch="main",
        path="autopilots",
        checks=write_checks(rig),
        now=rig.clock.now,
        proposes=policy == "branch",
        domain="example.org",
    )


@pytest.fixture
def web(rig: Rig, writer: GitWriter) -> Web:
    """A server that follows the repository and writes into it."""
    return Web(rig, more={"writer": lambda _source: writer})


def reconcile(rig: Rig, mirror: Mirror) -> None:
    """A round of the server's loop."""
    source = FollowedRef(rig.database, mirror, "main", "autopilots", "default", OFFLINE)
    loaded = source.load(proceed)
    request = ApplyRequest(actor="server", via=Via.SERVER)
    apply_once(rig.database, loaded.desired, request, token_hash=hash_of)


def retitled(ask: Ask, title: str) -> Any:
    """A write of another title."""
    read = ask("GET", TRIAGE)
    wanted = read.json()
    wanted["spec"]["title"] = title
    return ask("PUT", TRIAGE, json=wanted, headers={"If-Match": read.headers["etag"]})


def test_a_commit_is_one_line_by_the_caller_and_in_force(hub: Hub, rig: Rig, ask: Ask) -> None:
    before = hub.git("rev-parse", "main")
    answer = retitled(ask, "It's nightly")
    assert answer.status_code == 200, answer.text
    assert answer.json()["spec"]["title"] == "It's nightly"
    head = hub.git("rev-parse", "main")
    assert hub.git("rev-parse", "main^") == before
    assert answer.json()["origin"]["revision"] == head
    assert hub.git("diff", "--numstat", before, head) == "1\t1\tautopilots/triage.yaml"
    assert "+  title: 'It''s nightly'   # what people see" in hub.git("show", head)
    who = hub.git("show", "--no-patch", "--format=%an <%ae>, %cn <%ce>, %s", head)
    assert who == (
        "local <local@example.org>, reconciler <reconciler@example.org>, "
        "Change autopilot default/triage"
    )
    (newest, *_) = rig.database.read(list_attempts)
    assert (newest.actor, newest.via, newest.revision.id) == ("local", Via.API, head)


def test_the_server_finds_its_own_commit_applied(rig: Rig, mirror: Mirror, ask: Ask) -> None:
    retitled(ask, "Nightly")
    count = len(rig.database.read(list_attempts))
    reconcile(rig, mirror)
    assert len(rig.database.read(list_attempts)) == count


def test_a_creation_and_a_removal_are_commits(hub: Hub, ask: Ask) -> None:
    created = ask("POST", "/v1/autopilots", json=DEPLOY)
    assert created.status_code == 200, created.text
    assert "autopilots/default/deploy.yaml" in hub.git("ls-tree", "-r", "--name-only", "main")
    path, tag = f"/v1/autopilots/{created.json()['id']}", created.headers["etag"]
    assert ask("DELETE", path, headers={"If-Match": tag}).status_code == 200
    assert hub.git("ls-tree", "-r", "--name-only", "main").split() == [
        "README.md",
        "autopilots/agents.yaml",
        "autopilots/triage.yaml",
    ]
    subjects = hub.git("log", "--format=%s", "main").splitlines()
    assert subjects[:2] == ["Remove autopilot default/deploy", "Add autopilot default/deploy"]


@dataclass(frozen=True, slots=True)
class RacedMirror(Mirror):
    """After each of the first fetches somebody else pushes."""

    race: Callable[[], None] = lambda: None

    def fetch(self, *arguments: Any, **options: Any) -> tuple[Repository, str]:
        """Fetch, and be overtaken."""
        fetched = Mirror.fetch(self, *arguments, **options)
        self.race()
        return fetched


def test_who_is_overtaken_commits_onto_the_new_head(hub: Hub, rig: Rig, writer: GitWriter) -> None:
    others = iter(range(2))

    def push() -> None:
        if (number := next(others, None)) is not None:
            hub.clone.write(
                f"autopilots/other-{number}.yaml", AGENT.replace(b"bot", b"x%d" % number)
            )
            hub.push(f"Other {number}")

    raced = RacedMirror(writer.mirror.url, writer.mirror.folder, push)
    asked = Web(rig, more={"writer": lambda _source: replace(writer, mirror=raced)})
    assert answered(asked, "Nightly").status_code == 200
    subjects = hub.git("log", "--format=%s", "main").splitlines()
    assert subjects == ["Change autopilot default/triage", "Other 1", "Other 0", "First"]
    actors = [attempt.actor for attempt in rig.database.read(list_attempts)]
    assert actors[:2] == ["local", "server"]


def answered(web: Web, title: str) -> httpx.Response:
    """The answer to a write of another title, by a server of its own."""

    async def ask() -> httpx.Response:
        async with web.client() as client:
            read = await client.get(TRIAGE)
            wanted = read.json()
            wanted["spec"]["title"] = title
            headers = {"If-Match": read.headers["etag"]}
            answer = await client.put(TRIAGE, json=wanted, headers=headers)
            await web.close()
            return answer

    return asyncio.run(ask())


def test_a_rule_of_the_remote_is_a_conflict_and_changes_nothing(hub: Hub, ask: Ask) -> None:
    hub.hook("pre-receive", "echo 'main is protected'; exit 1")
    before = hub.git("rev-parse", "main")
    answer = retitled(ask, "Nightly")
    assert (answer.status_code, answer.json()["code"]) == (409, "push-rejected")
    assert "main is protected" in answer.json()["detail"]
    assert hub.git("rev-parse", "main") == before
    assert ask("GET", TRIAGE).json()["spec"]["title"] == "Triage"


def test_a_remote_that_is_away_changes_nothing(hub: Hub, ask: Ask) -> None:
    hub.bare.rename(hub.bare.with_name("away"))
    answer = retitled(ask, "Nightly")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert ask("GET", TRIAGE).json()["spec"]["title"] == "Triage"


def test_no_hook_of_the_mirror_runs(mirror: Mirror, tmp_path: Path, ask: Ask) -> None:
    assert retitled(ask, "One").status_code == 200
    hooks = mirror.folder / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in (
        "pre-push",
        "pre-commit",
        "post-commit",
        "reference-transaction",
        "post-index-change",
    ):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    assert retitled(ask, "Two").status_code == 200
    assert not (tmp_path / "ran").exists()


def test_what_is_invalid_is_not_pushed(hub: Hub, ask: Ask) -> None:
    before = hub.git("rev-parse", "main")
    read = ask("GET", TRIAGE)
    wanted = read.json()
    wanted["spec"]["assignee"]["id"] = "nobody"
    answer = ask("PUT", TRIAGE, json=wanted, headers={"If-Match": read.headers["etag"]})
    assert answer.status_code == 422
    assert hub.git("rev-parse", "main") == before


def test_a_tag_is_not_written_to(hub: Hub, rig: Rig, writer: GitWriter) -> None:
    hub.git("tag", "v1", "main")
    asked = Web(rig, more={"writer": lambda _source: replace(writer, branch="v1")})
    assert answered(asked, "Nightly").status_code == 503
    assert hub.git("for-each-ref", "--format=%(refname)").split() == [
        "refs/heads/main",
        "refs/tags/v1",
    ]


@pytest.mark.parametrize("policy", ["branch"])
def test_a_proposal_comes_with_its_pull_request_or_with_why_there_is_none(
    rig: Rig, writer: GitWriter, hub: Hub
) -> None:
    with StandInForge() as forge:
        opens = replace(writer, forge=Forge(forge.github, PROJECT, TOKEN))
        answer = answered(Web(rig, more={"writer": lambda _source: opens}), "Nightly")
        (body,) = forge.opened
        assert answer.json()["pullRequest"] == f"https://github.com/{PROJECT}/pull/1"
        assert (body["head"], body["base"]) == (answer.json()["branch"], "main")
        assert body["title"] == "Change autopilot default/triage"
        refused = replace(writer, forge=Forge(forge.gitlab, PROJECT, "wrong"))
        answer = answered(Web(rig, more={"writer": lambda _source: refused}), "Weekly")
    assert (answer.status_code, answer.json()["pullRequest"]) == (202, None)
    assert answer.json()["problem"] == "the forge says 401: 401 Unauthorized"
    assert hub.git("rev-parse", answer.json()["branch"]) == answer.json()["commit"]


@pytest.mark.parametrize("policy", ["branch"])
def test_a_proposal_is_a_branch_that_changes_nothing_until_it_is_merged(
    hub: Hub, rig: Rig, mirror: Mirror, ask: Ask
) -> None:
    before = hub.git("rev-parse", "main")
    answer = retitled(ask, "Nightly")
    assert answer.status_code == 202, answer.text
    proposal = answer.json()
    assert proposal["branch"].startswith("reconciler/default/triage-")
    assert hub.git("rev-parse", proposal["branch"]) == proposal["commit"]
    assert hub.git("rev-parse", f"{proposal['commit']}^") == before
    assert hub.git("rev-parse", "main") == before
    assert ask("GET", TRIAGE).json()["spec"]["title"] == "Triage"
    hub.clone.git("pull", "--quiet", "--ff-only", "origin", proposal["branch"])
    hub.clone.git("push", "--quiet", "origin", "main")
    reconcile(rig, mirror)
    assert ask("GET", TRIAGE).json()["spec"]["title"] == "Nightly"
