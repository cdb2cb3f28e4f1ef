"""Lists that are as long as was asked for, whatever some of their rows hold."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.store.engine.paging import filled


def fill(rows: Sequence[int | None], most: int) -> tuple[list[int], list[int]]:
    """What is made of rows, of which None is one that cannot be read; and how many were read."""
    asked: list[int] = []

    def read(limit: int) -> Sequence[Any]:
        asked.append(limit)
        return rows[:limit]

    def made(page: Sequence[Any]) -> list[int]:
        return [row for row in page if row is not None]

    return filled(read, made, most), asked


@given(st.lists(st.none() | st.integers()), st.integers(1, 10))
def test_the_first_that_can_be_read_are_given_as_many_as_were_asked_for(
    rows: list[int | None], most: int
) -> None:
    assert fill(rows, most)[0] == [row for row in rows if row is not None][:most]


@pytest.mark.parametrize("most", [1, 50])
def test_however_many_cannot_be_read_few_reads_pass_over_them(most: int) -> None:
    broken = 10_000
    values, asked = fill([None] * broken + [1], most)
    assert values == [1]
    assert sum(asked) < 5 * broken
