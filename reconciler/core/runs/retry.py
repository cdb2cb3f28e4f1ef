"""What follows when a run could not be given to its agent: another attempt, or the end of it.

Only dispatch is attempted again (docs/runtimes.md); work that began and failed has failed. A
transient failure uses up one of `retry.limit`. An agent that is down or full uses up nothing: the
run waits for it within its deadline. There is no random jitter: an agent's `maxConcurrency` bounds
how many runs can come back at once, and a moment that follows from the row can be explained.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.core.manifest.model import Retry
from reconciler.core.runs.run import Failed, Reason

TARGET_PAUSE = timedelta(seconds=15)
"""Between two attempts at an agent that is down or full, unless it names a longer wait."""
QUOTA_PAUSE = timedelta(minutes=1)
"""Between two attempts at an agent that is out of quota and names no moment."""
LONGEST_QUOTA = timedelta(days=7)
"""The longest wait that an agent's own word is taken for at once."""
MOST_DOUBLINGS = 10
"""`spec.retry.limit` goes up to 10."""


@dataclass(frozen=True, slots=True)
class Transient:
    """Dispatch failed and a second attempt may succeed; a repeat is harmless.

    `retry_after` is the wait in seconds that the agent asked for, if it did.
    """

    message: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class TargetDown:
    """The agent cannot be reached or has no room; nothing was started.

    `in_the_way` names the run whose session holds the place: if that run has ended, its session is
    a left-over to be released. `quota` says that the agent itself refuses work for a while (429),
    until `retry_after` where it names a moment.
    """

    message: str
    retry_after: float | None = None
    in_the_way: str | None = None
    quota: bool = False


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Start the same run again at `at`."""

    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class HoldUntil:
    """The agent is out of quota: none of its runs is started before `at`.

    `message` says what the agent said, and where another moment was taken than it named.
    """

    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The run has failed."""

    outcome: Failed


def after_failure(
    policy: Retry, attempt: int, failure: Transient | TargetDown, now: datetime, deadline: datetime
) -> RetryAt | HoldUntil | GiveUp:
    """When to start the run again, if at all.

    `attempt` counts the attempts that failed transiently, this one included, from 1. Waits double
    from `policy.backoff` to `policy.max_backoff`, which also bounds what an agent may ask for.

    An agent that is out of quota is waited for, however near the deadline is: the timeout does not
    run meanwhile, and nobody has failed.
    """
    match failure:
        case TargetDown(message, seconds, quota=True):
            return hold(message, seconds, now)
        case TargetDown(message, retry_after):
            return _within(
                now + _wait(TARGET_PAUSE, retry_after, policy),
                deadline,
                message,
                Reason.TARGET_UNAVAILABLE,
            )
        case Transient(message) if attempt > policy.limit:
            return GiveUp(Failed(Reason.DISPATCH_FAILED, f"{message}{_used_up(policy.limit)}"))
        case Transient(message, retry_after):
            wait = _wait(backoff(policy, attempt), retry_after, policy)
            return _within(now + wait, deadline, message, Reason.DISPATCH_FAILED)


def hold(message: str, seconds: float | None, now: datetime) -> HoldUntil:
    """How long an agent is left alone that takes work again in so many seconds, None: unknown."""
    if seconds is None:
        return HoldUntil(now + QUOTA_PAUSE, message)
    if not seconds <= LONGEST_QUOTA.total_seconds():  # not a number is no moment either
        days = f"{LONGEST_QUOTA.days} days"
        return HoldUntil(now + LONGEST_QUOTA, f"{message} (asked again after {days} at the latest)")
    return HoldUntil(now + max(TARGET_PAUSE, timedelta(seconds=seconds)), message)


def backoff(policy: Retry, attempt: int) -> timedelta:
    """The wait after the failed attempt number `attempt`, from 1."""
    # No more doublings than the highest limit has, so that no attempt number can overflow.
    doublings = min(max(attempt - 1, 0), MOST_DOUBLINGS)
    return min(policy.backoff * (1 << doublings), policy.max_backoff)


def _wait(least: timedelta, retry_after: float | None, policy: Retry) -> timedelta:
    longest = max(least, policy.max_backoff)
    asked = min(max(retry_after or 0.0, 0.0), longest.total_seconds())
    return max(least, timedelta(seconds=asked))


def _within(at: datetime, deadline: datetime, message: str, reason: Reason) -> RetryAt | GiveUp:
    if at < deadline:
        return RetryAt(at, message)
    return GiveUp(Failed(reason, f"{message}; the next attempt would come after the deadline"))


def _used_up(limit: int) -> str:
    match limit:
        case 0:
            return "; not tried again, since spec.retry.limit is 0"
        case 1:
            return "; given up after 1 further attempt (spec.retry.limit)"
        case _:
            return f"; given up after {limit} further attempts (spec.retry.limit)"
