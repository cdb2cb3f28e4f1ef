"""Leases of workers: how long one may be, and what a worker's own words become."""

from datetime import timedelta

from reconciler.core.runs.result import cut_result
from reconciler.core.runs.run import Completed, Failed, Json, Outcome, Reason
from reconciler.core.runs.usage import Usage

SHORTEST = timedelta(seconds=5)
LONGEST = timedelta(hours=1)


def lease_of(seconds: float) -> timedelta:
    """The lease that a worker asked for, within bounds."""
    return min(max(timedelta(seconds=seconds), SHORTEST), LONGEST)


def outcome_of(status: str, result: Json, usage: Usage | None = None) -> Outcome:
    """`completed` or `failed`, as an agent reports its own work; the result as it is kept."""
    cut = cut_result(result)
    if status == "completed":
        return Completed(cut, usage)
    message = result if isinstance(result, str) and result else "the agent reported a failure"
    return Failed(Reason.AGENT_FAILED, message[:2000], cut, usage)
