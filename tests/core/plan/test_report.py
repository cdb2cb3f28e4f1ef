"""The JSON of a plan: exactly the documented keys, and nothing confidential."""

import json
from typing import Any

import pytest

from reconciler.core.base.errors import Problem
from reconciler.core.plan.drift import drift_of
from reconciler.core.plan.plan import make_plan
from reconciler.core.plan.report import PlanReport, drift_report, report_of, report_of_problems
from tests.support.worlds import agent, autopilot, current, declared, desired, row

PLAN = make_plan(
    current(
        row(agent(limit=5)),
        row(autopilot("gone", line=4)),
        row(agent("theirs"), source="other"),
        row(autopilot("d"), now=autopilot("d", title="By hand")),
    ),
    desired(agent(), agent("theirs"), autopilot("d"), revision="c0ffee"),
)


def test_the_json_of_a_plan() -> None:
    problem = Problem("a.yaml", 3, 5, "spec.title", "is missing", "field-missing")
    assert report_of(PLAN, [problem]).to_json() == {
        "formatVersion": 1,
        "digest": PLAN.digest,
        "revision": "c0ffee",
        "summary": {
            "create": 0,
            "update": 2,
            "move": 0,
            "archive": 1,
            "restore": 0,
            "blocked": 1,
            "unchanged": 0,
        },
        "changes": [
            {
                "action": "update",
                "kind": "Agent",
                "workspace": "default",
                "name": "bot",
                "position": {"path": "agents/bot.yaml", "line": 1, "column": 1},
                "fields": [{"path": "spec.maxConcurrency", "before": 5, "after": 10}],
                "consequences": None,
            },
            {
                "action": "update",
                "kind": "Autopilot",
                "workspace": "default",
                "name": "d",
                "position": {"path": "autopilots/d.yaml", "line": 1, "column": 1},
                "fields": [{"path": "spec.title", "before": "By hand", "after": "A title"}],
                "consequences": None,
            },
            {
                "action": "archive",
                "kind": "Autopilot",
                "workspace": "default",
                "name": "gone",
                "position": {"path": "autopilots/gone.yaml", "line": 4, "column": 1},
                "fields": [],
                "consequences": None,
            },
        ],
        "problems": [
            {
                "path": "a.yaml",
                "line": 3,
                "column": 5,
                "field": "spec.title",
                "message": "is missing",
                "code": "field-missing",
            }
        ],
        "drift": [
            {
                "kind": "Autopilot",
                "workspace": "default",
                "name": "d",
                "position": {"path": "autopilots/d.yaml", "line": 1, "column": 1},
                "state": "changed",
                "message": "",
                "fields": [{"path": "spec.title", "before": "A title", "after": "By hand"}],
            }
        ],
        "blocked": [
            {
                "kind": "Agent",
                "workspace": "default",
                "name": "theirs",
                "position": {"path": "agents/theirs.yaml", "line": 1, "column": 1},
                "code": "owned-elsewhere",
                "message": "source 'other' owns it; remove it there, or give this one another name",
            }
        ],
        "warnings": [],
    }


def test_the_keys_come_in_the_documented_order() -> None:
    assert list(report_of(PLAN).to_json()) == [
        "formatVersion",
        "digest",
        "revision",
        "summary",
        "changes",
        "problems",
        "drift",
        "blocked",
        "warnings",
    ]


def test_a_row_whose_origin_is_not_known_has_no_position() -> None:
    rows = [row(agent(f"a{number}"), origin=None) for number in range(2)]
    report = report_of(make_plan(current(*rows), desired(agent("a0"))))
    assert [change.position for change in report.changes] == [None]


def test_a_revision_with_problems_has_a_report_without_a_digest() -> None:
    second = Problem("b.yaml", 1, 1, "", "second", "x")
    first = Problem("a.yaml", 9, 1, "", "first", "x")
    report = report_of_problems("c0ffee", [second, first])
    assert (report.digest, report.changes) == (None, ())
    assert [problem.message for problem in report.problems] == ["first", "second"]


def test_a_report_comes_back_from_json_even_with_fields_of_a_newer_server() -> None:
    report = report_of(PLAN)
    body = {**report.to_json(), "later": 1}
    assert PlanReport.model_validate_json(json.dumps(body)) == report


def http(url: str = "https://host/path", **headers: Any) -> Any:
    return declared("Agent", "h", {"runtime": {"type": "http", "url": url, "headers": headers}})


REFERENCE = {"env": "AUTOPILOT_SECRET_DEFAULT__A"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            http(X="hunter2"),
            http(X="hunter3"),
            [("spec.runtime.headers.X", "(sensitive)", "(sensitive, changed)")],
            id="a text that changed",
        ),
        pytest.param(
            http(),
            http(X="hunter2"),
            [("spec.runtime.headers.X", None, "(sensitive)")],
            id="a text that came",
        ),
        pytest.param(
            http(X="hunter2"),
            http(X=REFERENCE),
            [("spec.runtime.headers.X", "(sensitive)", REFERENCE)],
            id="a text that became a reference",
        ),
        pytest.param(
            http(X=REFERENCE),
            http(X={"env": "AUTOPILOT_SECRET_DEFAULT__B"}),
            [
                (
                    "spec.runtime.headers.X.env",
                    "AUTOPILOT_SECRET_DEFAULT__A",
                    "AUTOPILOT_SECRET_DEFAULT__B",
                )
            ],
            id="references are names, and are shown",
        ),
        pytest.param(
            http("https://u:hunter2@host/a"),
            http("https://u:hunter2@host/b"),
            [("spec.runtime.url", "https://***@host/a", "https://***@host/b")],
            id="a URL with a password",
        ),
        pytest.param(
            http("https://u:hunter2@host"),
            http("https://u:hunter3@host"),
            [("spec.runtime.url", "https://***@host", "https://***@host (sensitive, changed)")],
            id="a URL in which only the password changed",
        ),
    ],
)
def test_what_may_be_confidential_is_masked(before: Any, after: Any, expected: Any) -> None:
    plan = make_plan(current(row(before)), desired(after))
    (change,) = report_of(plan).changes
    assert [(field.path, field.before, field.after) for field in change.fields] == expected


def test_no_report_shows_a_literal_of_env_or_headers() -> None:
    secret = {"type": "command", "program": "run", "env": {"A": "hunter2", "env": "hunter2"}}
    old = declared("Agent", "c", {"runtime": secret})
    new = agent("c")
    reports = [
        report_of(make_plan(current(), desired(old))),
        report_of(make_plan(current(row(old)), desired(new))),
        report_of(make_plan(current(row(new)), desired(old))),
        report_of(make_plan(current(row(old)), desired(agent("other")))),
    ]
    drift = drift_report(drift_of(current(row(old, now=new), row(new, now=old, id="x"))))
    assert drift
    shown = [report.model_dump_json() for report in reports] + [d.model_dump_json() for d in drift]
    assert not [text for text in shown if "hunter2" in text]
