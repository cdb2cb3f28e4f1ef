"""When a run that could not be given to its agent is started again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.model import Retry
from reconciler.core.runs.retry import (
    TARGET_PAUSE,
    GiveUp,
    HoldUntil,
    RetryAt,
    TargetDown,
    Transient,
    after_failure,
    backoff,
)
from reconciler.core.runs.run import Failed, Reason

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
FAR = NOW + timedelta(days=1)
POLICY = Retry(limit=3, backoff=timedelta(seconds=30), max_backoff=timedelta(minutes=2))
ONCE = Retry(limit=1)
NEVER = Retry()
OOPS = Transient("answered 502")
BUSY = TargetDown("agent is down")


def at(seconds: float, message: str) -> RetryAt:
    return RetryAt(NOW + timedelta(seconds=seconds), message)


def over(reason: Reason, message: str) -> GiveUp:
    return GiveUp(Failed(reason, message))


@pytest.mark.parametrize(
    ("policy", "attempt", "failure", "deadline", "expected"),
    [
        pytest.param(POLICY, 1, OOPS, FAR, at(30, "answered 502"), id="first: the backoff"),
        pytest.param(POLICY, 2, OOPS, FAR, at(60, "answered 502"), id="second: doubled"),
        pytest.param(POLICY, 3, OOPS, FAR, at(120, "answered 502"), id="third: the longest"),
        pytest.param(
            POLICY,
            4,
            OOPS,
            FAR,
            over(
                Reason.DISPATCH_FAILED,
                "answered 502; given up after 3 further attempts (spec.retry.limit)",
            ),
            id="the limit is used up",
        ),
        pytest.param(
            ONCE,
            2,
            OOPS,
            FAR,
            over(
                Reason.DISPATCH_FAILED,
                "answered 502; given up after 1 further attempt (spec.retry.limit)",
            ),
            id="one further attempt",
        ),
        pytest.param(
            NEVER,
            1,
            OOPS,
            FAR,
            over(
                Reason.DISPATCH_FAILED, "answered 502; not tried again, since spec.retry.limit is 0"
            ),
            id="no retries by default",
        ),
        pytest.param(
            POLICY, 1, Transient("429", 70), FAR, at(70, "429"), id="the agent asks for more time"
        ),
        pytest.param(
            POLICY, 1, Transient("429", 7), FAR, at(30, "429"), id="the agent asks for less"
        ),
        pytest.param(
            POLICY, 1, Transient("429", 1e300), FAR, at(120, "429"), id="the agent asks for ever"
        ),
        pytest.param(
            POLICY, 1, Transient("429", -5), FAR, at(30, "429"), id="the agent asks for nonsense"
        ),
        pytest.param(
            POLICY,
            1,
            OOPS,
            NOW + timedelta(seconds=30),
            over(
                Reason.DISPATCH_FAILED,
                "answered 502; the next attempt would come after the deadline",
            ),
            id="nothing is tried at the deadline",
        ),
        pytest.param(
            NEVER, 1, BUSY, FAR, at(15, "agent is down"), id="an agent that is down uses up nothing"
        ),
        pytest.param(NEVER, 999, BUSY, FAR, at(15, "agent is down"), id="it is waited for"),
        pytest.param(
            NEVER, 1, TargetDown("full", 40), FAR, at(40, "full"), id="a full agent names its time"
        ),
        pytest.param(
            Retry(backoff=timedelta(seconds=1), max_backoff=timedelta(seconds=1)),
            1,
            TargetDown("full", 40),
            FAR,
            at(15, "full"),
            id="the pause is the least for a full agent",
        ),
        pytest.param(
            POLICY,
            1,
            BUSY,
            NOW + TARGET_PAUSE,
            over(
                Reason.TARGET_UNAVAILABLE,
                "agent is down; the next attempt would come after the deadline",
            ),
            id="it is waited for until the deadline",
        ),
    ],
)
def test_after_failure(
    policy: Retry,
    attempt: int,
    failure: Transient | TargetDown,
    deadline: datetime,
    expected: RetryAt | GiveUp,
) -> None:
    assert after_failure(policy, attempt, failure, NOW, deadline) == expected


@given(
    st.integers(1, 10**9),
    st.timedeltas(timedelta(seconds=1), timedelta(days=3650)),
    st.timedeltas(timedelta(seconds=1), timedelta(days=3650)),
)
def test_waits_never_shrink_and_never_pass_the_longest(
    attempt: int, first: timedelta, longest: timedelta
) -> None:
    policy = Retry(limit=10, backoff=first, max_backoff=longest)
    assert backoff(policy, attempt) <= backoff(policy, attempt + 1) <= longest
    assert backoff(policy, 1) == min(first, longest)


@pytest.mark.parametrize(
    ("seconds", "waits"),
    [
        pytest.param(3600.0, 3600, id="beyond the deadline and beyond maxBackoff"),
        pytest.param(1.0, 15, id="not sooner than an agent that is down"),
        pytest.param(-5.0, 15, id="a moment that has passed"),
        pytest.param(None, 60, id="it names no moment"),
    ],
)
def test_an_agent_without_quota_is_waited_for(seconds: float | None, waits: int) -> None:
    """However near the deadline is: the timeout does not run, and nothing has failed."""
    full = TargetDown("answered 429", seconds, quota=True)
    held = HoldUntil(NOW + timedelta(seconds=waits), "answered 429")
    assert after_failure(NEVER, 1, full, NOW, NOW + timedelta(seconds=5)) == held


@pytest.mark.parametrize("seconds", [1e12, float("inf"), float("nan")])
def test_an_absurd_moment_is_cut_and_that_is_said(seconds: float) -> None:
    full = TargetDown("answered 429", seconds, quota=True)
    why = "answered 429 (asked again after 7 days at the latest)"
    held = HoldUntil(NOW + timedelta(days=7), why)
    assert after_failure(NEVER, 1, full, NOW, NOW + timedelta(minutes=5)) == held
