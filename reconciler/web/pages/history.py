"""The life of a run, moment by moment, and how long it has been at work."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.core.runs.approval import Approval
from reconciler.core.runs.precheck import Prechecked, Verdict, prechecked
from reconciler.core.runs.run import Reason, Run, Status
from reconciler.web.pages.words import duration, length

_ENDS = {
    Status.COMPLETED: "Completed",
    Status.FAILED: "Failed",
    Status.SKIPPED: "Skipped",
}
_VERDICTS = {
    Verdict.GO_ON: "there is something to do",
    Verdict.NOTHING_TO_DO: "there is nothing to do",
    Verdict.FAILED: "it failed, and no agent was asked",
}
_NOTICED = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Event:
    """One moment of a run's life. `after` says how long the one before it lasted."""

    at: datetime
    what: str
    detail: str = ""
    after: str = ""


def history(run: Run, asked: Approval | None = None, expected: str | None = None) -> list[Event]:
    """What was recorded of the run, oldest first.

    `asked` is what its agent asked last, `expected` what its result was judged by.
    """
    events = [*_events(run), *_question(asked), *_end(run, expected)]
    events.sort(key=lambda event: event.at)
    return [
        Event(event.at, event.what, event.detail, _after(earlier, event))
        for earlier, event in zip([None, *events], events, strict=False)
    ]


def working_since(run: Run) -> datetime | None:
    """Since when an agent has it; None for a run that no agent has (any more)."""
    if run.ended:
        return None
    # A session that has not said that it runs has been made for the run all the same.
    made = run.session_at or run.dispatched_at or run.admitted_at
    return run.started_at or (made if run.status is Status.SESSION_CREATED else None)


def _after(earlier: Event | None, event: Event) -> str:
    distance = event.at - earlier.at if earlier else timedelta(0)
    return f"after {length(distance)}" if distance >= _NOTICED else ""


def _events(run: Run) -> Iterator[Event]:
    yield Event(run.triggered_at, "Triggered", _trigger(run))
    if run.admitted_at:
        yield Event(run.admitted_at, "Admitted", "forced past the policy" if run.forced else "")
    yield from _precheck(prechecked(run))
    if run.dispatched_at:
        yield Event(run.dispatched_at, "Dispatched", _to(run))
    if run.session_at and run.session_id:
        yield Event(run.session_at, "Session", run.session_id)
    if run.started_at:
        yield Event(run.started_at, "Started", _start(run))
    if run.cancel_requested_at:
        yield Event(run.cancel_requested_at, "Asked to stop", run.cancel_note or "")


def _precheck(precheck: Prechecked | None) -> Iterator[Event]:
    if precheck is None:
        return
    if precheck.began is not None:
        yield Event(precheck.began, "Precheck began")
    if precheck.ended is not None and precheck.verdict is not None:
        took = precheck.took
        length = f", in {duration(took // timedelta(milliseconds=1))}" if took is not None else ""
        yield Event(precheck.ended, "Prechecked", f"{_VERDICTS[precheck.verdict]}{length}")


def _end(run: Run, expected: str | None) -> Iterator[Event]:
    """What an agent called done was judged first, and in the same moment."""
    if run.completed_at is None:
        return
    unmet = run.reason is Reason.EXPECTATION_UNMET
    if expected is not None and (unmet or run.status is Status.COMPLETED):
        verdict = "is not met" if unmet else "is met"
        yield Event(run.completed_at, "Result judged", f"{expected} {verdict}")
    yield Event(run.completed_at, _ENDS[run.status], run.failure_reason or "")


def _question(asked: Approval | None) -> Iterator[Event]:
    if asked is None:
        return
    yield Event(asked.asked_at, "Asked for permission", asked.question)
    if asked.settled_at is not None:
        answer = f"{asked.decision} by {asked.decided_by}" if asked.decision else ""
        yield Event(asked.settled_at, "Went on", answer)


def _trigger(run: Run) -> str:
    by = f" by {run.actor}" if run.actor else ""
    return f"{run.source}{f' trigger {run.trigger}' if run.trigger else ''}{by}"


def _to(run: Run) -> str:
    agent = f"to agent {run.agent}" if run.agent else ""
    return f"{agent}, attempt {run.attempts}" if run.attempts > 1 else agent


def _start(run: Run) -> str:
    """What no moment of its own tells: runs from before these were recorded have none."""
    by = f"by agent {run.agent}" if run.agent and not run.dispatched_at else ""
    session = f"session {run.session_id}" if run.session_id and not run.session_at else ""
    attempt = f"attempt {run.attempts}" if run.attempts > 1 and not run.dispatched_at else ""
    return ", ".join(filter(None, (by, session, attempt)))
