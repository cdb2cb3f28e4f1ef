"""Values replaced inside texts: the new text means the new value, in whatever way it is written."""

import json
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.manifest.edit.layout import CannotSplice
from reconciler.manifest.edit.places import same, value_of
from reconciler.manifest.edit.splice import spliced
from reconciler.manifest.edit.writer import Writer, inline
from reconciler.manifest.load.nodes import roots
from reconciler.manifest.load.parse import parse

texts = st.sampled_from(
    ["a", "b c", "no", "x: y", "l1\nl2\n", "l1\nl2", "  i\nj\n\n", "", "é", '"q"', "it's", "5"]
)
keys = st.sampled_from(["a", "b", "c", "d", "e", "name", "x y", "5"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)
mappings = st.dictionaries(keys, values, min_size=1, max_size=5)


def mutated(value: Any, data: st.DataObject) -> Any:
    """The value with one thing in it removed, added or replaced."""
    if not isinstance(value, dict | list) or not value or data.draw(st.integers(0, 6)) == 0:
        return data.draw(values)
    changed: Any = value.copy()
    places = list(changed) if isinstance(changed, dict) else list(range(len(changed)))
    place = data.draw(st.sampled_from(places))
    match data.draw(st.sampled_from(["remove", "add", "inside", "inside"])):
        case "remove":
            del changed[place]
        case "add" if isinstance(changed, dict):
            changed[data.draw(keys)] = data.draw(values)
        case "add":
            changed.insert(place, data.draw(values))
        case _:
            changed[place] = mutated(changed[place], data)
    return changed


def written(value: Any, data: st.DataObject) -> str:
    """The value in one of the ways in which people and programs write it."""
    writer = Writer(data.draw(st.integers(1, 4)), data.draw(st.integers(0, 4)))
    text = data.draw(
        st.sampled_from(
            [
                "\n".join(writer.block(value, 0)) + "\n",
                "\n".join(writer.block(value, 0)) + "\n# end\n",
                json.dumps(value, indent=2, ensure_ascii=False),
                json.dumps(value, ensure_ascii=False) + "\n",
                inline(value),
            ]
        )
    )
    text = data.draw(st.sampled_from(["", "# top\n", "---\n", "--- # top\n"])) + text
    return text.replace("\n", data.draw(st.sampled_from(["\n", "\r\n"])))


@settings(max_examples=400, deadline=None)
@given(mappings, st.data())
def test_the_new_text_means_the_new_value(value: dict[str, Any], data: st.DataObject) -> None:
    text = written(value, data)
    new = value
    for _ in range(data.draw(st.integers(1, 3))):
        new = mutated(new, data)
        assume(isinstance(new, dict) and new)
    try:
        result = spliced(text, roots(text)[0], new)
    except CannotSplice:
        return
    parsed = parse(result.encode(), "f")
    assert parsed.problems == (), result
    assert [same(document.value, new) for document in parsed.documents] == [True], result


@given(mappings, st.data())
def test_an_equal_value_changes_nothing(value: dict[str, Any], data: st.DataObject) -> None:
    text = written(value, data)
    (root,) = roots(text)
    assert same(value_of(root), value)
    assert spliced(text, root, value) == text


@given(st.lists(values, min_size=1, max_size=3), st.data())
def test_what_stands_around_a_changed_value_is_not_touched(
    around: list[Any], data: st.DataObject
) -> None:
    before = {"first": around, "changed": 1, "last": around}
    text = written(before, data)
    result = spliced(text, roots(text)[0], {**before, "changed": 2})
    start = text.index("changed")
    assert result == text[:start] + text[start:].replace("1", "2", 1)


def test_types_are_told_apart() -> None:
    assert not same(1, True)
    assert not same(1, 1.0)
    assert not same(0, "0")
    assert same({"a": [1], "b": None}, {"b": None, "a": [1]})
