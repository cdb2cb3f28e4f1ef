"""`diff`: what changes in meaning between two revisions, without a database."""

import pytest

from tests.support.cli import BOT, Cli, autopilot
from tests.support.git import GitFolder


@pytest.fixture
def repository(cli: Cli) -> GitFolder:
    """A repository with two commits: an agent and an autopilot; then another title."""
    made = GitFolder.make(cli.folder)
    cli.write(agent=BOT, one=autopilot("one"))
    made.commit("First")
    cli.write(one=autopilot("one", title="Another"))
    made.commit("Second")
    return made


def test_shows_what_changes_and_makes_nothing(cli: Cli, repository: GitFolder) -> None:
    answer = cli("diff", "--base", "HEAD~1", "autopilots")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (
        "~ Autopilot default/one  one.yaml:1\n"
        '    ~ spec.title: "A title" -> "Another"\n'
        "\n"
        "Plan: 0 to create, 1 to update, 0 to move, 0 to archive.\n"
    )
    assert not cli.database.exists()
    assert cli("diff", "--base", "HEAD~1", "autopilots", "--detailed-exitcode").code == 2
    assert cli("diff", "--base", "HEAD", "autopilots", "--detailed-exitcode").code == 0


def test_json_and_markdown(cli: Cli, repository: GitFolder) -> None:
    plan = cli("diff", "--base", "HEAD~1", "-o", "json").json
    assert plan["revision"] == repository.git("rev-parse", "HEAD")
    assert plan["changes"][0]["position"]["path"] == "autopilots/one.yaml"
    comment = cli("diff", "--base", "HEAD~1", "-o", "markdown", "--source", "team").out
    assert comment.startswith("<!-- reconciler-plan:team -->\n")


def test_formatting_comments_and_defaults_are_no_change(cli: Cli, repository: GitFolder) -> None:
    same = "# A comment\n" + autopilot("one", title='"Another"', more="  status: active\n")
    cli.write(one=same)
    repository.commit("Commented")
    answer = cli("diff", "--base", "HEAD~1", "--head", "HEAD", "autopilots")
    assert answer.out == "No changes. Everything is as the manifests say.\n"


def test_a_rename_with_former_names_is_a_move(cli: Cli, repository: GitFolder) -> None:
    renamed = autopilot("uno", title="Another", metadata="  formerNames: [one]\n")
    cli.write(one=renamed)
    repository.commit("Renamed")
    (change,) = cli("diff", "--base", "HEAD~1", "-o", "json").json["changes"]
    assert (change["action"], change["name"]) == ("move", "uno")


def test_a_folder_that_came_is_all_new_and_one_that_went_is_all_gone(
    cli: Cli, repository: GitFolder
) -> None:
    repository.git("mv", "autopilots", "elsewhere")
    repository.commit("Moved away")
    came = cli("diff", "--base", "HEAD~1", "elsewhere", "-o", "json").json["summary"]
    went = cli("diff", "--base", "HEAD~1", "autopilots", "-o", "json").json["summary"]
    assert (came["create"], went["archive"]) == (2, 2)


@pytest.mark.parametrize("path", ["autopilot", "autopilots/nowhere", "docs", "../autopilots"])
def test_a_path_without_manifests_on_either_side_is_an_error(
    cli: Cli, repository: GitFolder, path: str
) -> None:
    repository.write("docs/readme.md", "No manifest.")
    repository.commit("Documents")
    answer = cli("diff", "--base", "HEAD~1", path)
    assert answer.code in (4, 64)
    assert answer.out == ""
    assert path in answer.err


def test_the_working_tree_is_not_looked_at(cli: Cli, repository: GitFolder) -> None:
    cli.write(one="no manifest")
    assert cli("diff", "--base", "HEAD~1", "autopilots").code == 0


def test_an_invalid_revision_is_exit_code_3_and_named(cli: Cli, repository: GitFolder) -> None:
    cli.write(one=autopilot("one", more="  timeout: soon\n"))
    commit = repository.commit("Wrong")
    answer = cli("diff", "--base", "HEAD~1", "autopilots")
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.splitlines() == [
        f"the manifests at HEAD ({commit[:12]}) are invalid:",
        answer.err.splitlines()[1],
        "error: 1 problem found",
    ]
    assert answer.err.splitlines()[1].startswith("autopilots/one.yaml:8:12: spec.timeout: ")


def test_a_comment_on_an_invalid_revision_shows_its_problems(
    cli: Cli, repository: GitFolder
) -> None:
    cli.write(one=autopilot("one", more="  timeout: soon\n"))
    repository.commit("Wrong")
    answer = cli("diff", "--base", "HEAD~1", "autopilots", "-o", "markdown")
    assert answer.code == 3
    assert answer.out.startswith("<!-- reconciler-plan:default -->\n")
    assert "**1 problem found.** Nothing will be applied." in answer.out
    assert "autopilots/one.yaml:8:12: spec.timeout: " in answer.out
    problems = cli("diff", "--base", "HEAD~1", "autopilots", "-o", "json").json["problems"]
    assert [problem["code"] for problem in problems] == ["duration-invalid"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(["--base", "nowhere"], 1, "there is no commit 'nowhere'", id="no commit"),
        pytest.param(["--base", "--output=x"], 64, "cannot be used", id="looks like an option"),
        pytest.param([], 64, "--base", id="no base"),
    ],
)
def test_what_names_no_revision(
    cli: Cli, repository: GitFolder, words: list[str], code: int, says: str
) -> None:
    answer = cli("diff", *words)
    assert answer.code == code
    assert says in answer.err


def test_outside_of_a_repository(cli: Cli) -> None:
    assert cli("diff", "--base", "HEAD").code == 64


def test_an_edit_of_a_prompt_is_shown_as_lines(cli: Cli, repository: GitFolder) -> None:
    named = autopilot("one", more="  descriptionFrom: {file: prompts/one.md}\n")
    prompt = cli.folder / "autopilots/prompts/one.md"
    prompt.parent.mkdir()
    prompt.write_text("Read them.\nLabel them.\n")
    cli.write(one=named)
    repository.commit("A prompt")
    prompt.write_text("Read them.\nClose them.\n")
    repository.commit("Another prompt")
    out = cli("diff", "--base", "HEAD~1", "autopilots").out
    assert [line.strip() for line in out.splitlines() if "them" in line] == [
        "Read them.",
        "- Label them.",
        "+ Close them.",
    ]
