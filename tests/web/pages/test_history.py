"""The life of a run as its page tells it, moment by moment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.manifest.fields import format_instant
from reconciler.core.runs.precheck import passed_record
from reconciler.core.runs.run import Reason, Run, Source, Status
from reconciler.web.pages.history import history, working_since

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def run(status: Status = Status.COMPLETED, **values: Any) -> Run:
    """A run of noon that was admitted a second later."""
    given = {"id": "r", "autopilot_id": "a", "workspace": "default", "autopilot": "triage"}
    moments = {"triggered_at": NOON, "created_at": NOON, "admitted_at": at(1)}
    return Run(
        source=Source.MANUAL, status=status, spec_digest="d", **{**given, **moments, **values}
    )


BEGUN = {"began": format_instant(at(1)), "until": format_instant(at(60)), "detail": {}}


@pytest.mark.parametrize(
    ("of", "told"),
    [
        pytest.param(
            run(precheck_handle=passed_record(BEGUN, at(3)), started_at=at(4), completed_at=at(9)),
            ["Precheck began", "Prechecked: there is something to do, in 2.0 s", "Started"],
            id="it went on",
        ),
        pytest.param(
            run(
                Status.SKIPPED,
                precheck_handle=BEGUN,
                completed_at=at(2),
                reason=Reason.NOTHING_TO_DO,
            ),
            ["Precheck began", "Prechecked: there is nothing to do, in 1.0 s"],
            id="nothing to do",
        ),
        pytest.param(
            run(Status.FAILED, completed_at=at(2), reason=Reason.PRECHECK_FAILED),
            ["Prechecked: it failed, and no agent was asked"],
            id="it never began",
        ),
        pytest.param(
            run(
                Status.SKIPPED,
                precheck_handle={"until": format_instant(at(60)), "detail": {}},
                completed_at=at(2),
                reason=Reason.NOTHING_TO_DO,
            ),
            ["Prechecked: there is nothing to do"],
            id="from before its beginning was recorded",
        ),
        pytest.param(
            run(Status.PENDING, precheck_handle=BEGUN, precheck_due=True),
            ["Precheck began"],
            id="it runs",
        ),
        pytest.param(
            run(Status.FAILED, precheck_handle=BEGUN, completed_at=at(2), reason=Reason.CANCELLED),
            ["Precheck began"],
            id="cancelled meanwhile",
        ),
    ],
)
def test_a_precheck_is_told_with_its_verdict_and_how_long_it_took(of: Run, told: list[str]) -> None:
    events = [f"{event.what}: {event.detail}".removesuffix(": ") for event in history(of)]
    assert events[2 : 2 + len(told)] == told


def test_an_expectation_is_judged_just_before_the_end() -> None:
    ended = run(started_at=at(2), completed_at=at(9))
    events = history(ended, expected="expect result.ok")
    assert [event.what for event in events[-2:]] == ["Result judged", "Completed"]
    assert events[-2].detail == "expect result.ok is met"
    unmet = run(Status.FAILED, completed_at=at(9), reason=Reason.EXPECTATION_UNMET)
    assert history(unmet, expected="expect result.ok")[-2].detail == "expect result.ok is not met"
    lost = run(Status.FAILED, completed_at=at(9), reason=Reason.LOST)
    assert "Result judged" not in [event.what for event in history(lost, expected="expect x")]


MOMENTS: dict[str, Any] = {"dispatched_at": at(3), "session_at": at(5), "started_at": at(8)}


@pytest.mark.parametrize(
    ("of", "told"),
    [
        pytest.param(
            run(agent="bot", session_id="s-1", attempts=2, completed_at=at(9), **MOMENTS),
            ["Dispatched: to agent bot, attempt 2", "Session: s-1", "Started", "Completed"],
            id="each at its moment",
        ),
        pytest.param(
            run(agent="bot", completed_at=at(9), dispatched_at=at(3), started_at=at(3)),
            ["Dispatched: to agent bot", "Started", "Completed"],
            id="without a session",
        ),
        pytest.param(
            run(agent="bot", session_id="s-1", started_at=at(3), completed_at=at(9)),
            ["Started: by agent bot, session s-1", "Completed"],
            id="from before these moments were recorded",
        ),
        pytest.param(
            run(Status.SESSION_CREATED, agent="bot", dispatched_at=at(3), session_at=at(5)),
            ["Dispatched: to agent bot"],
            id="a session that was made and has no name yet",
        ),
    ],
)
def test_a_run_is_told_from_its_dispatch_to_its_end(of: Run, told: list[str]) -> None:
    events = [f"{event.what}: {event.detail}".removesuffix(": ") for event in history(of)]
    assert events[2:] == told


def test_a_run_is_at_work_since_its_session_was_made() -> None:
    made: dict[str, Any] = {"dispatched_at": at(3), "session_at": at(5)}
    assert working_since(run(Status.SESSION_CREATED, **made)) == at(5)
    assert working_since(run(Status.SESSION_CREATED, dispatched_at=at(3))) == at(3)
    assert working_since(run(Status.SESSION_CREATED)) == at(1)
