"""A glance at letters and a close look at the runs come to the same."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.runs.condition import (
    Health,
    Signs,
    condition_of,
    last_worked,
    recent_occurrences,
)
from reconciler.core.runs.glance import Glance, glance
from reconciler.core.runs.run import Reason, Source, Status
from reconciler.core.runs.standing import Switches

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOST = 5
STATUSES = {
    "c": (Status.COMPLETED, None),
    "f": (Status.FAILED, Reason.AGENT_FAILED),
    "n": (Status.SKIPPED, Reason.NOTHING_TO_DO),
    "s": (Status.SKIPPED, Reason.OVERLAP),
    "o": (Status.RUNNING, None),
}


@dataclass(frozen=True)
class Seen:
    """A run as health asks for it."""

    status: Status
    reason: Reason | None
    source: Source
    triggered_at: datetime
    scheduled_for: datetime | None
    completed_at: datetime | None = NOON


def run_of(letter: str, place: int) -> Seen:
    status, reason = STATUSES[letter.lower()]
    at = NOON - timedelta(hours=place)
    source = Source.SCHEDULE if letter.isupper() else Source.MANUAL
    return Seen(status, reason, source, at, at if letter.isupper() else None)


def looked_at(letters: str, scheduled: bool) -> Glance:
    """One run further back at a time, as the list does."""
    for count in range(len(letters) + 1):
        is_all = count == len(letters)
        verdict = glance(letters[:count], scheduled, is_all)
        if verdict is not Glance.MORE:
            break
    return verdict


@given(st.text("cfnsoCFNSO", max_size=MOST))
def test_both_find_the_same_trouble(letters: str) -> None:
    runs = [run_of(letter, place) for place, letter in enumerate(letters)]
    signs = Signs(
        switches=Switches(status=AutopilotStatus.ACTIVE),
        last=last_worked(runs),
        occurrences=recent_occurrences(runs, ()),
    )
    closely = condition_of(signs, NOON)
    verdict = looked_at(letters, any(letter.isupper() for letter in letters))
    assert (verdict is Glance.FAILED) == (closely.why == "the last run failed")
    assert (verdict is Glance.WELL) == (closely.health is Health.HEALTHY)


def test_of_most_one_letter_is_enough() -> None:
    assert glance("C", True, False) is Glance.WELL
    assert glance("c", False, False) is Glance.WELL
    assert glance("F", True, False) is Glance.FAILED
    assert glance("c", True, False) is Glance.MORE
