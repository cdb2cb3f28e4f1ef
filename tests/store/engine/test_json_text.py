"""JSON of columns: what was written is read back, whatever it holds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.store.engine.json_text import as_json, read_json

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.text(st.characters(categories=["Cs"]), max_size=1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    text = as_json(value)
    assert read_json(text) == json.loads(text) == value
    assert not any("\ud800" <= character <= "\udfff" for character in text)


@given(st.text())
def test_a_text_that_is_no_json_is_itself(text: str) -> None:
    read = read_json(text)
    try:
        assert read == json.loads(text)
    except ValueError:
        assert read == text


@pytest.mark.parametrize("value", [{"a": [1, {}]}, "", [], 10**400], ids=str)
def test_it_is_as_short_as_can_be(value: Any) -> None:
    assert as_json(value) == json.dumps(value, separators=(",", ":"))
