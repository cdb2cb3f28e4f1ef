"""What is written reads the same under YAML 1.1 (PyYAML) and YAML 1.2 (ruamel)."""

import io
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.manifest.edit.writer import as_yaml
from reconciler.manifest.load.parse import parse

TRAPS = [
    *("on", "off", "yes", "No", "y", "N", "true", "False", "null", "Null", "~", "", " ", "="),
    *("<<", "12:30:45", "190:20:30", "1:1", "0o17", "017", "0x1F", "0b101", "1_000", "1e3", "1.e3"),
    *(".5", "5.", "1.5e+3", ".inf", "-.INF", ".nan", "2026-11-28", "2026-11-28T10:30:00Z"),
    *(" a", "a ", "\ta", "a\t", "a #b", "#a", "a: b", "a:", ":a", "- a", "-", "---", "...", "? a"),
    *("a\x85b", "a\u2028b", "a\u2029b", "\x85", "\ufeffa", "a\ufeff", "a\x00b", "\x7f", "\x1b[0m"),
    *("!a", "&a", "*a", "@a", "`a", "%a", "|", ">", "'a'", '"a"', "{a}", "[a]", "a, b", ","),
    *("a\nb", "a\n", "\na", "a\n\n", " a\nb", "a\n b\n", "a\r\nb", "a\rb", "a\n \n", "\n", "a \nb"),
    *(
        "# a\nb",
        "---\na",
        "...\na",
        "a\n---\nb",
        "a\n\u2028b",
        "a\n\tb",
        "\ta\nb",
        "é\n",
        "😀",
        "1d",
    ),
]


def read_1_1(text: str) -> Any:
    """As PyYAML does."""
    return yaml.safe_load(text)


def read_1_2(text: str) -> Any:
    """As ruamel does, in pure Python and without our own rules."""
    return YAML(typ="safe", pure=True).load(io.StringIO(text))


def read_here(text: str) -> Any:
    """As manifests are read."""
    parsed = parse(text.encode(), "f")
    assert parsed.problems == (), text
    return parsed.documents[0].value


READERS = [
    pytest.param(read_1_1, id="YAML 1.1"),
    pytest.param(read_1_2, id="YAML 1.2"),
    pytest.param(read_here, id="ours"),
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", TRAPS, ids=ascii)
def test_a_text_stays_a_text_wherever_it_stands(reader: Any, text: str) -> None:
    for document in (
        {"title": text},
        {"list": [text, text]},
        {"deep": {"list": [{"kind": text, "b": [text]}]}},
        {"a": {"b": text}},
    ):
        assert reader(as_yaml(document)) == document
    if text:
        assert reader(as_yaml({text: 1, "x": {text: text}})) == {text: 1, "x": {text: text}}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(TRAPS)
LINES = st.lists(st.sampled_from(["", " ", "a", " b", "\t", "# c", "- d", "e: f", "\x85"])).map(
    "\n".join
)
SCALARS = st.one_of(
    TEXTS,
    LINES,
    st.integers(),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
)
DOCUMENTS = st.dictionaries(
    TEXTS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
        max_leaves=8,
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("reader", READERS)
@given(document=DOCUMENTS)
@example(document={"a": 1e16, "b": 1e-5, "c": -1.5e300, "d": 0.5})
def test_any_document_reads_the_same(reader: Any, document: dict[str, Any]) -> None:
    assert reader(as_yaml(document)) == document
