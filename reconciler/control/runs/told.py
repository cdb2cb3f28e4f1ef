"""What can be said of a run in one sentence: what it waits for, how long it works, how it ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.core.base.units import format_duration
from reconciler.core.manifest.fields import format_instant
from reconciler.core.runs.key import noted_trouble
from reconciler.core.runs.run import Run, Status, WaitingFor


@dataclass(frozen=True, slots=True)
class Step:
    """One link of the chain: what it is about, the verdict in a word, and the sentence.

    `run` is the id of the run that it speaks of, if it speaks of one.
    """

    subject: str
    verdict: str
    why: str
    run: str | None = None


def told(run: Run, subject: str, now: datetime) -> Step:
    """What became of a run."""
    if run.waiting:
        blocked = f" for run {run.blocked_by}" if run.blocked_by else ""
        return Step(subject, "waiting", f"waits ({run.waiting_for}){blocked}", run.id)
    if run.status in (Status.SKIPPED, Status.FAILED):
        return Step(subject, run.status.value, f"{run.failure_reason} [{run.reason}]", run.id)
    if run.waiting_for in (WaitingFor.QUOTA, WaitingFor.APPROVAL) or (
        run.status is Status.PENDING and run.waiting_for is not None
    ):
        return Step(subject, "waiting", _held_back(run), run.id)
    if run.status in (Status.SESSION_CREATED, Status.RUNNING):
        return Step(subject, run.status.value, _under_way(run, now), run.id)
    prechecked = "; its precheck is asked whether there is anything to do"
    how = prechecked if run.precheck_due and run.precheck_handle is not None else ""
    return Step(subject, run.status.value, f"run {run.id} by {run.source}{how}", run.id)


def _held_back(run: Run) -> str:
    """An admitted run that has not been given to its agent."""
    agent = f" {run.agent}" if run.agent else ""
    what = {
        WaitingFor.AGENT: f"waits until its agent{agent} can be reached and has room, within the "
        "agent's maxConcurrency and the server's max_active_runs",
        WaitingFor.CLAIM: f"waits for a worker to claim it for agent{agent}",
        WaitingFor.QUOTA: f"waits until its agent{agent} has quota again; its timeout does not run",
        WaitingFor.APPROVAL: f"waits for a person to answer its agent{agent}; its timeout does not "
        "run",
        WaitingFor.RETRY: "waits for the next attempt of dispatch",
    }
    sentence = what.get(run.waiting_for) if run.waiting_for else None
    parts = [sentence or f"waits ({run.waiting_for})"]
    if run.next_attempt_at is not None:
        parts.append(f"next attempt at {format_instant(run.next_attempt_at)}")
    if run.deadline_at is not None:
        parts.append(f"until its deadline at {format_instant(run.deadline_at)}")
    return "; ".join([*parts, *([run.note] if run.note else [])])


def _under_way(run: Run, now: datetime) -> str:
    """A run that works, and since when: so one that hangs is seen."""
    if run.unjudged_since is not None:
        since = format_instant(run.unjudged_since)
        return f"the agent of run {run.id} was done at {since}; its result waits to be judged"
    started = run.started_at or run.admitted_at or run.triggered_at
    length = format_duration(max(timedelta(0), now - started))
    sentence = f"run {run.id} by {run.source} has been at work for {length}"
    if (trouble := noted_trouble(run)) is not None:
        sentence = f"{sentence}; {trouble}"
    if run.deadline_at is None:
        return sentence
    if run.deadline_at < now:
        return f"{sentence}; its deadline passed at {format_instant(run.deadline_at)}"
    return f"{sentence}; it is stopped at {format_instant(run.deadline_at)}"
