"""Jumps of the wall clock are told from time that passes."""

from datetime import timedelta

import pytest

from reconciler.server.jumps import JumpDetector
from tests.support.clock import FakeClock


@pytest.mark.parametrize(
    ("passes", "jumps", "found"),
    [
        pytest.param(30, 0, None, id="time passes"),
        pytest.param(30, 1, None, id="a little adjustment"),
        pytest.param(1, 3600, timedelta(hours=1), id="forward: as after a sleep of the machine"),
        pytest.param(1, -3600, timedelta(hours=-1), id="backward"),
    ],
)
def test_jumps(passes: float, jumps: float, found: timedelta | None) -> None:
    clock = FakeClock()
    detector = JumpDetector()
    assert detector.jumped(clock.now(), clock.monotonic()) is None
    clock.advance(seconds=passes)
    clock.jump(seconds=jumps)
    assert detector.jumped(clock.now(), clock.monotonic()) == found
    clock.advance(seconds=1)
    assert detector.jumped(clock.now(), clock.monotonic()) is None


def test_a_reading_that_comes_late_is_no_jump_back() -> None:
    """Two rounds read the clock, one before and one after a jump, and the later one is first."""
    clock, detector = FakeClock(), JumpDetector()
    detector.jumped(clock.now(), clock.monotonic())
    clock.advance(seconds=1)
    before = clock.now(), clock.monotonic()
    clock.advance(seconds=1)
    clock.jump(hours=1)
    assert detector.jumped(clock.now(), clock.monotonic()) == timedelta(hours=1)
    assert detector.jumped(*before) is None
    clock.advance(seconds=1)
    assert detector.jumped(clock.now(), clock.monotonic()) is None
