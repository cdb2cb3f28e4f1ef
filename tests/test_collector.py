"""The collector of cycles is spared while many values are made, and is as before afterwards."""

import gc
import threading
from collections.abc import Iterator

import pytest

from reconciler.collector import collecting_rarely, spare_what_lives


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    """Python's own, and whatever they were afterwards."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_the_thresholds_come_back_with_the_last_one_who_leaves() -> None:
    inside, leave = threading.Event(), threading.Event()

    def another() -> None:
        with collecting_rarely():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=another)
    with collecting_rarely():
        thread.start()
        assert inside.wait(60)
    assert gc.get_threshold()[0] > 700
    leave.set()
    thread.join(60)
    assert gc.get_threshold() == (700, 10, 10)


def test_an_error_puts_them_back() -> None:
    with pytest.raises(ValueError, match="broken"), collecting_rarely():
        raise ValueError("broken")
    assert gc.get_threshold() == (700, 10, 10)


def test_who_collects_nothing_goes_on_so() -> None:
    gc.set_threshold(0)
    with collecting_rarely():
        assert gc.get_threshold()[0] == 0
    assert gc.get_threshold()[0] == 0


def test_cycles_that_are_made_meanwhile_are_collected() -> None:
    class Cycle:
        alive = 0

        def __init__(self) -> None:
            Cycle.alive += 1
            self.me = self

        def __del__(self) -> None:
            Cycle.alive -= 1

    with collecting_rarely():
        for _ in range(200_000):
            Cycle()
        assert Cycle.alive < 100_000
    gc.collect()


def test_what_lives_once_a_server_is_built_is_walked_through_no_more() -> None:
    module = [object()]
    try:
        spare_what_lives()
        later = [object()]
        walked = gc.get_objects()
        assert any(each is later for each in walked)
        assert not any(each is module for each in walked)
    finally:
        gc.unfreeze()
