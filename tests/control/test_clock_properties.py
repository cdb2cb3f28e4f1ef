"""Schedules under a clock that jumps as it likes: nothing fires twice, nothing stays silent."""

import asyncio
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.server.clock_check import ClockCheck
from reconciler.telemetry import Metrics
from tests.control.conftest import Fresh
from tests.support.clock import START
from tests.support.rig import Rig, agent, autopilot, schedule

MONTH = 30 * 24 * 3600
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(1, 7200)),
        st.tuples(st.just("jump"), st.integers(-3 * 3600, 3 * 3600)),
        st.tuples(st.just("jump"), st.sampled_from([-MONTH, MONTH, 120 * MONTH])),
        st.tuples(st.just("edit"), st.integers(1, 10)),
        st.tuples(st.just("crash"), st.just(0)),
    ),
    min_size=1,
    max_size=8,
)


class World:
    """A rig whose clock may be wrong, and the server process that looks at it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.ahead = timedelta(0)
        self.minutes = 7
        self.crash()

    def crash(self) -> None:
        """Another process goes on: it has seen no jump."""
        self.check = ClockCheck(self.rig.database, self.rig.clock, "here", Metrics())

    def apply(self) -> None:
        """The schedule as it is now."""
        trigger = schedule(f"*/{self.minutes} * * * *")
        self.rig.apply(agent(), autopilot("triage", trigger, maxConcurrency=100, maxActive=1000))

    def jump(self, seconds: float) -> None:
        """Set the clock by so much."""
        self.ahead += timedelta(seconds=seconds)
        self.rig.clock.jump(seconds=seconds)

    def round(self, seconds: float = 0) -> None:
        """Time passes, then the server does a round."""
        self.rig.clock.advance(seconds=seconds)
        asyncio.run(self.check.check())
        self.rig.tick()

    def step(self, what: str, value: int) -> None:
        """One of `STEPS`, and a round after it."""
        match what:
            case "jump":
                self.jump(value)
            case "edit":
                self.minutes = value
                self.apply()
            case "crash":
                self.crash()
        self.round(value if what == "pass" else 0)


def live_through(fresh: Fresh, steps: list[tuple[str, int]]) -> None:
    """Let it all happen, then set the clock right and wait for an hour."""
    with fresh(START) as rig:
        world = World(rig)
        world.apply()
        for what, value in steps:
            world.step(what, value)
        world.jump(-world.ahead.total_seconds())
        world.round()
        right_again = rig.clock.now()
        for _ in range(7):
            world.round(600)
        moments = [run.scheduled_for for run in rig.runs() if run.scheduled_for]
        assert len(moments) == len(set(moments))
        assert fired_since(moments, right_again + timedelta(hours=1), rig.clock.now())
        assert all(one.last is None or one.last <= rig.clock.now() for one in rig.missed())


def fired_since(moments: list[datetime], after: datetime, until: datetime) -> bool:
    """Whether some occurrence within that time became a run."""
    return any(after - timedelta(minutes=1) <= moment <= until for moment in moments)


@pytest.mark.hypothesis
def test_nothing_fires_twice_or_stays_silent_whatever_the_clock_does(on_sqlite: Fresh) -> None:
    @settings(max_examples=40, deadline=None)
    @given(STEPS)
    def story(steps: list[tuple[str, int]]) -> None:
        live_through(on_sqlite, steps)

    story()


@pytest.mark.hypothesis
@pytest.mark.postgres
def test_nothing_fires_twice_or_stays_silent_on_postgresql(on_postgres: Fresh) -> None:
    @settings(max_examples=6, deadline=None)
    @given(STEPS)
    def story(steps: list[tuple[str, int]]) -> None:
        live_through(on_postgres, steps)

    story()
