"""Signals while `serve` starts: the block ends, what is open is closed, nothing else is changed."""

import os
import signal

import pytest

from reconciler.cli.server.leaving import NUMBERS, Left, leaving


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_ends_the_block_and_what_is_open_is_closed(number: signal.Signals) -> None:
    before = [signal.getsignal(one) for one in NUMBERS]
    steps = []
    with leaving() as asked:
        try:
            os.kill(os.getpid(), number)
            steps.append("went on")
        finally:
            os.kill(os.getpid(), number)  # a second one does not interrupt the closing
            steps.append("closed")
    assert (steps, asked.asked) == (["closed"], True)
    assert [signal.getsignal(one) for one in NUMBERS] == before


def test_later_it_is_only_noted() -> None:
    with leaving() as asked:
        asked.later()
        assert not asked.asked
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.asked


def test_nothing_that_handles_errors_takes_it_for_one() -> None:
    assert not issubclass(Left, Exception)


def test_an_error_of_the_block_stays_one() -> None:
    before = [signal.getsignal(one) for one in NUMBERS]
    with pytest.raises(ValueError, match="a mistake"), leaving():
        raise ValueError("a mistake")
    assert [signal.getsignal(one) for one in NUMBERS] == before
