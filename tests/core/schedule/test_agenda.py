"""The agenda of a trigger: its occurrences within startAt and endAt, with jitter."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.calendar.errors import ScheduleError
from reconciler.core.manifest.trigger import ScheduleTrigger
from reconciler.core.schedule.agenda import Agenda

ID = "7d3a0e0a-4c39-5c4b-9a54-2d0b0a6a1c11"


def at(clock: str) -> datetime:
    """A moment of the second of November."""
    return datetime.fromisoformat(f"2026-11-02T{clock}").replace(tzinfo=UTC)


def agenda(id_: str = ID, **when: object) -> Agenda:
    """The agenda of a trigger."""
    document = {"name": "clock", "kind": "schedule", **when}
    return Agenda.of(id_, ScheduleTrigger.model_validate(document))


def back(one: Agenda, before: str, not_before: str) -> list[str]:
    """Occurrences backwards, as `08:30`."""
    return [f"{moment:%H:%M}" for moment in one.newest_before(at(before), at(not_before))]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        pytest.param({}, ["08:30", "08:20", "08:10"], id="both ends are exclusive"),
        pytest.param({"startAt": "2026-11-02T08:20:00Z"}, ["08:30", "08:20"], id="from startAt"),
        pytest.param({"endAt": "2026-11-02T08:20:00Z"}, ["08:20", "08:10"], id="up to endAt"),
        pytest.param({"endAt": "2026-11-02T07:00:00Z"}, [], id="over before it began"),
    ],
)
def test_backwards(bounds: dict[str, str], expected: list[str]) -> None:
    assert back(agenda(cron="*/10 * * * *", **bounds), "08:40", "08:00") == expected


def test_next_is_exclusive_and_bounded() -> None:
    one = agenda(cron="*/10 * * * *", endAt="2026-11-02T08:20:00Z")
    assert one.next_after(at("08:10")) == at("08:20")
    assert one.next_after(at("08:20")) is None


def test_a_period_counts_from_its_start() -> None:
    one = agenda(every="7m", startAt="2026-11-02T08:01:00Z")
    assert back(one, "08:30", "07:00") == ["08:29", "08:22", "08:15", "08:08", "08:01"]


def test_what_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ScheduleError):
        agenda(at="tomorrow")


def test_without_jitter_it_is_due_at_its_moment() -> None:
    assert agenda(every="10m").due_at(at("08:10")) == at("08:10")


@given(jitter=st.integers(1, 3600), minutes=st.integers(1, 60), step=st.integers(0, 200))
def test_jitter_keeps_the_order(jitter: int, minutes: int, step: int) -> None:
    one = agenda(every=f"{minutes}m", jitter=f"{jitter}s")
    occurrence = one.next_after(at("08:00") + step * timedelta(minutes=minutes))
    assert occurrence is not None
    following = one.next_after(occurrence)
    assert following is not None
    assert occurrence <= one.due_at(occurrence) < following
    assert one.due_at(occurrence) - occurrence < timedelta(seconds=jitter)
    assert one.due_at(occurrence) == agenda(every=f"{minutes}m", jitter=f"{jitter}s").due_at(
        occurrence
    )


def test_jitter_differs_between_triggers() -> None:
    moments = {
        agenda(f"7d3a0e0a-4c39-5c4b-9a54-2d0b0a6a1c{number:02}", every="1h", jitter="30m").due_at(
            at("08:00")
        )
        for number in range(10, 40)
    }
    assert len(moments) > 25


def test_the_last_occurrence_of_all_has_jitter_too() -> None:
    one = agenda(at="2026-11-02T08:00Z", jitter="30m")
    assert at("08:00") <= one.due_at(at("08:00")) < at("08:30")


@given(first=st.integers(0, 500), length=st.integers(0, 500))
def test_the_count_is_what_is_enumerated(first: int, length: int) -> None:
    one = agenda(cron="*/7 * * * *")
    since = at("08:00") + timedelta(minutes=first)
    found = [*one.newest_before(since + timedelta(minutes=length), since)]
    if found:
        assert one.count(found[-1], found[0]) == (len(found), True)
