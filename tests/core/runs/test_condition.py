"""Health: what needs somebody's attention first comes first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.runs.condition import (
    Health,
    Occurred,
    Signs,
    condition_of,
    last_worked,
    recent_occurrences,
)
from reconciler.core.runs.run import MissedInterval, MissedReason, Reason, Run, Source, Status
from reconciler.core.runs.standing import Switches

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


def switches(**more: Any) -> Switches:
    """Nothing is switched off."""
    return Switches(**({"status": AutopilotStatus.ACTIVE} | more))


def run(status: Status = Status.COMPLETED, *, minutes_ago: int = 0, **more: Any) -> Run:
    """A run of the schedule."""
    at = NOW - timedelta(minutes=minutes_ago)
    values: dict[str, Any] = {
        "id": "r", "autopilot_id": "a", "workspace": "w", "autopilot": "n", "spec_digest": "d",
        "source": Source.SCHEDULE, "triggered_at": at, "created_at": at, "scheduled_for": at,
    }  # fmt: skip
    reason = {Status.FAILED: Reason.AGENT_FAILED, Status.SKIPPED: Reason.OVERLAP}.get(status)
    return Run(**(values | {"status": status, "reason": reason} | more))


def missed(reason: MissedReason, minutes_ago: int, count: int | None = 1) -> MissedInterval:
    """An interval of the schedule."""
    at = NOW - timedelta(minutes=minutes_ago)
    return MissedInterval("t", "a", reason, at, None if count is None else at, count)


OPEN = {"breaker_opened_at": NOW, "failures": 5}
LATE = NOW - timedelta(minutes=2)


def occurred(*ran: bool) -> tuple[Occurred, ...]:
    """Occurrences an hour apart, newest first."""
    return tuple(Occurred(NOW - timedelta(hours=n), ran_) for n, ran_ in enumerate(ran))


@pytest.mark.parametrize(
    ("signs", "health"),
    [
        pytest.param(Signs(switches=switches()), Health.HEALTHY, id="it never ran"),
        pytest.param(Signs(switches=switches(), last=run()), Health.HEALTHY, id="it completed"),
        pytest.param(
            Signs(switches=switches(), last=run(Status.FAILED)), Health.DEGRADED, id="it failed"
        ),
        pytest.param(
            Signs(switches=switches(), occurrences=occurred(False, False, False)),
            Health.DEGRADED, id="three in a row did not run",
        ),
        pytest.param(
            Signs(switches=switches(), occurrences=occurred(False, False)), Health.HEALTHY,
            id="only two",
        ),
        pytest.param(
            Signs(switches=switches(), occurrences=occurred(False, True, False)),
            Health.HEALTHY, id="one of three ran",
        ),
        pytest.param(
            Signs(switches=switches(), due=NOW - timedelta(minutes=1)), Health.HEALTHY,
            id="due for a minute",
        ),
        pytest.param(Signs(switches=switches(), due=LATE), Health.LATE, id="for more"),
        pytest.param(
            Signs(switches=switches(), due=LATE, last=run(Status.FAILED)), Health.LATE,
            id="late before degraded",
        ),
        pytest.param(
            Signs(switches=switches(**OPEN), due=LATE), Health.FAILING, id="failing before late"
        ),
        pytest.param(
            Signs(switches=switches(**OPEN, paused_at=NOW)), Health.PAUSED,
            id="paused before failing",
        ),
        pytest.param(
            Signs(switches=switches(status=AutopilotStatus.PAUSED)), Health.PAUSED,
            id="paused by the manifest",
        ),
        pytest.param(Signs(switches=switches(archived=True)), Health.PAUSED, id="archived"),
    ],
)  # fmt: skip
def test_health(signs: Signs, health: Health) -> None:
    condition = condition_of(signs, NOW)
    assert condition.health is health
    assert condition.why


@pytest.mark.parametrize(
    ("runs", "intervals", "expected"),
    [
        pytest.param([], [], (), id="nothing yet"),
        pytest.param([run(), run(Status.SKIPPED, minutes_ago=5)], [], (True, False), id="runs"),
        pytest.param([run(Status.FAILED)], [], (True,), id="a failed one ran"),
        pytest.param([run(source=Source.WEBHOOK)], [], (), id="webhooks are no occurrences"),
        pytest.param(
            [run(minutes_ago=9)], [missed(MissedReason.MISSED, 5, 2)], (False, False, True),
            id="an interval counts for as many as it covers",
        ),
        pytest.param(
            [], [missed(MissedReason.STALLED, 5, None)], (False, False, False),
            id="an open one for all",
        ),
        pytest.param([run()], [missed(MissedReason.PAUSED, 5, 9)], (True,), id="a pause for none"),
    ],
)  # fmt: skip
def test_occurrences_are_told_newest_first(
    runs: list[Run], intervals: list[MissedInterval], expected: tuple[bool, ...]
) -> None:
    assert tuple(o.ran for o in recent_occurrences(runs, intervals)) == expected


def test_the_last_run_is_the_last_that_was_worked_on() -> None:
    failed = run(Status.FAILED)
    assert last_worked([run(Status.PENDING), run(Status.SKIPPED), failed, run()]) is failed
    assert last_worked([run(Status.RUNNING)]) is None


HOURS = [NOW - timedelta(hours=n) for n in range(4)]


@pytest.mark.parametrize(
    ("signs", "since"),
    [
        pytest.param(Signs(switches=switches(paused_at=HOURS[1])), HOURS[1], id="the pause"),
        pytest.param(
            Signs(switches=switches(failures=5, breaker_opened_at=HOURS[2])), HOURS[2],
            id="the breaker opened",
        ),
        pytest.param(Signs(switches=switches(), due=HOURS[3]), HOURS[3], id="it was due"),
        pytest.param(
            Signs(switches=switches(), stalled="clock", stalled_at=HOURS[1]), HOURS[1],
            id="it stalled",
        ),
        pytest.param(
            Signs(switches=switches(), last=run(Status.FAILED, completed_at=HOURS[2])), HOURS[2],
            id="the run failed",
        ),
        pytest.param(
            Signs(switches=switches(), occurrences=occurred(False, False, False)), HOURS[2],
            id="the first of those that did not run",
        ),
        pytest.param(Signs(switches=switches()), None, id="healthy"),
    ],
)  # fmt: skip
def test_since_when_a_health_is_so(signs: Signs, since: datetime | None) -> None:
    assert condition_of(signs, NOW).since == since
