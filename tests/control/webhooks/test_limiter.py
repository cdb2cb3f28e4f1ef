"""Whoever guesses is slowed down, in a bounded table."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.control.webhooks.limiter import BadCredentials

HERE, THERE = "192.0.2.1", "192.0.2.2"


def failing(limiter: BadCredentials, times: int, at: float = 0.0) -> None:
    """So many failures at one moment."""
    for _ in range(times):
        limiter.failed(HERE, at)


def test_a_burst_is_let_through_and_no_more() -> None:
    limiter = BadCredentials(burst=3, refill=10)
    failing(limiter, 2)
    assert limiter.retry_after(HERE, 0) is None
    failing(limiter, 1)
    assert limiter.retry_after(HERE, 0) == 10


def test_waiting_as_long_as_told_is_enough() -> None:
    limiter = BadCredentials(burst=3, refill=10)
    failing(limiter, 50)
    wait = limiter.retry_after(HERE, 0)
    assert wait == 40
    assert limiter.retry_after(HERE, wait - 1) is not None
    assert limiter.retry_after(HERE, wait) is None


def test_others_are_not_concerned() -> None:
    limiter = BadCredentials(burst=1)
    failing(limiter, 5)
    assert limiter.retry_after(THERE, 0) is None


def test_the_table_is_bounded_and_forgets_the_least_recent() -> None:
    limiter = BadCredentials(burst=1, addresses=2)
    for address in ("a", "b", "a", "c"):
        limiter.failed(address, 0)
    assert [limiter.retry_after(one, 0) is None for one in "abc"] == [False, True, False]


@given(st.lists(st.floats(0, 100), max_size=60))
def test_who_waits_long_enough_is_always_let_in(moments: list[float]) -> None:
    limiter, now = BadCredentials(burst=5, refill=3), 0.0
    for pause in moments:
        now += pause
        limiter.failed(HERE, now)
        wait = limiter.retry_after(HERE, now)
        assert wait is None or 1 <= wait <= 5 * 2 * 3
        assert limiter.retry_after(HERE, now + (wait or 0) + 1) is None
