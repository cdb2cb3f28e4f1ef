"""A run as JSON: every name is always there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.runs.run import Reason, Run, Source, Status, WaitingFor
from reconciler.core.runs.view import duration_ms, run_document

AT = datetime(2026, 11, 2, 8, 0, 0, 250_000, tzinfo=UTC)
NAMES = {
    "id", "autopilotId", "workspace", "autopilot", "triggerId", "trigger", "source", "status",
    "reason", "failureReason", "waitingFor", "title", "scheduledFor", "triggeredAt", "admittedAt",
    "dispatchedAt", "sessionAt", "startedAt", "completedAt", "durationMs", "attempts", "sessionId",
    "agent", "payload", "result", "revision", "commit", "blockedBy", "replacedBy", "key",
    "usage",
}  # fmt: skip


def a_run(**more: Any) -> Run:
    """The least that a run has."""
    least: dict[str, Any] = {
        "id": "r",
        "autopilot_id": "a",
        "workspace": "platform",
        "autopilot": "triage",
        "source": Source.MANUAL,
        "status": Status.PENDING,
        "triggered_at": AT,
        "created_at": AT,
        "spec_digest": "0" * 64,
    }
    return Run(**least | more)


def test_every_name_is_there_also_without_a_value() -> None:
    assert run_document(a_run()).keys() >= NAMES


@pytest.mark.parametrize(
    ("values", "name", "shown"),
    [
        pytest.param({}, "triggeredAt", "2026-11-02T08:00:00.250000Z", id="times are in UTC"),
        pytest.param({}, "scheduledFor", None, id="no time is null"),
        pytest.param({"scheduled_for": AT.replace(microsecond=0)}, "scheduledFor",
                     "2026-11-02T08:00:00Z", id="whole seconds stay short"),
        pytest.param({"dispatched_at": AT}, "dispatchedAt", "2026-11-02T08:00:00.250000Z",
                     id="when its agent got it"),
        pytest.param({"session_at": AT}, "sessionAt", "2026-11-02T08:00:00.250000Z",
                     id="since when it has its session"),
        pytest.param({"reason": Reason.LOST}, "reason", "lost", id="reason"),
        pytest.param({"waiting_for": WaitingFor.QUEUE}, "waitingFor", "queue", id="waitingFor"),
        pytest.param({"key": "pr-7"}, "key", "pr-7", id="key"),
        pytest.param({}, "key", None, id="no key"),
        pytest.param({"commit": "c0ffee"}, "commit", "c0ffee", id="commit"),
        pytest.param({"payload": [None, {"a": 1}]}, "payload", [None, {"a": 1}], id="payload"),
    ],
)  # fmt: skip
def test_values(values: dict[str, Any], name: str, shown: object) -> None:
    assert run_document(a_run(**values))[name] == shown


@pytest.mark.parametrize("hidden", ["nonce", "lease_owner", "handle", "run_token", "expires_at"])
def test_what_is_ours_alone_is_not_shown(hidden: str) -> None:
    shown = run_document(a_run(nonce="n0nce", lease_owner="me", handle={"pid": 7}))
    assert hidden not in shown
    assert "n0nce" not in str(shown)


@pytest.mark.parametrize(
    ("started", "completed", "milliseconds"),
    [
        pytest.param(AT, AT + timedelta(seconds=1.5), 1500, id="from start to end"),
        pytest.param(None, AT, None, id="never started"),
        pytest.param(AT, None, None, id="has not ended"),
    ],
)
def test_the_duration_is_that_of_the_work(
    started: datetime | None, completed: datetime | None, milliseconds: int | None
) -> None:
    assert duration_ms(a_run(started_at=started, completed_at=completed)) == milliseconds
