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
    """Start the same run again at `at`; its deadline moves by `extension`."""

    at: datetime
    message: str
    extension: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The run has failed."""

    outcome: Failed


def after_failure(
    policy: Retry, attempt: int, failure: Transient | TargetDown, now: datetime, deadline: datetime
) -> RetryAt | GiveUp:
    """When to start the run again, if at all.

    `attempt` counts the attempts that failed transiently, this one included, from 1. Waits double
    from `policy.backoff` to `policy.max_backoff`, which also bounds what an agent may ask for.

    An agent that names the moment at which it takes work again is waited for until then, however
    near the deadline is: the timeout does not run meanwhile, and nobody has failed.
    """
    match failure:
        # Nobody failed: no attempt is used up, and the deadline moves along.
        case TargetDown(message, float() | int() as seconds, quota=True):
            longest = LONGEST_QUOTA.total_seconds()
            wait = max(TARGET_PAUSE, timedelta(seconds=min(max(seconds, 0.0), longest)))
            return RetryAt(now + wait, message, wait)
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
