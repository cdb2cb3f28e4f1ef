"""`apply`: the plan first, then all of it or nothing, and a note of what was tried."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cli import BOT, Cli, autopilot
from tests.support.git import GitFolder


@pytest.fixture
def two(cli: Cli) -> Cli:
    """An agent and an autopilot, not applied."""
    cli.write(agent=BOT, one=autopilot("one"))
    return cli


def tried(cli: Cli) -> list[tuple[str, str]]:
    """Results and revisions of what was tried, newest first."""
    return [(item_["result"], item_["revision"]) for item_ in cli("history", "-o", "json").json]


class TestApply:
    """From manifests."""

    def test_shows_the_plan_applies_it_and_has_nothing_left_to_do(self, two: Cli) -> None:
        answer = two("apply", "autopilots", "--yes")
        assert answer.code == 0
        assert "Plan: 2 to create" in answer.out
        assert answer.err.startswith("applied revision ")
        again = two("apply", "autopilots", "--yes")
        assert again.out.startswith("No changes.")
        assert (again.code, again.err) == (0, "nothing to apply\n")

    def test_json_is_the_plan_that_was_applied(self, two: Cli) -> None:
        planned = two("plan", "autopilots", "-o", "json").json
        assert two("apply", "autopilots", "--yes", "-o", "json").json == planned

    def test_nobody_is_asked_without_a_terminal(self, two: Cli) -> None:
        answer = two("apply", "autopilots")
        assert answer.code == 64
        assert "give --yes" in answer.err
        assert not two.database.exists()

    def test_a_stream(self, cli: Cli) -> None:
        stream = f"{BOT}---\n{autopilot('one')}"
        assert cli("apply", "-", "--yes", stdin=stream).code == 0
        assert cli("plan", "-", stdin=stream).out.startswith("No changes.")

    @pytest.mark.parametrize("path", ["missing", "autopilots/agent.yaml"])
    def test_what_cannot_be_a_source_leaves_nothing_behind(self, two: Cli, path: str) -> None:
        assert two("apply", path, "--yes").code == 4
        assert [item_.name for item_ in two.folder.iterdir()] == ["autopilots"]


class TestInvalid:
    """Any Problem refuses the whole revision, and is recorded."""

    def test_the_last_one_stays_and_the_failed_one_is_known_by_its_content(self, two: Cli) -> None:
        two.apply()
        two.write(new=autopilot("new"), one=autopilot("one", more="  timeout: soon\n"))
        planned = two("plan", "autopilots", "-o", "json").json
        answer = two("apply", "autopilots", "--yes")
        assert (answer.code, answer.out) == (3, "")
        assert answer.err.startswith("autopilots/one.yaml:8:12: spec.timeout: ")
        (failed, applied) = tried(two)
        assert failed == ("failed", planned["revision"])
        assert applied[0] == "applied"
        assert len({failed[1], applied[1]}) == 2
        (problem,) = two("history", "-o", "json").json[0]["problems"]
        assert (problem["path"], problem["code"]) == ("one.yaml", "duration-invalid")
        assert "new" not in two("export").out

    def test_a_first_one_is_recorded_too(self, two: Cli) -> None:
        two.write(one=autopilot("one", more="  timeout: soon\n"))
        two("apply", "autopilots", "--yes")
        assert [result for result, _ in tried(two)] == ["failed"]


class TestRefused:
    """Exit code 4, with every objection and the flag that would allow it."""

    @pytest.fixture
    def shrunk(self, cli: Cli) -> Cli:
        remaining = autopilot("kept", more="  deletionPolicy: protect\n")
        names = [f"a{number}" for number in range(5)]
        cli.write(agent=BOT, kept=remaining, **{name: autopilot(name) for name in names})
        cli.apply()
        cli.remove(*names, "kept")
        return cli

    def test_all_of_them_at_once(self, shrunk: Cli) -> None:
        answer = shrunk("apply", "autopilots", "--yes")
        assert answer.code == 4
        refused = answer.err.splitlines()
        assert refused[0] == "refused:"
        assert "--confirm-deletes 6 [removals]" in refused[1]
        assert "[protected]" in refused[2]
        assert len(refused) == 3
        assert [result for result, _ in tried(shrunk)] == ["refused", "applied"]
        assert "a0" in shrunk("export").out

    def test_only_the_exact_number_confirms(self, shrunk: Cli) -> None:
        shrunk.write(kept=autopilot("kept", more="  deletionPolicy: protect\n"))
        assert shrunk("apply", "autopilots", "--yes", "--confirm-deletes", "4").code == 4
        assert shrunk("apply", "autopilots", "--yes", "--confirm-deletes", "5").code == 0

    def test_another_source_owns_it(self, two: Cli) -> None:
        two.apply("--source", "other")
        answer = two("apply", "autopilots", "--yes")
        assert answer.code == 4
        assert answer.err.count("[owned-elsewhere]") == 2


class TestSavedPlan:
    """`plan --out FILE`, then `apply FILE`."""

    @pytest.fixture
    def saved(self, two: Cli) -> Cli:
        two("plan", "autopilots", "--out", "plan.json")
        return two

    def test_is_carried_out_without_the_manifests(self, saved: Cli) -> None:
        saved.remove("agent", "one")
        answer = saved("apply", "plan.json", "--yes")
        assert (answer.code, answer.out.count("\n+ ")) == (0, 1)
        assert saved("apply", "plan.json", "--yes").code == 5
        saved.write(agent=BOT, one=autopilot("one"))
        assert saved("plan", "autopilots").out.startswith("No changes.")

    def test_is_stale_once_something_moved_and_that_is_recorded(self, saved: Cli) -> None:
        saved.write(one=autopilot("one", title="Another"))
        saved.apply()
        answer = saved("apply", "plan.json", "--yes")
        assert (answer.code, answer.out) == (5, "")
        assert "Autopilot default/one" in answer.err
        assert [result for result, _ in tried(saved)] == ["refused", "applied"]

    def test_is_for_its_own_source(self, saved: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        saved("plan", "autopilots", "--source", "theirs", "--out", "theirs.json")
        answer = saved("apply", "theirs.json", "--yes", "--source", "mine")
        assert answer.code == 64
        assert "--source theirs" in answer.err
        monkeypatch.setenv("RECONCILER_SOURCE", "mine")
        assert saved("apply", "theirs.json", "--yes").code == 64
        monkeypatch.delenv("RECONCILER_SOURCE")
        assert saved("apply", "theirs.json", "--yes").code == 0

    def test_may_not_reach_what_the_operator_does_not_allow(self, cli: Cli) -> None:
        cli.write(far=TestSavedPlan.FAR)
        Path("wide.toml").write_text('allowed_runtime_urls = ["https://far.example"]\n')
        assert cli("plan", "autopilots", "--out", "p", "--config", "wide.toml").code == 0
        answer = cli("apply", "p", "--yes")
        assert answer.code == 3
        assert "far.yaml:1:1" in answer.err
        assert not cli.database.exists()

    FAR = (
        "apiVersion: autopilots/v1\nkind: Agent\nmetadata: {name: far}\n"
        "spec: {runtime: {type: http, url: 'https://far.example'}}\n"
    )

    def test_may_not_refer_to_what_is_gone(self, cli: Cli) -> None:
        cli.write(agent=BOT)
        cli.apply("--source", "agents")
        cli.remove("agent")
        cli.write(one=autopilot("one"))
        assert cli("plan", "autopilots", "--out", "p").code == 0
        with closing(sqlite3.connect(cli.database)) as rows:
            rows.execute("UPDATE agent SET archived_at = '2026-01-01 00:00:00'")
            rows.commit()
        answer = cli("apply", "p", "--yes")
        assert answer.code == 3
        assert "[assignee-unknown]" in answer.err
        assert tried(cli)[0][0] == "failed"

    def test_that_is_damaged_is_refused(self, saved: Cli) -> None:
        text = Path("plan.json").read_text()
        Path("plan.json").write_text(text.replace("A title", "B title"))
        assert saved("apply", "plan.json", "--yes").code == 5


class TestCommits:
    """From a git checkout the revision is the commit."""

    @pytest.fixture
    def repository(self, cli: Cli) -> GitFolder:
        made = GitFolder.make(cli.folder)
        made.write(".gitignore", ".reconciler/\n")
        cli.write(agent=BOT, one=autopilot("one"))
        made.commit("First")
        return made

    def test_author_and_subject_are_known(self, cli: Cli, repository: GitFolder) -> None:
        cli.apply()
        (entry,) = cli("history", "-o", "json").json
        assert entry["revision"] == repository.git("rev-parse", "HEAD")
        assert (entry["author"], entry["subject"]) == ("Ada Lovelace <ada@example.org>", "First")
        assert entry["committedAt"] == "2026-01-02T02:04:05Z"

    @pytest.mark.parametrize(
        "edit",
        [
            pytest.param({"one": autopilot("one", title="Edited")}, id="a file was edited"),
            pytest.param({"new": autopilot("new")}, id="a file is untracked"),
            pytest.param({"ignored": autopilot("ignored")}, id="a file is ignored by git"),
        ],
    )
    def test_a_folder_that_is_not_as_committed_is_its_own_revision(
        self, cli: Cli, repository: GitFolder, edit: dict[str, str]
    ) -> None:
        repository.write(".git/info/exclude", "ignored.yaml\n")
        cli.write(**edit)
        assert len(cli("plan", "autopilots", "-o", "json").json["revision"]) == 64

    def test_what_is_no_manifest_does_not_count(self, cli: Cli, repository: GitFolder) -> None:
        (cli.folder / "autopilots" / "notes.txt").write_text("no manifest")
        revision = cli("plan", "autopilots", "-o", "json").json["revision"]
        assert revision == repository.git("rev-parse", "HEAD")

    def test_a_late_job_does_not_undo_a_newer_one(self, cli: Cli, repository: GitFolder) -> None:
        cli.write(one=autopilot("one", title="Newer"))
        newer = repository.commit("Second")
        cli.apply()
        repository.git("checkout", "--quiet", "HEAD~1")
        cli("plan", "autopilots", "--out", "late.plan")
        for late in ("autopilots", "late.plan"):
            answer = cli("apply", late, "--yes")
            assert answer.code == 4
            assert "--allow-rewrites [rewrite]" in answer.err
        assert "title: Newer" in cli("export").out
        cli.apply("--allow-rewrites")
        assert tried(cli)[-1] == ("applied", newer)
        assert "title: A title" in cli("export").out


@pytest.fixture
def held(two: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """Another process writes to the database and does not come to an end."""
    two.apply()
    two.write(one=autopilot("one", title="Another"))
    monkeypatch.setattr("reconciler.store.engine.sqlite.PATIENCE", 0.2)
    with closing(sqlite3.connect(two.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield two


def test_a_database_that_others_hold_is_exit_code_6(held: Cli) -> None:
    assert held("plan", "autopilots").code == 0
    answer = held("apply", "autopilots", "--yes")
    assert answer.code == 6
    assert answer.err.startswith("error: ")
