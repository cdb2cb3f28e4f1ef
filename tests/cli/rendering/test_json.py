"""Plans as JSON for machines, and back."""

import json
from datetime import UTC, datetime

from hypothesis import given

from reconciler.cli.rendering.json import render_drift_json, render_json
from reconciler.core.manifest.state import Desired
from reconciler.core.plan.drift import drift_of
from reconciler.core.plan.plan import make_plan
from reconciler.core.plan.report import PlanReport, drift_report, report_of
from tests.support.strategies import desired_sets
from tests.support.worlds import agent, autopilot, current, desired, row


@given(desired_sets(), desired_sets())
def test_what_is_printed_is_what_a_server_answers(first: Desired, second: Desired) -> None:
    rows = current(*(row(each) for each in first.objects.values()))
    report = report_of(make_plan(rows, second, at=datetime(2026, 11, 28, tzinfo=UTC)))
    printed = render_json(report)
    assert json.loads(printed) == report.to_json()
    assert PlanReport.model_validate_json(printed) == report


def test_only_ascii_goes_out() -> None:
    wanted = autopilot("x", title="Ä\u202e\x1b[2J", description="\x9b")
    printed = render_json(report_of(make_plan(current(), desired(wanted))))
    assert printed.isascii()
    assert "\x1b" not in printed
    assert printed.endswith("}\n")


def test_drift() -> None:
    drift = drift_report(drift_of(current(row(agent(), now=agent(limit=9)))))
    assert json.loads(render_drift_json(drift)) == {
        "formatVersion": 1,
        "drift": [
            {
                "kind": "Agent",
                "workspace": "default",
                "name": "bot",
                "position": {"path": "agents/bot.yaml", "line": 1, "column": 1},
                "state": "changed",
                "message": "",
                "fields": [{"path": "spec.maxConcurrency", "before": 10, "after": 9}],
            }
        ],
    }
