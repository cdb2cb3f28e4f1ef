"""JSON Schemas of results: which can be used, and what does not fit them."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.checks.endless import endless_reference
from reconciler.core.manifest.checks.result_schema import mismatch, schema_problem

NUMBERS = json.dumps(
    {
        "type": "object",
        "required": ["labelled"],
        "properties": {"labelled": {"type": "array", "items": {"$ref": "#/$defs/number"}}},
        "$defs": {"number": {"type": "integer"}},
    }
)


def test_a_schema_that_can_be_used() -> None:
    assert schema_problem(NUMBERS) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("{", "this is not JSON", id="no JSON"),
        pytest.param("[" * 100_000, "this is not JSON", id="nested without end"),
        pytest.param("true", "is an object", id="no object"),
        pytest.param('{"type": "objekt"}', "at $.type", id="no schema"),
        pytest.param('{"$ref": "https://h.example/s"}', "leads out", id="another host"),
        pytest.param('{"items": {"$ref": "other.json"}}', "leads out", id="another file"),
        pytest.param('{"$dynamicRef": "file:///etc/passwd"}', "leads out", id="a dynamic one"),
    ],
)
def test_a_schema_that_cannot(text: str, told: str) -> None:
    assert told in (schema_problem(text) or "")


@pytest.mark.parametrize(
    ("text", "is_endless"),
    [
        pytest.param('{"$ref": "#"}', True, id="itself"),
        pytest.param('{"anyOf": [{"type": "null"}, {"$ref": "#"}]}', True, id="one way of several"),
        pytest.param('{"items": {"oneOf": [{"$ref": "#/items"}]}}', True, id="further down"),
        pytest.param('{"$defs": {"t": {"$anchor": "t", "not": {"$ref": "#t"}}}}', True, id="named"),
        pytest.param('{"$defs": {"a/~b": {"$ref": "#/$defs/a~1~0b"}}}', True, id="escaped"),
        pytest.param('{"items": {"$ref": "#"}}', False, id="a list of lists"),
        pytest.param('{"properties": {"next": {"$ref": "#"}}}', False, id="a chain of objects"),
        pytest.param('{"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {}}}', False, id="used"),
        pytest.param('{"const": {"$ref": "#"}}', False, id="a value that looks like one"),
        pytest.param('{"$ref": "#/allOf/7", "allOf": [{}]}', False, id="no part"),
        pytest.param(
            '{"$ref": "#/allOf/' + "9" * 5000 + '", "allOf": [{}]}', False, id="no number"
        ),
    ],
)
def test_a_reference_that_never_ends_is_refused(text: str, is_endless: bool) -> None:
    assert ("never ends" in (schema_problem(text) or "")) == is_endless


@given(st.lists(st.one_of(st.none(), st.integers(0, 7)), min_size=1, max_size=8))
def test_references_end_unless_they_go_round(onward: list[int | None]) -> None:
    """Each part refers to another one or to none."""
    parts = {
        f"p{number}": {} if target is None else {"$ref": f"#/$defs/p{target % len(onward)}"}
        for number, target in enumerate(onward)
    }
    goes_round = False
    for start in range(len(onward)):
        place: int | None = start
        for _ in onward:
            target = None if place is None else onward[place]
            place = None if target is None else target % len(onward)
        goes_round |= place is not None
    assert (endless_reference({"$defs": parts}) is not None) == goes_round


@pytest.mark.parametrize(
    "where",
    [
        pytest.param(lambda names: {"type": names}, id="type"),
        pytest.param(lambda names: {"properties": {"a": {"required": names}}}, id="required"),
        pytest.param(lambda names: {"dependencies": {"a": names}}, id="dependencies"),
        pytest.param(lambda names: {"dependentRequired": {"a": names}}, id="dependentRequired"),
    ],
)
def test_a_schema_of_thousands_of_odd_names_is_refused_at_once(where: Any) -> None:
    text = json.dumps(where([{"a": number} for number in range(4000)]))
    before = time.process_time()
    assert "a list of texts" in (schema_problem(text) or "")
    assert time.process_time() - before < 1


@pytest.mark.parametrize(
    ("value", "where"),
    [
        pytest.param({"labelled": [7]}, None, id="it fits"),
        pytest.param("All done!", "$: ", id="text"),
        pytest.param({}, "$: ", id="a field is missing"),
        pytest.param({"labelled": [7, "x"]}, "$.labelled[1]: ", id="further in"),
    ],
)
def test_where_a_result_does_not_fit(value: Any, where: str | None) -> None:
    told = mismatch(NUMBERS, value)
    assert (told is None) if where is None else (told or "").startswith(where)


@pytest.mark.parametrize(
    "text", ['{"$ref": "#/nowhere"}', '{"type": "string", "pattern": "("}', '{"$ref": "#"}']
)
def test_a_schema_that_fails_while_it_is_used_is_a_sentence(text: str) -> None:
    assert mismatch(text, "x") is not None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES, VALUES)
def test_no_schema_and_no_value_raise(schema: Any, value: Any) -> None:
    text = json.dumps(schema)
    if schema_problem(text) is None:
        told = mismatch(text, value)
        assert told is None or "\n" not in told
