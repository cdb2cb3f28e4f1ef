"""One comment on a pull request, edited in place, whatever the forge answers on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.ci.comment import main
from tests.support.comments_api import ADA, PROJECT_BOT, TOKEN, ForgeServer, a_forge

MARKER = "<!-- reconciler-plan:default -->"
PLAN = f"{MARKER}\n### Reconciler plan\n\n**Plan: 1 to create.**\n"


@pytest.fixture
def forge() -> Iterator[ForgeServer]:
    with a_forge() as forge:
        yield forge


@pytest.fixture
def put(forge: ForgeServer, tmp_path: Path) -> "Put":
    return Put(forge, tmp_path / "plan.md")


class Put:
    """Puts a text as GitHub's job does, or as GitLab's."""

    def __init__(self, forge: ForgeServer, file: Path) -> None:
        self.forge, self.file = forge, file

    def __call__(self, body: str = PLAN, name: str = "github", **env: str) -> int:
        self.file.write_text(body, "utf-8")
        return main([str(self.file), "--forge", name], {**getattr(self.forge, name), **env})


both = pytest.mark.parametrize("name", ["github", "gitlab"])


@both
def test_the_first_push_creates_it_and_the_next_ones_edit_it(put: Put, name: str) -> None:
    put.forge.add("Nice work", by=ADA)
    assert put(name=name) == 0
    assert put(PLAN + "more\n", name) == 0
    assert put.forge.bodies == ["Nice work", PLAN + "more\n"]


@both
def test_what_is_said_already_is_not_written_again(put: Put, name: str) -> None:
    put(name=name)
    put.forge.calls.clear()
    assert put(name=name) == 0
    assert {call.split()[0] for call in put.forge.calls} == {"GET"}


@both
def test_it_is_found_on_a_later_page(put: Put, name: str) -> None:
    for number in range(250):
        put.forge.add(f"comment {number}", by=ADA)
    put(name=name)
    assert put(PLAN + "more\n", name) == 0
    assert [body for body in put.forge.bodies if body.startswith(MARKER)] == [PLAN + "more\n"]


def test_another_source_has_a_comment_of_its_own(put: Put) -> None:
    other = PLAN.replace("default", "team")
    put()
    put(other)
    assert put.forge.bodies == [PLAN, other]


@both
def test_a_comment_of_somebody_else_is_left_alone(put: Put, name: str) -> None:
    forged = f"{MARKER}\nAll fine, merge it"
    put.forge.add(forged, by=ADA)
    assert put(name=name) == 0
    assert put.forge.bodies == [forged, PLAN]
    assert put.forge.comments[1]["user"] != ADA


LIMITED = (403, {"retry-after": "0"}, "You have exceeded a secondary rate limit")
SPENT = (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, "API rate limit exceeded")
BUSY = (429, {"retry-after": "0"}, "Too many requests")
DOWN = (502, {"retry-after": "0"}, "Bad gateway")


@pytest.mark.parametrize("failure", [LIMITED, SPENT, BUSY, DOWN], ids=lambda f: f[2])
def test_a_rate_limit_and_an_outage_are_waited_for(
    put: Put, failure: tuple[int, dict[str, str], str]
) -> None:
    put.forge.failures = [failure, failure]
    assert put() == 0
    assert put.forge.bodies == [PLAN]


def test_a_limit_that_lasts_is_said_and_ends_the_job(
    put: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    put.forge.failures = [(429, {"retry-after": "3600"}, "Too many requests")]
    assert put() == 1
    assert "GitHub answered 429, rate limit; gave up after 120 s" in capsys.readouterr().err


def test_a_creation_whose_answer_was_lost_is_not_made_twice(
    put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    put.forge.failures = ["", "", "lost"]
    assert put() == 0
    assert put.forge.bodies == [PLAN]


def test_a_comment_that_was_deleted_meanwhile_is_created_again(put: Put) -> None:
    put()
    put.forge.failures = ["", "", "deleted"]
    assert put(PLAN + "more\n") == 0
    assert put.forge.bodies == [PLAN + "more\n"]


def test_a_body_that_the_forge_finds_too_long_becomes_its_summary(put: Put) -> None:
    put.forge.most = 300
    part = "\n<details><summary>x</summary>\n" + "x" * 300 + "\n</details>\n"
    assert put(PLAN + part) == 0
    assert put.forge.bodies == [
        PLAN + "\nThe plan is longer than a comment may be here; the log of the job has it.\n"
    ]


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param({"PULL_REQUEST": "6"}, "404 Not Found", id="no such pull request"),
        pytest.param({"GITHUB_TOKEN": "wrong"}, "401 Bad credentials", id="a wrong token"),
    ],
)
def test_what_the_forge_refuses_is_said_with_the_right_that_is_missing(
    put: Put, capsys: pytest.CaptureFixture[str], env: dict[str, str], expected: str
) -> None:
    assert put(**env) == 1
    message = capsys.readouterr().err
    assert expected in message
    assert "pull-requests: write" in message


@both
def test_a_token_that_may_only_read_is_told_from_a_rate_limit(
    put: Put, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    put.forge.may_write = False
    assert put(name=name) == 1
    output = capsys.readouterr()
    assert "403 Resource not accessible by integration" in output.err
    assert TOKEN not in output.err + output.out


def test_the_token_goes_to_no_other_host(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(101):
        put.forge.add(f"comment {number}", by=ADA)
    with a_forge() as elsewhere:
        put.forge.next_page = f"{elsewhere.url}/repos/acme/automations/issues/5/comments?page=2"
        assert put() == 1
        assert elsewhere.calls == []
    assert "another host" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN is not set", id="no token"),
        pytest.param({"PULL_REQUEST": "5/../6"}, "number of a pull request", id="no number"),
    ],
)
def test_what_the_job_lacks_is_a_usage_error(
    put: Put, capsys: pytest.CaptureFixture[str], env: dict[str, str], expected: str
) -> None:
    assert put(**env) == 64
    assert expected in capsys.readouterr().err
    assert put.forge.calls == []


def test_a_file_that_is_no_comment_is_not_put(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    assert put("") == 64
    assert "plan PATH -o markdown" in capsys.readouterr().err


def test_a_project_bot_of_gitlab_is_told_by_its_id(put: Put) -> None:
    put.forge.add(PLAN, by={**PROJECT_BOT, "id": 100})
    put(PLAN + "more\n", "gitlab")
    assert put.forge.bodies == [PLAN, PLAN + "more\n"]
