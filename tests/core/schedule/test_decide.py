"""Which occurrences start now, which are recorded as not started: the table of docs/time.md."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.trigger import CatchUp, ScheduleTrigger
from reconciler.core.runs.run import MissedReason
from reconciler.core.runs.standing import InForce, NotInForce, Standing
from reconciler.core.schedule.agenda import Agenda
from reconciler.core.schedule.decide import MOST_AT_ONCE, Decision, Span, decide, upcoming

ID = "7d3a0e0a-4c39-5c4b-9a54-2d0b0a6a1c11"
PAUSED = NotInForce("paused", "paused by ada")


def at(clock: str, day: int = 2) -> datetime:
    """A moment of a Monday in November, as `08:30` or `08:30:15`."""
    return datetime.fromisoformat(f"2026-11-{day:02}T{clock}").replace(tzinfo=UTC)


def agenda(**schedule: object) -> Agenda:
    """The agenda of a trigger, every ten minutes unless said otherwise."""
    when = schedule if {"cron", "every", "at"} & schedule.keys() else {"every": "10m", **schedule}
    document = {"name": "clock", "kind": "schedule", **when}
    return Agenda.of(ID, ScheduleTrigger.model_validate(document))


TENS = agenda()


def started(decision: Decision) -> list[str]:
    """The moments that start, as `08:30`."""
    return [f"{moment:%H:%M}" for moment in decision.starts]


def recorded(decision: Decision) -> list[str]:
    """The spans, as `missed 08:10-08:20 (2)`."""
    return [f"{s.reason} {s.first:%H:%M}-{s.last:%H:%M} ({s.count})" for s in decision.spans]


IN = InForce()


@pytest.mark.parametrize(
    ("cursor", "now", "catch_up", "window", "standing", "starts", "spans"),
    [
        pytest.param("08:00", "08:09", "latest", "1h", IN, [], [], id="nothing is due"),
        pytest.param("08:00", "08:10", "latest", "1h", IN, ["08:10"], [], id="due to the second"),
        pytest.param("08:10", "08:10", "latest", "1h", IN, [], [], id="the cursor is exclusive"),
        pytest.param("08:00", "08:15", "latest", "1h", IN, ["08:10"], [], id="a little late"),
        pytest.param(
            "08:00", "08:35", "latest", "1h", IN, ["08:30"], ["missed 08:10-08:20 (2)"],
            id="latest: the newest starts, those before it are one interval",
        ),
        pytest.param(
            "08:00", "08:35", "latest", "5m", IN, ["08:30"], ["missed 08:10-08:20 (2)"],
            id="latest: just within the window",
        ),
        pytest.param(
            "08:00", "08:35", "latest", "4m", IN, [], ["missed 08:10-08:30 (3)"],
            id="latest: the newest is too late as well",
        ),
        pytest.param(
            "08:00", "08:31", "none", "1h", IN, ["08:30"], ["missed 08:10-08:20 (2)"],
            id="none: a minute late still starts",
        ),
        pytest.param(
            "08:00", "08:31:01", "none", "1h", IN, [], ["missed 08:10-08:30 (3)"],
            id="none: a second more does not",
        ),
        pytest.param(
            "08:00", "08:30:31", "none", "30s", IN, [], ["missed 08:10-08:30 (3)"],
            id="none: a window below a minute counts",
        ),
        pytest.param(
            "08:00", "08:35", "all", "1h", IN, ["08:10", "08:20", "08:30"], [],
            id="all: each one, oldest first",
        ),
        pytest.param(
            "08:00", "08:35", "all", "15m", IN, ["08:20", "08:30"], ["missed 08:10-08:10 (1)"],
            id="all: each one within the window",
        ),
        pytest.param(
            "08:00", "08:35", "all", "1h", PAUSED, [], ["paused 08:10-08:30 (3)"],
            id="not in force: one interval, whatever catch-up says",
        ),
        pytest.param(
            "08:00", "08:35", "all", "1h", InForce(at("08:20")), ["08:30"],
            ["paused 08:10-08:20 (2)"], id="resumed: what was before stays paused",
        ),
        pytest.param(
            "08:00", "08:35", "latest", "1h", InForce(at("08:12")), ["08:30"],
            ["paused 08:10-08:10 (1)", "missed 08:20-08:20 (1)"],
            id="resumed, then late: two intervals side by side",
        ),
        pytest.param(
            "08:00", "08:35", "latest", "1h", InForce(at("08:34")), [],
            ["paused 08:10-08:30 (3)"], id="resumed after the newest: nothing starts",
        ),
        pytest.param(
            "08:10", "08:35", "latest", "1h", InForce(at("07:00")), ["08:30"],
            ["missed 08:20-08:20 (1)"], id="resumed long ago: no longer of interest",
        ),
    ],
)  # fmt: skip
def test_decide(
    cursor: str,
    now: str,
    catch_up: str,
    window: str,
    standing: Standing,
    starts: list[str],
    spans: list[str],
) -> None:
    units = {"h": 3600, "m": 60, "s": 1}
    decision = decide(
        TENS,
        at(cursor),
        at(now),
        standing=standing,
        catch_up=CatchUp(catch_up),
        window=timedelta(seconds=int(window[:-1]) * units[window[-1]]),
    )
    assert (started(decision), recorded(decision)) == (starts, spans)


def test_the_cursor_is_the_newest_that_was_decided_and_next_the_one_after() -> None:
    decision = decide(TENS, at("08:00"), at("08:35"), standing=InForce())
    assert decision.cursor == at("08:30")
    assert decision.next is not None
    assert decision.next.scheduled_for == decision.next.run_at == at("08:40")


def test_nothing_due_leaves_the_cursor_and_says_when_to_look_again() -> None:
    decision = decide(TENS, at("08:00"), at("08:05"), standing=InForce())
    assert decision == Decision((), (), None, upcoming(TENS, at("08:00")))


def test_catching_up_is_bounded() -> None:
    minutes = agenda(every="1m")
    decision = decide(
        minutes,
        at("00:00"),
        at("23:59"),
        standing=InForce(),
        catch_up=CatchUp.ALL,
        window=timedelta(days=1),
    )
    assert len(decision.starts) == MOST_AT_ONCE
    assert decision.starts[-1] == at("23:59")
    (span,) = decision.spans
    assert span.count + MOST_AT_ONCE == 23 * 60 + 59


def test_a_month_away_is_one_span_and_its_count_says_when_it_is_a_bound() -> None:
    decision = decide(agenda(cron="* * * * *"), at("08:00"), at("08:00", 30), standing=InForce())
    (span,) = decision.spans
    assert (span.first, span.last) == (at("08:01"), at("07:59", 30))
    assert span.exact is False
    assert span.count < 43_200


def test_the_end_of_a_schedule_leaves_nothing_next() -> None:
    ended = agenda(endAt="2026-11-02T08:20:00Z")
    decision = decide(ended, at("08:00"), at("09:00"), standing=InForce())
    assert (started(decision), recorded(decision)) == (["08:20"], ["missed 08:10-08:10 (1)"])
    assert decision.next is None
    again = decide(ended, at("08:20"), at("10:00"), standing=InForce())
    assert again == Decision((), (), None, None)


def test_a_single_moment_starts_once() -> None:
    once = agenda(at="2026-11-02T08:30Z")
    decision = decide(once, at("08:00"), at("08:31"), standing=InForce())
    assert (started(decision), decision.next) == (["08:30"], None)


class TestJitter:
    """Lateness counts from the nominal moment plus jitter; `starts` stay nominal."""

    spread = agenda(jitter="9m")
    due = spread.due_at(at("08:10"))

    def test_is_below_the_gap(self) -> None:
        assert at("08:10") < self.due < at("08:20")

    def test_waits_for_its_jitter(self) -> None:
        just_before = self.due - timedelta(milliseconds=1)
        decision = decide(self.spread, at("08:00"), just_before, standing=InForce())
        assert decision.cursor is None
        assert decision.next is not None
        assert (decision.next.scheduled_for, decision.next.run_at) == (at("08:10"), self.due)

    def test_starts_with_its_jitter_under_its_nominal_moment(self) -> None:
        decision = decide(self.spread, at("08:00"), self.due, standing=InForce())
        assert decision.starts == (at("08:10"),)

    def test_is_no_lateness(self) -> None:
        still = self.due + timedelta(minutes=1)
        decision = decide(
            self.spread, at("08:00"), still, standing=InForce(), catch_up=CatchUp.NONE
        )
        assert decision.starts == (at("08:10"),)

    def test_one_that_waits_does_not_hold_up_the_one_before(self) -> None:
        waiting = self.spread.due_at(at("08:20")) - timedelta(milliseconds=1)
        decision = decide(self.spread, at("08:00"), waiting, standing=InForce())
        assert (decision.starts, decision.cursor) == ((at("08:10"),), at("08:10"))


standings = st.one_of(
    st.just(InForce()),
    st.just(PAUSED),
    st.builds(
        lambda minutes: InForce(at("08:00") + timedelta(minutes=minutes)), st.integers(-30, 400)
    ),
)


@given(
    every=st.integers(1, 90),
    jitter=st.sampled_from(["0s", "30s", "20m"]),
    passed=st.lists(st.integers(0, 20_000), min_size=1, max_size=6),
    catch_up=st.sampled_from(list(CatchUp)),
    window=st.integers(1, 7200),
    standing=standings,
)
def test_every_occurrence_is_decided_once(
    every: int, jitter: str, passed: list[int], catch_up: CatchUp, window: int, standing: Standing
) -> None:
    """Whatever the rounds: between the first cursor and the last, each starts or is in one span."""
    timetable = agenda(every=f"{every}m", jitter=jitter)
    cursor = now = at("08:00")
    starts: list[datetime] = []
    spans: list[Span] = []
    for seconds in passed:
        now += timedelta(seconds=seconds)
        terms = {"standing": standing, "catch_up": catch_up, "window": timedelta(seconds=window)}
        decision = decide(timetable, cursor, now, **terms)  # type: ignore[arg-type]
        starts += decision.starts
        spans += decision.spans
        cursor = decision.cursor or cursor
        again = decide(timetable, cursor, now, **terms)  # type: ignore[arg-type]
        assert (again.starts, again.spans, again.cursor) == ((), (), None)
        assert again.next == decision.next
        assert decision.next is not None
        assert decision.next.run_at > now
    due = [*timetable.newest_before(cursor + timedelta(microseconds=1), at("08:00"))]
    for occurrence in due:
        covering = [span for span in spans if span.first <= occurrence <= span.last]
        assert starts.count(occurrence) + len(covering) == 1
    assert sum(span.count for span in spans) + len(starts) == len(due)
    assert starts == sorted(starts)
    assert {span.reason for span in spans} <= {MissedReason.PAUSED, MissedReason.MISSED}
    if isinstance(standing, NotInForce):
        assert starts == []
