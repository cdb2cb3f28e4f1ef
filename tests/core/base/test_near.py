"""Near misses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.near import did_you_mean, listed, near, shown

WORDS = ["concurrencyPolicy", "concurrencyKey", "title", "timeout", "triggers"]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        pytest.param("concurencyPolicy", "concurrencyPolicy", id="a letter too few"),
        pytest.param("concurrency_policy", "concurrencyPolicy", id="snake case"),
        pytest.param("Concurrency-Key", "concurrencyKey", id="dashes and capitals"),
        pytest.param("trigger", "triggers", id="singular"),
        pytest.param("titel", "title", id="two letters exchanged"),
        pytest.param("zzz", None, id="nothing like it"),
        pytest.param("", None, id="nothing"),
        pytest.param("title" * 1000, None, id="far too long"),
    ],
)
def test_near(word: str, found: str | None) -> None:
    assert near(word, WORDS) == found


def test_sentences() -> None:
    assert did_you_mean("titel", WORDS) == ", did you mean 'title'?"
    assert did_you_mean("zzz", WORDS) == ""
    assert listed(["a"]) == "'a'"
    assert listed(["a", "b", "c"]) == "'a', 'b' or 'c'"
    assert listed(["a", "b"], "and") == "'a' and 'b'"
    assert listed([]) == ""


@given(st.text())
def test_what_is_shown_is_printable_and_short(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text, 10)) <= 102


@given(st.text(max_size=20), st.lists(st.text(max_size=20)))
def test_what_is_near_is_allowed(word: str, allowed: list[str]) -> None:
    assert near(word, allowed) in [None, *allowed]
