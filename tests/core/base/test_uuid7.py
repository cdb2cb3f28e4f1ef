"""Ids that sort by time."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from reconciler.clock import Ids
from reconciler.core.base.uuid7 import TAIL_BITS, uuid7

moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds of Hypothesis are naive
tails = st.integers(0, 2**TAIL_BITS - 1)


@given(moments, tails)
def test_it_is_a_version_7(at: datetime, tail: int) -> None:
    id_ = UUID(uuid7(at, tail))
    assert (id_.version, id_.variant) == (7, RFC_4122)
    assert id_.int >> 80 == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@given(moments, moments, tails, tails)
def test_later_is_greater(one: datetime, other: datetime, tail: int, tail2: int) -> None:
    first, second = sorted((one, other))
    if second - first > timedelta(microseconds=1):
        assert uuid7(first, tail) < uuid7(second, tail2)


@given(moments, tails, tails)
def test_within_a_moment_the_tail_decides(at: datetime, one: int, other: int) -> None:
    assert (uuid7(at, one) < uuid7(at, other)) == (one < other)


def test_ids_of_one_process_sort_in_the_order_in_which_they_were_made() -> None:
    ids, at = Ids(), datetime(2026, 11, 2, tzinfo=UTC)
    made = [ids.new(at + timedelta(milliseconds=number // 100)) for number in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
