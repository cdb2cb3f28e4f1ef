"""YAML to values: what is read, what is refused, and where it stands."""

import time
from typing import Any

import pytest

from reconciler.core.base.codes import Code
from reconciler.manifest.load.parse import parse


def values(text: str | bytes) -> list[Any]:
    parsed = parse(text.encode() if isinstance(text, str) else text, "f.yaml")
    assert parsed.problems == ()
    return [document.value for document in parsed.documents]


def found(text: str | bytes) -> list[tuple[int, int, str, str]]:
    parsed = parse(text.encode() if isinstance(text, str) else text, "f.yaml")
    return [(p.line, p.column, p.field, p.code) for p in parsed.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: no\non: yes\n", {"a": "no", "on": "yes"}, id="no, on and yes are text"),
        pytest.param("a: 010", {"a": 10}, id="010 is ten"),
        pytest.param("a: '010'", {"a": "010"}, id="quotes make a text"),
        pytest.param("a: |\n  x\n  y\n", {"a": "x\ny\n"}, id="a literal block"),
        pytest.param("a: >-\n  x\n  y\n", {"a": "x y"}, id="a folded block"),
        pytest.param("{a: [1, {b: c}]}", {"a": [1, {"b": "c"}]}, id="flow collections"),
        pytest.param("a: x != y && *z", {"a": "x != y && *z"}, id="indicators inside a text"),
        pytest.param("{u: http://h:1/p, v: 1}", {"u": "http://h:1/p", "v": 1}, id="a URL in flow"),
        pytest.param("[a:b, 'c':d]", ["a:b", {"c": "d"}], id="a colon in a flow list"),
        pytest.param('{"a":1,"b":{"c":[]}}', {"a": 1, "b": {"c": []}}, id="JSON without blanks"),
        pytest.param('{\n\t"a":\t"\\/"\n}\n', {"a": "/"}, id="JSON with tabs"),
        pytest.param('{"a": "\\ud83d\\ude00!"}', {"a": "😀!"}, id="JSON with a pair of surrogates"),
        pytest.param('--- {"a": "\\ud83d\\ude00"}', {"a": "😀"}, id="the same behind ---"),
        pytest.param('{"a": "\\\\ud83d\\\\ude00"}', {"a": "\\ud83d\\ude00"}, id="a backslash"),
        pytest.param("\ufeffa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}, id="a byte order mark and CRLF"),
        pytest.param("a: 'é…😀'", {"a": "é…😀"}, id="beyond ASCII"),
        pytest.param("? a\n: b", {"a": "b"}, id="an explicit key"),
    ],
)
def test_one_document(text: str, value: object) -> None:
    assert values(text) == [value]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# only a comment\n", "---\n", "---\n---\n# none\n", "\ufeff"]
)
def test_nothing_is_no_document(text: str) -> None:
    assert values(text) == []


def test_several_documents_and_where_they_start() -> None:
    parsed = parse(b"# first\na: 1\n---\n---\n  b: 2\n--- {c: 3}\n", "f.yaml")
    assert [d.value for d in parsed.documents] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert [(d.line, d.column) for d in parsed.documents] == [(2, 1), (5, 3), (6, 5)]


def test_an_explicit_null_is_a_document() -> None:
    assert values("---\n~\n") == [None]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("%YAML 1.1\n---\na: 1", (1, 1, "", Code.YAML_DIRECTIVE), id="%YAML"),
        pytest.param("%TAG ! x:\n---\na: 1", (1, 1, "", Code.YAML_DIRECTIVE), id="%TAG"),
        pytest.param("a: !x b", (1, 4, "a", Code.YAML_TAG), id="a tag"),
        pytest.param("a:\n- !!str 5", (2, 3, "a[0]", Code.YAML_TAG), id="a standard tag"),
        pytest.param("a: ! 5", (1, 4, "a", Code.YAML_TAG), id="the non-specific tag"),
        pytest.param("a: !!map {}", (1, 4, "a", Code.YAML_TAG), id="a tag on a mapping"),
        pytest.param("a: {b: &x 5}", (1, 8, "a.b", Code.YAML_ANCHOR), id="an anchor"),
        pytest.param("&x a: 5", (1, 1, "", Code.YAML_ANCHOR), id="an anchor on a key"),
        pytest.param("a: [1, *x]", (1, 8, "a[1]", Code.YAML_ALIAS), id="an alias"),
        pytest.param("<<: {a: 1}", (1, 1, "", Code.YAML_MERGE), id="a merge key"),
        pytest.param("a: 1\nb: {c: 1, c: 2}", (2, 11, "b.c", Code.YAML_DUPLICATE_KEY), id="twice"),
        pytest.param('a: 1\n"a": 2', (2, 1, "a", Code.YAML_DUPLICATE_KEY), id="twice, in quotes"),
        pytest.param("1: a", (1, 1, "", Code.YAML_KEY), id="a number as key"),
        pytest.param("a: {true: b}", (1, 5, "a", Code.YAML_KEY), id="a boolean as key"),
        pytest.param("[a]: b", (1, 1, "", Code.YAML_KEY), id="a list as key"),
        pytest.param("a: " + "9" * 400, (1, 4, "a", Code.YAML_NUMBER), id="a huge number"),
        pytest.param("a: [1, 2", (2, 1, "", Code.YAML_SYNTAX), id="an open bracket"),
        pytest.param("a: 1\n\tb: 2", (2, 1, "", Code.YAML_SYNTAX), id="a tab as indentation"),
        pytest.param("a: b: c", (1, 5, "", Code.YAML_SYNTAX), id="two colons"),
        pytest.param("a: @b", (1, 4, "", Code.YAML_SYNTAX), id="an at sign"),
        pytest.param('a: "\\ud800"', (1, 7, "", Code.YAML_SYNTAX), id="half a surrogate pair"),
        pytest.param("a: \x00", (1, 4, "", Code.FILE_CHARACTER), id="NUL"),
        pytest.param("a: 1\nb: '\x1b'", (2, 5, "", Code.FILE_CHARACTER), id="ESC"),
        pytest.param("a: 1\r\nb: \u2028", (2, 4, "", Code.FILE_CHARACTER), id="LINE SEPARATOR"),
        pytest.param(b"a: 1\nb: \xff", (2, 4, "", Code.FILE_ENCODING), id="not UTF-8"),
        pytest.param("a: 1".encode("utf-16"), (1, 1, "", Code.FILE_ENCODING), id="UTF-16"),
        pytest.param("[" * 101 + "]" * 101, (1, 101, "", Code.YAML_DEPTH), id="101 levels of flow"),
        pytest.param("- " * 101 + "x", (1, 201, "", Code.YAML_DEPTH), id="101 levels of blocks"),
    ],
)
def test_refused(text: str | bytes, problem: tuple[int, int, str, Code]) -> None:
    assert found(text) == [problem]


@pytest.mark.parametrize(
    "text", ["[" * 100 + "]" * 100, "- " * 100 + "x", "{a: " * 100 + "}" * 100]
)
def test_a_hundred_levels_are_fine(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 500_000, id="brackets"),
        pytest.param("{a: " * 250_000, id="braces"),
        pytest.param("- " * 500_000, id="dashes"),
        pytest.param("? " * 500_000, id="question marks"),
        pytest.param("a:\n- " * 200_000, id="lists in mappings"),
        pytest.param("\n".join(" " * i + "a:" for i in range(1000)), id="stairs"),
        pytest.param("---\n[\n" * 150_000, id="many broken documents"),
        pytest.param("{a:b," * 200_000, id="many colons in flow"),
        pytest.param('"\\' + "x" * 1_000_000, id="a long broken escape"),
        pytest.param("a: &x\n" * 100_000, id="many mistakes"),
        pytest.param("!" * 1_000_000, id="exclamation marks"),
        pytest.param("*" * 1_000_000, id="asterisks"),
        pytest.param("'" * 1_000_001, id="quotes"),
        pytest.param("#" + " #" * 500_000, id="comments"),
        pytest.param(" " * 1_000_000 + "a", id="blanks"),
        pytest.param("\n" * 1_000_000 + "a", id="line breaks"),
    ],
)
def test_hostile_texts_end_soon(text: str) -> None:
    start = time.process_time()
    parse(text.encode()[: 1024**2], "f.yaml")
    assert time.process_time() - start < 20


def test_reading_goes_on_at_the_next_document() -> None:
    parsed = parse(b"a: [1\n---\nb: 2\n---\nc: 'x\n---\nd: 4\n", "f.yaml")
    assert [p.code for p in parsed.problems] == [Code.YAML_SYNTAX, Code.YAML_SYNTAX]
    assert [d.value for d in parsed.documents if d.complete] == [{"b": 2}, {"d": 4}]
    assert [d.line for d in parsed.documents if d.complete] == [3, 7]


def test_what_was_read_of_a_broken_document_is_kept() -> None:
    parsed = parse(b"kind: Agent\nmetadata: {name: x}\nspec: [\n", "f.yaml")
    assert parsed.documents[0].value["metadata"] == {"name": "x"}
    assert not parsed.documents[0].complete


def test_the_first_of_two_equal_keys_counts() -> None:
    parsed = parse(b"a: 1\na: {b: 2}\nc: 3", "f.yaml")
    assert parsed.documents[0].value == {"a": 1, "c": 3}


def test_an_unknown_value_is_marked() -> None:
    parsed = parse(b"a: {b: *x}\nc: !t d", "f.yaml")
    assert parsed.documents[0].spoiled == (("a", "b"), ("c",))


def test_all_mistakes_of_a_text_are_noted() -> None:
    text = "a: &x 1\nb: *x\nb: 2\n<<: 3\n5: 6\n"
    assert [code for *_, code in found(text)] == [
        Code.YAML_ANCHOR,
        Code.YAML_ALIAS,
        Code.YAML_DUPLICATE_KEY,
        Code.YAML_MERGE,
        Code.YAML_KEY,
    ]
