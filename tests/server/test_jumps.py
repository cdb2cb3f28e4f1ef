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
