"""Cron expressions in words: the same wherever they are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.calendar.cron_words import cron_words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        pytest.param("0 9 * * MON-FRI", "At 09:00, Monday through Friday", id="weekdays"),
        pytest.param("@daily", "Every day at 00:00", id="a macro"),
        pytest.param(" @Daily ", "Every day at 00:00", id="in any case, trimmed"),
        pytest.param("0 0 1-7 * 1", None, id="both days: words do not say which must match"),
        pytest.param("@reboot", None, id="an unknown macro"),
        pytest.param("*/15 * * * *", "Every 15 minutes", id="a step"),
        pytest.param("0 9 * * FRI#2", "At 09:00, on the second Friday of the month", id="second"),
        pytest.param("not a cron at all", None, id="not an expression"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_words(expression: str, words: str | None) -> None:
    assert cron_words(expression) == words


@given(st.text(st.sampled_from("0123456789*/,-#L@ abMON\n\u2028")) | st.text())
def test_words_never_fail(expression: str) -> None:
    cron_words(expression)
