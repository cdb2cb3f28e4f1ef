"""`plan`: shows what apply would change and what it would refuse; writes nothing."""

import json
import stat
from pathlib import Path

import pytest

from tests.support.cli import BOT, Cli, autopilot


@pytest.fixture
def two(cli: Cli) -> Cli:
    """An agent and an autopilot, not applied."""
    cli.write(agent=BOT, one=autopilot("one"))
    return cli


def test_a_missing_database_is_empty_and_not_made(two: Cli) -> None:
    answer = two("plan", "autopilots")
    assert answer.code == 0
    assert answer.err == (
        "everything is new, because there is no database at sqlite:///.reconciler/state.db yet\n"
    )
    assert "\nPlan: 2 to create, 0 to update, 0 to move, 0 to archive.\n" in answer.out
    assert "+ Autopilot default/one  one.yaml:1\n" in answer.out
    assert [path.name for path in two.folder.iterdir()] == ["autopilots"]


def test_a_mistyped_database_is_named_and_not_made(two: Cli) -> None:
    two.apply()
    answer = two("plan", "autopilots", "--database", "sqlite:///elsewhere/state.db")
    assert answer.code == 0
    assert "there is no database at sqlite:///elsewhere/state.db yet" in answer.err
    assert not (two.folder / "elsewhere").exists()
    assert "no database" not in two("plan", "autopilots").err


def test_changes_are_exit_code_2_on_request_only(two: Cli) -> None:
    assert two("plan", "autopilots", "--detailed-exitcode").code == 2
    two.apply()
    answer = two("plan", "autopilots", "--detailed-exitcode")
    assert (answer.code, answer.out.splitlines()[0]) == (
        0,
        "No changes. Everything is as the manifests say.",
    )


def test_json_has_the_documented_fields(two: Cli) -> None:
    plan = two("plan", "autopilots", "-o", "json").json
    assert list(plan) == [
        "formatVersion", "digest", "revision", "summary", "changes", "problems", "drift", "blocked",
        "warnings",
    ]  # fmt: skip
    assert plan["changes"][1]["position"] == {"path": "one.yaml", "line": 1, "column": 1}
    assert plan["changes"][1]["action"] == "create"


class TestInvalid:
    """Exit code 3, with every Problem."""

    def test_text_goes_to_stderr_and_leads_to_the_files(self, two: Cli) -> None:
        two.write(one=autopilot("one", more="  timeout: soon\n"))
        answer = two("plan", "autopilots")
        assert (answer.code, answer.out) == (3, "")
        assert answer.err.startswith("autopilots/one.yaml:8:12: spec.timeout: ")
        assert answer.err.endswith("error: 1 problem found\n")

    def test_json_holds_the_problems_and_the_revision(self, two: Cli) -> None:
        two.write(one=autopilot("one", more="  timeout: soon\n"))
        answer = two("plan", "autopilots", "-o", "json")
        assert answer.code == 3
        assert answer.json["digest"] is None
        assert len(answer.json["revision"]) == 64
        assert [entry["code"] for entry in answer.json["problems"]] == ["duration-invalid"]

    def test_markdown_says_so_too(self, two: Cli) -> None:
        two.write(one=autopilot("one", more="  timeout: soon\n"))
        answer = two("plan", "autopilots", "-o", "markdown")
        assert answer.code == 3
        assert "**1 problem found.** Nothing will be applied." in answer.out

    def test_nothing_is_saved(self, two: Cli) -> None:
        two.write(one=autopilot("one", more="  timeout: soon\n"))
        two("plan", "autopilots", "--out", "plan.json", "-o", "json")
        assert not Path("plan.json").exists()


class TestSource:
    """The given path is the whole source."""

    def test_a_single_file_needs_a_name(self, two: Cli) -> None:
        answer = two("plan", "autopilots/agent.yaml")
        assert answer.code == 4
        assert "[single-file]" in answer.err
        assert two("plan", "autopilots/agent.yaml", "--source", "agents").code == 0

    def test_a_stream_has_its_places(self, cli: Cli) -> None:
        stream = f"{BOT}---\n{autopilot('one')}"
        plan = cli("plan", "-", "-o", "json", stdin=stream).json
        assert [change["position"] for change in plan["changes"]] == [
            {"path": "<stdin>", "line": 1, "column": 1},
            {"path": "<stdin>", "line": 7, "column": 1},
        ]
        answer = cli("plan", "-", stdin=stream.replace("A title", "''"))
        assert answer.code == 3
        assert answer.err.startswith("<stdin>:12:10: spec.title: ")

    @pytest.mark.parametrize("path", ["missing", "empty"])
    def test_a_missing_or_empty_path_is_refused(self, two: Cli, path: str) -> None:
        (two.folder / "empty").mkdir()
        two.apply()
        assert two("plan", path).code == 4
        assert two("apply", path, "--yes").code == 4
        assert two("plan", "autopilots").out.startswith("No changes.")


class TestRefusals:
    """What apply would refuse is shown, and said with the flag that would allow it."""

    @pytest.fixture
    def shrunk(self, cli: Cli) -> Cli:
        names = [f"a{number}" for number in range(6)]
        cli.write(agent=BOT, **{name: autopilot(name) for name in names})
        cli.apply()
        cli.remove(*names[:5])
        return cli

    def test_too_many_removals(self, shrunk: Cli) -> None:
        answer = shrunk("plan", "autopilots")
        assert answer.code == 0
        assert "5 to archive." in answer.out
        assert answer.err.startswith("apply would refuse this plan:\n")
        assert "say --confirm-deletes 5 [removals]" in answer.err

    def test_the_comment_of_a_pull_request_says_so(self, shrunk: Cli) -> None:
        answer = shrunk("plan", "autopilots", "-o", "markdown")
        assert "**`apply` refuses this plan:**" in answer.out
        assert "--confirm-deletes 5 [removals]" in answer.out

    def test_blocked_by_another_source(self, cli: Cli) -> None:
        cli.write(agent=BOT)
        cli.apply("--source", "other")
        answer = cli("plan", "autopilots", "--detailed-exitcode")
        assert answer.code == 2
        assert "! Agent default/bot" in answer.out
        assert "[owned-elsewhere]" in answer.err
        plan = cli("plan", "autopilots", "-o", "json").json
        assert [entry["code"] for entry in plan["blocked"]] == ["owned-elsewhere"]


class TestOut:
    """`--out FILE`."""

    def test_is_private_and_says_what_to_do_with_it(self, two: Cli) -> None:
        answer = two("plan", "autopilots", "--out", "plan.json")
        assert stat.S_IMODE(Path("plan.json").stat().st_mode) == 0o600
        assert json.loads(Path("plan.json").read_text())["formatVersion"] == 1
        assert answer.err.endswith(
            "saved to plan.json; carry it out with: reconciler apply plan.json\n"
        )

    def test_that_cannot_be_written_is_a_usage_error(self, two: Cli) -> None:
        assert two("plan", "autopilots", "--out", "missing/plan.json").code == 64
