"""A followed repository: commits are applied whole, in their order, by however many servers."""

import asyncio
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from reconciler.control.apply.follow_source import Place, SourceFollower
from reconciler.control.apply.followed_ref import FollowedRef
from reconciler.control.apply.reconcile import Applied, ApplyRequest, apply_once
from reconciler.control.apply.sources import LoadedSource, load_source
from reconciler.core.base.errors import StalePlan
from reconciler.core.manifest.checks import Policy
from reconciler.manifest.git.mirror import Mirror
from reconciler.manifest.load.checkpoint import Checkpoint
from reconciler.store.revisions.revisions import Attempt, Via, list_attempts
from tests.support.applying import current_of
from tests.support.git import GitFolder
from tests.support.rig import Document, Rig, agent, autopilot, hash_of, id_of
from tests.support.web import Web


@dataclass
class Team:
    """A repository with a folder of manifests, and servers that follow it."""

    rig: Rig
    origin: GitFolder
    folder: Path

    def write(self, *documents: Document) -> None:
        """Make these the whole source."""
        text = "".join(f"---\n{json.dumps(entry)}\n" for entry in documents)
        self.origin.write("autopilots/all.yaml", text)

    def commit(self, *documents: Document) -> str:
        """Commit these as the whole source, and give the commit."""
        self.write(*documents)
        return self.origin.commit()

    def server(self, name: str = "one", port: int = 8484, **options: bool) -> "Server":
        """A server with a mirror of its own."""
        mirror = Mirror.below(self.folder / name, str(self.origin.folder))
        return Server(self, mirror, options, Policy(own_port=port))

    def attempts(self) -> list[Attempt]:
        """What was tried, oldest first."""
        return self.rig.database.read(list_attempts)[::-1]

    def tried(self) -> list[tuple[str, str]]:
        """Commits and what became of them, oldest first."""
        return [(attempt.revision.id, str(attempt.result)) for attempt in self.attempts()]

    def names(self) -> set[str]:
        """The live objects."""
        return {row.key.name for row in current_of(self.rig.database).objects.values()}


@dataclass
class Server:
    """One server's follower. `after_load` is called once, between its fetch and its apply."""

    team: Team
    mirror: Mirror
    options: dict[str, bool]
    policy: Policy
    source: FollowedRef = field(init=False)
    follower: SourceFollower = field(init=False)
    after_load: object = None

    def __post_init__(self) -> None:
        database = self.team.rig.database
        self.source = FollowedRef(
            database, self.mirror, "main", "autopilots", "default", self.policy
        )
        self.follower = SourceFollower(
            database,
            "default",
            self._load,
            hash_of,
            place=Place("autopilots", self.mirror.url, "main"),
            stamp=self.source.stamp,
            monotonic=self.team.rig.clock.monotonic,
            now=self.team.rig.clock.now,
            **self.options,  # type: ignore[arg-type]
        )

    def _load(self, checkpoint: Checkpoint) -> LoadedSource:
        loaded = self.source.load(checkpoint)
        act, self.after_load = self.after_load, None
        if callable(act):
            act()
        return loaded

    def once(self) -> Applied | None:
        """A round."""
        return self.follower.reconcile_once()


@pytest.fixture
def team(rig: Rig, tmp_path: Path) -> Team:
    """A repository that has no commit yet."""
    return Team(rig, GitFolder.make(tmp_path / "origin"), tmp_path / "git")


def test_a_commit_is_applied_once_and_known_by_author_and_subject(team: Team) -> None:
    commit = team.commit(agent(), autopilot())
    server = team.server()
    for _ in range(3):
        assert server.once() is not None
    (attempt,) = team.attempts()
    assert (attempt.revision.id, attempt.revision.author) == (
        commit,
        "Ada Lovelace <ada@example.org>",
    )
    assert (attempt.revision.subject, attempt.via) == ("A change", "server")
    assert server.follower.polled is not None
    assert server.follower.polled.problem is None


def test_a_commit_with_problems_is_recorded_once_and_the_last_good_one_stays(team: Team) -> None:
    good = team.commit(agent(), autopilot())
    server = team.server()
    server.once()
    broken = team.commit(agent(), autopilot(titel="x"))
    for _ in range(3):
        assert server.once() is None
    assert team.tried() == [(good, "applied"), (broken, "failed")]
    (problem,) = team.attempts()[1].problems
    assert (problem.path, problem.line, problem.code) == ("all.yaml", 4, "field-unknown")
    assert "triage" in team.names()


@pytest.mark.parametrize("emptied", [True, False], ids=["no manifests", "no folder"])
def test_a_commit_without_manifests_is_recorded_and_removes_nothing(
    team: Team, *, emptied: bool
) -> None:
    team.commit(agent(), autopilot())
    server = team.server()
    server.once()
    team.origin.git("rm", "--quiet", "autopilots/all.yaml")
    if emptied:
        team.origin.write("autopilots/README.md", "nothing here")
    commit = team.origin.commit("Remove all of it")
    for _ in range(2):
        assert server.once() is None
    assert team.tried()[1:] == [(commit, "refused")]
    code = "empty-source" if emptied else "source-missing"
    assert [problem.code for problem in team.attempts()[1].problems] == [code]
    assert "triage" in team.names()


def test_a_rewrite_of_history_is_refused_unless_it_is_allowed(team: Team) -> None:
    first = team.commit(agent())
    server = team.server()
    server.once()
    second = team.commit(agent(), autopilot())
    server.once()
    team.origin.git("reset", "--quiet", "--hard", first)
    third = team.commit(agent(), autopilot("other"))
    for _ in range(2):
        assert server.once() is None
    assert team.tried() == [(first, "applied"), (second, "applied"), (third, "refused")]
    assert [problem.code for problem in team.attempts()[2].problems] == ["rewrite"]
    assert team.names() == {"bot", "triage"}
    assert team.server(allow_rewrites=True).once() is not None
    assert team.names() == {"bot", "other"}


def test_a_ref_that_goes_back_is_a_rewrite_too(team: Team) -> None:
    first = team.commit(agent())
    server = team.server()
    server.once()
    team.commit(agent(), autopilot())
    server.once()
    team.origin.git("reset", "--quiet", "--hard", first)
    assert server.once() is None
    assert team.tried()[2] == (first, "refused")


def test_a_revert_brings_everything_back(team: Team) -> None:
    team.commit(agent(), autopilot())
    server = team.server()
    server.once()
    team.commit(agent())
    team.origin.git("revert", "--no-edit", "HEAD")
    server.once()
    assert team.names() == {"bot", "triage"}


def test_servers_that_share_a_database_apply_each_commit_once(team: Team) -> None:
    one, two = team.server("one"), team.server("two")
    commits = []
    for number in range(4):
        commits.append(team.commit(agent(), autopilot(title=f"Edit {number}")))
        assert (two if number % 2 else one).once() is not None
        assert (one if number % 2 else two).once() is not None
    assert team.tried() == [(commit, "applied") for commit in commits]


def test_a_server_that_fetched_just_before_a_push_does_not_undo_it(team: Team) -> None:
    """The other one fetches the newer commit, and applies it between our fetch and our apply."""
    one, two = team.server("one"), team.server("two")
    first = team.commit(agent(), autopilot())
    one.once()
    second = team.commit(agent(), autopilot(title="Second"))
    pushed: list[str] = []

    def push_and_apply() -> None:
        pushed.append(team.commit(agent(), autopilot(title="Third")))
        assert two.once() is not None

    one.after_load = push_and_apply
    assert one.once() is not None
    assert second not in [commit for commit, _ in team.tried()]
    assert team.tried() == [(first, "applied"), (pushed[0], "applied")]
    assert one.follower.attempted.error is None


def test_servers_whose_settings_differ_apply_each_commit_once(team: Team) -> None:
    """What is read under other settings is read again, and is no other revision."""
    one, two = team.server("one", port=1), team.server("two", port=2)
    commits = []
    for number in range(3):
        commits.append(team.commit(agent(), autopilot(title=f"Edit {number}")))
        for server in (one, two, one, two):
            assert server.once() is not None
    assert team.tried() == [(commit, "applied") for commit in commits]


def test_servers_that_fetch_the_same_commit_at_once_apply_it_once(team: Team) -> None:
    """The other one applies it between our fetch and our apply."""
    one, two = team.server("one"), team.server("two")
    commits = []
    for number in range(3):
        commits.append(team.commit(agent(), autopilot(title=f"Edit {number}")))
        one.after_load = two.once
        assert one.once() is not None
    assert team.tried() == [(commit, "applied") for commit in commits]


def test_two_servers_and_a_ci_job_that_apply_at_once_lose_no_revision(team: Team) -> None:
    """Whoever comes first applies the commit; for the others there is nothing left to do."""
    one, two = team.server("one"), team.server("two")

    def apply_in_ci() -> None:
        path = team.origin.folder / "autopilots"
        database = team.rig.database
        loaded = load_source(database, path, source_id="default", policy=Policy())
        with suppress(StalePlan):  # somebody applied between its plan and its apply: it says so
            apply_once(
                database, loaded.desired, ApplyRequest(actor="ci", via=Via.CLI, expected=None),
                token_hash=hash_of, seen=loaded.seen,
            )  # fmt: skip

    commits = []
    with ThreadPoolExecutor(3) as pool:
        for number in range(4):
            commits.append(team.commit(agent(), autopilot(title=f"Edit {number}")))
            everybody: tuple[Callable[[], object], ...] = (one.once, two.once, apply_in_ci)
            for applying in [pool.submit(apply) for apply in everybody]:
                applying.result(60)
            one.once()
    assert team.tried() == [(commit, "applied") for commit in commits]
    assert titles(team.rig) == {"Edit 3"}


def titles(rig: Rig) -> set[str]:
    """The titles of the live autopilots."""
    rows = current_of(rig.database).objects.values()
    return {row.document["spec"]["title"] for row in rows if row.key.kind == "Autopilot"}


def test_removals_count_for_each_commit_alone(team: Team) -> None:
    names = [f"a{number}" for number in range(9)]
    team.commit(agent(), *map(autopilot, names))
    server = team.server()
    server.once()
    team.commit(agent(), *map(autopilot, names[:3]))
    assert server.once() is None
    for left in (6, 3):
        team.commit(agent(), *map(autopilot, names[:left]))
        assert server.once() is not None
    assert len(team.names()) == 4


def test_a_remote_that_is_away_is_asked_less_and_less_often(team: Team) -> None:
    team.commit(agent())
    server = team.server()
    server.once()
    away = team.origin.folder.rename(team.folder.with_name("away"))
    waits = []
    for _ in range(9):
        assert server.once() is None
        waits.append(server.follower.retry_after)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert server.follower.polled is not None
    assert "does not appear to be a git repository" in (server.follower.polled.problem or "")
    assert len(team.attempts()) == 1
    away.rename(team.origin.folder)
    assert server.once() is not None
    assert (server.follower.retry_after, server.follower.polled.problem) == (None, None)


def test_a_server_that_stops_gives_up_what_it_loads(team: Team) -> None:
    team.commit(agent(), autopilot())
    server = team.server()
    server.follower.stop()
    assert server.once() is None
    assert (team.attempts(), team.names()) == ([], set())


def test_a_mirror_that_lost_what_it_had_is_made_anew(team: Team) -> None:
    commit = team.commit(agent(), autopilot())
    server = team.server()
    server.once()
    for file in (server.mirror.folder / "objects").rglob("*"):
        if file.is_file():
            file.unlink()
    server.once()
    team.commit(agent(), autopilot(title="Next"))
    assert server.once() is not None
    assert team.tried()[0] == (commit, "applied")
    assert len(team.tried()) == 2


def test_a_push_reads_only_what_it_changed(team: Team) -> None:
    """What else there is need not even be there any more."""
    prompt = autopilot("b", descriptionFrom={"file": "b.md"})
    prompt["spec"].pop("description", None)
    team.origin.write("autopilots/b.yaml", json.dumps(prompt))
    team.origin.write("autopilots/b.md", "Do this.")
    team.commit(agent(), autopilot("a"))
    server = team.server()
    assert server.once() is not None
    for path in ("autopilots/b.yaml", "autopilots/b.md"):
        blob = team.origin.git("rev-parse", f"HEAD:{path}")
        (server.mirror.folder / "objects" / blob[:2] / blob[2:]).unlink()
    pushed = team.commit(agent(), autopilot("a", title="Edited"))
    assert server.once() is not None
    assert team.tried()[-1] == (pushed, "applied")
    assert "Edited" in titles(team.rig)
    team.origin.write("autopilots/b.md", "Do that.")
    assert team.commit(agent(), autopilot("a")) != pushed
    assert server.once() is None, "now both of them are read, and one is gone"
    assert server.once() is not None, "fetched anew"
    (described,) = (
        row.document["spec"]["description"]
        for row in current_of(team.rig.database).objects.values()
        if row.key.name == "b"
    )
    assert described == "Do that."


def test_a_poll_that_brings_nothing_new_reads_no_tree(team: Team) -> None:
    team.commit(agent(), autopilot())
    server = team.server()
    for _ in range(3):
        server.once()
    reads, polled = server.follower.reads, server.follower.polled
    team.rig.clock.advance(seconds=60)
    settled = server.once()
    assert settled is not None
    assert (settled.attempt, server.follower.reads) == (None, reads)
    assert server.follower.polled is not None
    assert server.follower.polled != polled
    edit = text("UPDATE autopilot SET title = 'By hand'")
    team.rig.database.write(lambda tx: tx.execute(edit) and None)
    healed = server.once()
    assert healed is not None
    assert healed.attempt is not None, "drift is put back all the same"
    away = team.origin.folder.rename(team.folder.with_name("away"))
    assert (server.once(), server.follower.retry_after) == (None, 5)
    away.rename(team.origin.folder)
    assert server.once() is not None


def test_an_edit_of_a_followed_commit_is_a_patch_of_its_file(team: Team, tmp_path: Path) -> None:
    """`suggestedPatch` of a server that follows a repository, as `git apply` takes it."""
    team.commit(agent(), autopilot("triage"))
    server = team.server()
    server.once()
    web = Web(team.rig, more={"files": lambda _source: server.follower.files})

    async def put() -> httpx.Response:
        async with web.client() as client:
            path = f"/v1/autopilots/{id_of('triage')}"
            wanted = (await client.get(path)).json()
            wanted["spec"]["title"] = "Better"
            return await client.put(path, json=wanted)

    answer = asyncio.run(put())
    assert (answer.status_code, answer.json()["code"]) == (409, "yaml-is-the-source")
    (tmp_path / "edit.patch").write_text(answer.json()["suggestedPatch"])
    team.origin.git("apply", str(tmp_path / "edit.patch"))
    assert '"title": "Better"' in (team.origin.folder / "autopilots/all.yaml").read_text()


def test_without_the_commit_there_is_no_patch(team: Team) -> None:
    team.commit(agent())
    server = team.server()
    server.once()
    files = server.follower.files
    assert files is not None
    assert files.read("all.yaml")
    shutil.rmtree(team.folder / "one")
    assert files.read("all.yaml") is None


def test_many_may_read_a_commit_at_once(team: Team) -> None:
    names = [f"bot-{number}" for number in range(20)]
    for name in names:
        team.origin.write(f"autopilots/{name}.yaml", json.dumps(agent(name)))
    team.commit(agent())
    server = team.server()
    server.once()
    files = server.follower.files
    assert files is not None

    def read(name: str) -> str:
        content = json.loads(files.read(f"{name}.yaml") or b"")
        return str(content["metadata"]["name"])

    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(read, names * 3)] == names * 3
