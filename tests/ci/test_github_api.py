"""What we ask GitHub for, and read in its answers, is what GitHub describes."""

from typing import Any

import pytest

from tests.support.github_api import always_there, wrong_with_answer, wrong_with_request

TASKS = "/agents/repos/acme/automations/tasks"
COMMENTS = "/repos/acme/automations/issues/5/comments"


@pytest.mark.parametrize(
    ("method", "target", "body", "why"),
    [
        (
            "POST",
            "/repos/acme/automations/pulls",
            {"head": "b", "base": "main", "title": "T"},
            None,
        ),
        ("POST", "/repos/acme/automations/pulls", {"head": "b", "title": "T"}, "'base' is a"),
        (
            "POST",
            "/repos/acme/automations/pulls",
            {"head": "b", "base": "main", "text": "T"},
            "'text' was unexpected",
        ),
        ("POST", "/repos/acme/automations/merge_requests", {}, "there is no POST"),
        ("GET", f"{COMMENTS}?per_page=100&page=2", None, None),
        ("GET", f"{COMMENTS}?sort=asc", None, "takes no sort"),
        ("PATCH", "/repos/acme/automations/issues/comments/7", {"body": 7}, "not of type"),
        ("DELETE", f"{TASKS}/7", None, "there is no DELETE"),
    ],
)
def test_requests_are_held_to_the_description(
    method: str, target: str, body: Any, why: str | None
) -> None:
    wrong = wrong_with_request(method, target, body)
    assert wrong is None if why is None else why in str(wrong)


@pytest.mark.parametrize(
    ("status", "answer", "why"),
    [
        (201, {"id": "task-0", "state": "queued"}, None),
        (201, {"id": "task-0", "state": "sleeping"}, "'sleeping' is not one of"),
        (201, {"id": 7}, "7 is not of type"),
        (202, {}, "does not answer 202"),
        (401, {"message": "Bad credentials"}, None),
        (401, {"error": "Bad credentials"}, "has a message"),
    ],
)
def test_answers_of_stand_ins_are_held_to_the_description(
    status: int, answer: Any, why: str | None
) -> None:
    wrong = wrong_with_answer("POST", TASKS, status, answer)
    assert wrong is None if why is None else why in str(wrong)


@pytest.mark.parametrize(
    ("operation", "status", "read"),
    [
        pytest.param("POST /repos/{owner}/{repo}/pulls", 201, {"html_url"}, id="a pull request"),
        pytest.param(
            "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
            200,
            {"id", "user"},
            id="comments",
        ),
        pytest.param(
            "POST /agents/repos/{owner}/{repo}/tasks", 201, {"id", "state"}, id="a new task"
        ),
        pytest.param(
            "GET /agents/repos/{owner}/{repo}/tasks/{task_id}", 200, {"id", "state"}, id="a task"
        ),
    ],
)
def test_what_we_cannot_do_without_is_in_every_answer(
    operation: str, status: int, read: set[str]
) -> None:
    assert read <= always_there(operation, status)
