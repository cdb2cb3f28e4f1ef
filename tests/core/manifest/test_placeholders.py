"""Values in addresses, bodies and headers: escaped, so that they change nothing but themselves."""

import json
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.placeholders import address, body, expressions_in, header
from reconciler.core.manifest.reach import admits

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("written", "values", "sent"),
    [
        pytest.param({"a": "{{ prompt }}"}, {" prompt ": 'x"y\n'}, {"a": 'x"y\n'}, id="a text"),
        pytest.param(
            {"a": "{{ run.payload }}"},
            {" run.payload ": {"n": 1}},
            {"a": {"n": 1}},
            id="a placeholder alone keeps its type",
        ),
        pytest.param(
            {"a": "#{{ run.payload }}"},
            {" run.payload ": 3},
            {"a": "#3"},
            id="within a text it becomes text",
        ),
        pytest.param(
            {"{{ prompt }}": [1, None, True, {}]},
            {},
            {"{{ prompt }}": [1, None, True, {}]},
            id="names and what is no text stay as they are",
        ),
        pytest.param(
            '{"a": "{{ prompt }}", "b": {{ run.payload }}}',
            {" prompt ": '"', " run.payload ": [1]},
            {"a": '"', "b": [1]},
            id="JSON as a text, within quotes and outside",
        ),
        pytest.param(
            '{"a": {{ prompt }}}',
            {" prompt ": "}"},
            {"a": "}"},
            id="a text outside of quotes gets its own",
        ),
        pytest.param(
            '{"a": "\\"{{ prompt }}"}',
            {" prompt ": "x"},
            {"a": '"x'},
            id="an escaped quote ends nothing",
        ),
    ],
)
def test_a_body_is_json(written: Any, values: dict[str, Any], sent: Any) -> None:
    assert json.loads(body(written, values)) == sent


@given(value=JSON)
def test_no_value_changes_what_stands_around_it(value: Any) -> None:
    values = {"run.payload": value}
    around = {"role": "user", "text": "{{run.payload}}", "n": [1]}
    assert json.loads(body(around, values)) == {**around, "text": value}
    text = '{"role": "user", "text": "<{{run.payload}}>", "raw": {{run.payload}}, "n": [1]}'
    read = json.loads(body(text, values))
    assert [*read] == ["role", "text", "raw", "n"]
    assert read["raw"] == value
    assert (read["role"], read["n"]) == ("user", [1])
    if isinstance(value, str):
        assert read["text"] == f"<{value}>"


@given(value=TEXT)
def test_a_value_in_an_address_is_one_segment_or_one_value(value: str) -> None:
    url = address(
        "https://api.example.org/v1/{{handle.id}}/runs?tag={{handle.id}}&n=1",
        {"handle.id": value},
    )
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.example.org", "")
    _, version, segment, last = parts.path.split("/")
    assert (version, last, unquote(segment)) == ("v1", "runs", value)
    tag, n = parts.query.split("&")
    assert (unquote(tag), n) == (f"tag={value}", "n=1")
    if value in (".", ".."):
        assert not admits(["https://api.example.org"], url), "a step upwards is admitted by nobody"


@pytest.mark.parametrize("value", [None, "", [], {}, ["a"], {"a": 1}])
def test_what_has_no_place_in_an_address_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"handle\.id .*cannot stand in an address"):
        address("https://h/{{ handle.id }}", {" handle.id ": value})


def test_a_header_takes_text() -> None:
    assert header("run {{ run.id }}", {" run.id ": "7"}) == "run 7"


def test_expressions_are_those_of_all_texts() -> None:
    written = {"a": ["{{ prompt }} {{ run.id }}", 1, None], "b": {"c": "{{ run.title }}"}}
    assert [*expressions_in(written)] == [" prompt ", " run.id ", " run.title "]
