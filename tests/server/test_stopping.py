"""Signals while `serve` starts: the block ends, what is open is closed, nothing else is changed."""

import os
import signal
import subprocess
import sys

import pytest

from reconciler.server.stopping import NUMBERS, Stopped, stoppable


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_ends_the_block_and_what_is_open_is_closed(number: signal.Signals) -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    steps = []
    with stoppable() as request:
        try:
            os.kill(os.getpid(), number)
            steps.append("went on")
        finally:
            os.kill(os.getpid(), number)  # a second one does not interrupt the closing
            steps.append("closed")
    assert (steps, request.asked) == (["closed"], True)
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_once_somebody_is_to_be_called_nothing_is_interrupted() -> None:
    calls = []
    with stoppable() as request:
        request.call(lambda: calls.append("stop"))
        assert (request.asked, calls) == (False, [])
        os.kill(os.getpid(), signal.SIGTERM)
        assert (request.asked, calls) == (True, ["stop"])


def test_who_comes_after_the_signal_is_called_at_once() -> None:
    calls = []
    with stoppable() as request:
        request.asked = True
        request.call(lambda: calls.append("stop"))
        assert calls == ["stop"]


def test_a_signal_that_is_held_interrupts_nothing_and_is_heard_by_who_comes_next() -> None:
    calls = []
    with stoppable() as request:
        request.hold()
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.asked
        request.call(lambda: calls.append("stop"))
    assert calls == ["stop"]


def test_a_process_that_hangs_after_the_signal_is_ended_with_0() -> None:
    """Its main thread never comes back to Python, so that nothing else could end it."""
    program = (
        "import ctypes, os, signal\n"
        "from reconciler.server import stopping\n"
        "stopping.GRACE = 0.2\n"
        "with stopping.stoppable() as request:\n"
        "    request.call(lambda: ctypes.CDLL(None).pause())\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0


def test_nothing_that_handles_errors_takes_it_for_one() -> None:
    assert not issubclass(Stopped, Exception)


def test_an_error_of_the_block_stays_one() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with pytest.raises(ValueError, match="a mistake"), stoppable():
        raise ValueError("a mistake")
    assert [signal.getsignal(number) for number in NUMBERS] == before
