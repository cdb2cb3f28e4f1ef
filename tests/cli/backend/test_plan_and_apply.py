"""`plan` and `apply`: the same outputs and exit codes with a database and through a server."""

import json

import pytest

from tests.support.cli import BOT, Cli, autopilot
from tests.support.git import GitFolder


def without_note(text: str) -> str:
    """Messages but for the one that a database is not there yet, which a server always has."""
    return "".join(x for x in text.splitlines(True) if not x.startswith("everything is new"))


@pytest.fixture
def two(way: Cli) -> Cli:
    """An agent and an autopilot, not applied."""
    way.write(agent=BOT, one=autopilot("one"))
    return way


def test_a_plan_shows_and_an_apply_does_it(two: Cli) -> None:
    planned = two("plan", "autopilots", "--detailed-exitcode")
    assert (planned.code, without_note(planned.err)) == (2, "")
    assert "+ Autopilot default/one  one.yaml:1\n" in planned.out
    applied = two("apply", "autopilots", "--yes")
    assert (applied.code, applied.out) == (0, planned.out)
    assert applied.err.startswith("applied revision ")
    again = two("plan", "autopilots", "--detailed-exitcode")
    assert (again.code, again.out.splitlines()[0]) == (
        0,
        "No changes. Everything is as the manifests say.",
    )
    assert two("apply", "autopilots", "--yes").err == "nothing to apply\n"


def test_an_apply_asks_where_somebody_is_there_and_else_wants_yes(two: Cli) -> None:
    answer = two("apply", "autopilots")
    assert (answer.code, answer.err) == (
        64,
        "error: nobody is here to be asked; give --yes to apply this plan\n",
    )
    assert two("plan", "autopilots", "-o", "json").json["summary"]["create"] == 2


def test_invalid_manifests_are_3_with_every_problem(two: Cli) -> None:
    two.write(one=autopilot("one", more="  timeout: soon\n  color: red\n"), bad="a: [")
    (two.folder / "autopilots" / "raw.yaml").write_bytes(b"\xff\xfe")
    (two.folder / "autopilots" / "gone.yaml").symlink_to("nowhere.yaml")
    planned = two("plan", "autopilots")
    assert (planned.code, planned.out) == (3, "")
    for code in ("duration-invalid", "field-unknown", "yaml-syntax", "file-encoding", "file-link"):
        assert f"[{code}]" in planned.err
    assert planned.err.startswith("autopilots/bad.yaml:")
    document = two("plan", "autopilots", "-o", "json")
    assert document.code == 3
    assert document.json["problems"][0]["path"] == "bad.yaml"
    applied = two("apply", "autopilots", "--yes")
    assert (applied.code, applied.err) == (3, planned.err)
    assert two("plan", "autopilots", "-o", "markdown").code == 3


def test_removals_are_4_until_they_are_confirmed(two: Cli) -> None:
    two.apply()
    two.remove("one")
    two.write(agent=BOT.replace("bot", "other"))
    planned = two("plan", "autopilots")
    assert "--confirm-deletes 2" in planned.err
    refused = two("apply", "autopilots", "--yes")
    assert (refused.code, refused.err.splitlines()[0]) == (4, "refused:")
    assert "--confirm-deletes 2 [removals]" in refused.err
    assert two("apply", "autopilots", "--yes", "--confirm-deletes", "2").code == 0


def test_another_sources_object_is_4(two: Cli) -> None:
    two.apply()
    answer = two("apply", "autopilots", "--yes", "--source", "other")
    assert (answer.code, "[owned-elsewhere]" in answer.err) == (4, True)


def test_what_cannot_be_a_source_is_4(two: Cli) -> None:
    assert two("plan", "missing").code == 4
    assert two("plan", "autopilots/agent.yaml").code == 4
    (two.folder / "empty").mkdir()
    answer = two("plan", "empty")
    assert (answer.code, "[empty-source]" in answer.err) == (4, True)


def test_a_stream_and_a_single_file_are_sources(two: Cli) -> None:
    stream = f"{BOT}---\n{autopilot('one')}"
    assert two("apply", "-", "--yes", stdin=stream).code == 0
    assert two("plan", "-", stdin=stream).out.startswith("No changes.")
    listed = json.dumps(
        [
            {
                "apiVersion": "autopilots/v1",
                "kind": "Agent",
                "metadata": {"name": f"bot-{i}"},
                "spec": {"runtime": {"type": "worker"}},
            }
            for i in range(12)
        ]
    )
    assert two("apply", "-", "--yes", "--source", "list", stdin=listed).code == 0
    two.write(agent=BOT.replace("bot", "alone"))
    file = ("autopilots/agent.yaml", "--source", "file")
    assert two("apply", *file, "--yes").code == 0
    assert two("plan", *file).out.startswith("No changes.")


class TestSavedPlans:
    """`plan --out` and `apply FILE`."""

    def test_it_is_carried_out_as_it_was_saved(self, two: Cli) -> None:
        planned = two("plan", "autopilots", "--out", "plan.json")
        assert planned.code == 0
        two.remove("one", "agent")
        applied = two("apply", "plan.json", "--yes")
        assert (applied.code, applied.out) == (0, planned.out)
        assert two("apply", "plan.json", "--yes").code == 5

    def test_it_is_stale_once_what_it_touches_has_moved(self, two: Cli) -> None:
        two("plan", "autopilots", "--out", "plan.json")
        two.apply()
        answer = two("apply", "plan.json", "--yes")
        assert answer.code == 5
        assert answer.err.startswith("error: the plan is stale, because what it was made from has")

    def test_a_damaged_one_and_one_of_another_source_are_refused(self, two: Cli) -> None:
        two("plan", "autopilots", "--out", "plan.json")
        assert two("apply", "plan.json", "--yes", "--source", "other").code == 64
        path = two.folder / "plan.json"
        path.write_text(path.read_text().replace("A title", "Another"))
        assert two("apply", "plan.json", "--yes").code == 5


class TestGit:
    """A checkout is known by its commit, and a late one is refused."""

    def test_the_commit_is_the_revision(self, two: Cli) -> None:
        sha = GitFolder.make(two.folder).commit("Add one")
        assert two.apply().err == f"applied revision {sha}\n"
        two.monkeypatch.delenv("RECONCILER_SERVER", raising=False)
        (attempt,) = two("history", "-o", "json").json
        assert (attempt["revision"], attempt["subject"]) == (sha, "Add one")

    def test_an_older_commit_is_4_and_may_be_allowed(self, two: Cli) -> None:
        checkout = GitFolder.make(two.folder)
        first = checkout.commit("first")
        two.write(two=autopilot("two"))
        checkout.commit("second")
        two.apply()
        (two.folder / "autopilots" / "two.yaml").unlink()
        checkout.git("reset", "--soft", first)
        assert "[rewrite]" in two("plan", "autopilots").err
        refused = two("apply", "autopilots", "--yes")
        assert (refused.code, "[rewrite]" in refused.err) == (4, True)
        assert two("apply", "autopilots", "--yes", "--allow-rewrites").code == 0


def test_formats_are_the_same(two: Cli) -> None:
    for form in ("text", "json", "markdown"):
        planned = two("plan", "autopilots", "-o", form)
        local = two("plan", "autopilots", "-o", form, "--database", "sqlite:///none.db")
        assert planned.out == local.out


def test_a_prompt_in_a_file_of_its_own_goes_along(way: Cli) -> None:
    """An edit of it is one update, shown as lines; what is exported means the same."""
    way.write(agent=BOT, one=autopilot("one", more="  descriptionFrom: {file: _prompts/one.md}\n"))
    prompt = way.folder / "autopilots/_prompts/one.md"
    missing = way("plan", "autopilots")
    assert missing.code == 3
    assert "one.yaml:8:27: spec.descriptionFrom.file: _prompts/one.md: " in missing.err
    prompt.parent.mkdir()
    prompt.write_text("Read them.\nLabel them.\n")
    assert way("apply", "autopilots", "--yes").code == 0
    assert way("plan", "autopilots", "--detailed-exitcode").code == 0
    prompt.write_text("Read them.\nClose them.\n")
    changes = way("plan", "autopilots", "-o", "json").json["changes"]
    assert [(c["action"], [f["path"] for f in c["fields"]]) for c in changes] == [
        ("update", ["spec.description"])
    ]
    planned = way("plan", "autopilots").out
    assert "- Label them.\n" in planned
    assert "+ Close them.\n" in planned
    assert way("apply", "autopilots", "--yes").code == 0
    assert way("export", "-d", "exported").code == 0
    assert way("plan", "exported", "--detailed-exitcode").code == 0
