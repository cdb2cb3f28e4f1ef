"""What is kept of a run's result."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.runs.result import RESULT_LIMIT, cut_result
from tests.support.counting import counting

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@pytest.mark.parametrize(
    ("result", "limit", "expected"),
    [
        pytest.param("short", 5, "short", id="a text that fits"),
        pytest.param(
            "a long text",
            4,
            "[cut: the first 7 bytes are not kept]\ntext",
            id="a text keeps its tail",
        ),
        pytest.param(
            "ab€", 2, "[cut: the first 3 bytes are not kept]\n", id="half a character is not kept"
        ),
        pytest.param({"n": [1, None]}, 100, {"n": [1, None]}, id="JSON that fits is kept as it is"),
        pytest.param(
            ["a", "é"],
            4,
            '[cut: the first 7 bytes are not kept]\né"]',
            id="JSON that does not is cut as a text",
        ),
        pytest.param("a\0b\ud800", 100, "a\ufffdb\ufffd", id="what no database stores"),
        pytest.param({"\0": ["\udfff"]}, 100, {"\ufffd": ["\ufffd"]}, id="also deep inside"),
        pytest.param([float("nan"), float("inf"), 1.5], 100, [None, None, 1.5], id="not in JSON"),
        pytest.param({1: 2}, 100, {"1": 2}, id="names are texts"),
        pytest.param(
            None, 1, "[cut: the first 3 bytes are not kept]\nl", id="even null has a size"
        ),
    ],
)
def test_cut_result(result: Any, limit: int, expected: Any) -> None:
    assert cut_result(result, limit) == expected


def test_a_result_without_end_is_not_kept() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert cut_result(deep) == "[the result nests too deeply to be kept]"


@given(JSON, st.integers(10, 200))
def test_what_is_kept_can_be_stored_and_is_bounded(result: Any, limit: int) -> None:
    kept = cut_result(result, limit)
    text = json.dumps(kept, ensure_ascii=False, allow_nan=False)
    assert "\x00" not in text
    text.encode("utf-8")
    size = len((kept if isinstance(kept, str) else text).encode())
    assert size <= limit + len("[cut: the first 9999999999 bytes are not kept]\n")
    assert cut_result(kept, RESULT_LIMIT) == kept


def test_what_is_cut_is_not_walked_value_by_value() -> None:
    values: list[Any] = [[] for _ in range(300_000)]
    with counting() as calls:
        kept = cut_result(values)
    assert isinstance(kept, str)
    assert kept.startswith("[cut: ")
    assert calls[0] < 1000
