"""What an expression may say, and what is said about one that is wrong."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.core.cel import (
    CONDITION_VARIABLES,
    KEY_VARIABLES,
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_NESTING,
    TITLE_VARIABLES,
    ExpressionError,
    compile_expression,
    library,
    problems_of,
)

ALLOWED = [
    pytest.param('headers["x-github-event"] == "push"', id="a header by its lower-case name"),
    pytest.param('payload.ref == "refs/heads/main"', id="a field of the payload"),
    pytest.param("has(payload.pull_request.draft)", id="has with a field"),
    pytest.param('"a-b" in payload && payload["a-b"] == 1', id="a key that is no name"),
    pytest.param("payload.commits.exists(c, c.author == payload.sender)", id="a macro's variable"),
    pytest.param("payload.items.map(payload, payload.id)", id="a macro may shadow a variable"),
    pytest.param("payload.l.map(x, x > 1, x * 2)", id="map with a condition"),
    pytest.param("payload.l.exists_one(x, x == 1)", id="exists_one in snake case"),
    pytest.param("payload.l.existsOne(x, x == 1)", id="existsOne in camel case"),
    pytest.param("payload.all == payload.map", id="fields may be called as macros are"),
    pytest.param("payload.if.package.size == 1", id="fields may be called as reserved words are"),
    pytest.param("type(payload.n) == int", id="names of types"),
    pytest.param('payload.s.matches(r"^v\\d+")', id="a raw text"),
    pytest.param('payload.s == """a "quoted" text"""', id="a text in three quotes"),
    pytest.param("payload.s == 'it\\'s {{ }} // no comment'", id="signs within a text"),
    pytest.param("payload.a // unknown.name\n || payload.b", id="names in a comment do not count"),
    pytest.param(
        '{"a": [1, 2u, 0x1F, .5, 1e3, null, b"x"],}.a[0] == 1', id="literals of all kinds"
    ),
    pytest.param("!payload.a || -payload.n < --1", id="signs before a value"),
    pytest.param("payload.a ? 1 : payload.b ? 2 : 3", id="conditions in a row"),
    pytest.param("1in[1]", id="no spaces where none are needed"),
    pytest.param('timestamp("2026-01-01T00:00:00Z").getDayOfWeek() == 4', id="a date's parts"),
    pytest.param(
        'payload.ref.replace("refs/heads/", "").lowerAscii()', id="Kubernetes' text methods"
    ),
    pytest.param('autopilot.labels["team"] == trigger.label', id="our own variables"),
]


@pytest.mark.parametrize("text", ALLOWED)
def test_compiles(text: str) -> None:
    assert compile_expression(text, variables=CONDITION_VARIABLES).text == text


REFUSED = [
    pytest.param("", 0, "the expression is empty", id="nothing"),
    pytest.param(" // only a comment", 18, "the expression is empty", id="only a comment"),
    pytest.param("paylod.ref", 0, "did you mean 'payload'?", id="a misspelt variable"),
    pytest.param("xyzzy.ref", 0, "known here: autopilot, headers, payload, trigger", id="far off"),
    pytest.param("github.ref", 0, "the body of the event is 'payload'", id="GitHub's own name"),
    pytest.param("body.ref", 0, "the body is 'payload'", id="body"),
    pytest.param("payload.a == True", 13, "CEL writes 'true'", id="Python's true"),
    pytest.param("payload.a == None", 13, "CEL writes 'null'", id="Python's null"),
    pytest.param("payload.a and payload.b", 10, "write '&&'", id="and"),
    pytest.param("payload.a or payload.b", 10, "write '||'", id="or"),
    pytest.param("not payload.a", 4, "write '!'", id="not"),
    pytest.param("not (payload.a)", 0, "write '!'", id="not with brackets"),
    pytest.param("'a' not in payload", 4, "write !(a in b)", id="not in"),
    pytest.param("payload.a === 1", 12, "'===' is not an operator of CEL; write '=='", id="==="),
    pytest.param("payload.a !== 1", 12, "'!==' is not an operator of CEL; write '!='", id="!=="),
    pytest.param("payload.a ?? 1", 11, "payload.?field.orValue", id="??"),
    pytest.param("payload?.a", 8, "payload.?field.orValue", id="?."),
    pytest.param(
        'headers.X-GitHub-Event == "push"', 9, 'headers["x-github-event"]', id="a dashed header"
    ),
    pytest.param(
        'headers.x-github-event == "push"', 9, 'headers["x-github-event"]', id="in lower case"
    ),
    pytest.param("payload.a == ref", 13, "unknown variable 'ref'", id="a bare word"),
    pytest.param("payload.l.map(x, y)", 17, "unknown variable 'y'", id="not the macro's variable"),
    pytest.param("payload.l.map(x, x) == x", 23, "unknown variable 'x'", id="outside of its macro"),
    pytest.param("x.map(x, x)", 0, "unknown variable 'x'", id="a macro's range is outside of it"),
    pytest.param("date == 1", 0, "'date' is known in titles only", id="a title's variable"),
    pytest.param("autopilot.nmae", 10, "did you mean 'name'?", id="a misspelt field of ours"),
    pytest.param('trigger["cron"]', 7, "'trigger' has no 'cron'", id="a field that we do not give"),
    pytest.param('headers["X-Hub"]', 7, 'write headers["x-hub"]', id="a header in upper case"),
    pytest.param("payload.s.startswith('a')", 10, "did you mean 'startsWith'?", id="a method"),
    pytest.param("lenght(payload)", 0, "unknown function 'lenght'", id="an unknown function"),
    pytest.param("matches(payload.s, 'a')", 0, "called as value.matches(…)", id="not a function"),
    pytest.param("payload.n.int()", 10, "called as int(value)", id="not a method"),
    pytest.param("size(payload, 1)", 0, "takes 1 argument", id="too many arguments"),
    pytest.param("has(payload)", 0, "has(payload.ref)", id="has without a field"),
    pytest.param(
        "payload.l.all(x)", 10, "write list.all(x, condition)", id="a macro without a body"
    ),
    pytest.param(
        "payload.l.map(1, 1)", 14, "a new name for each element", id="a number as variable"
    ),
    pytest.param("payload.l.all(i, v, v)", 10, "write list.all(x, condition)", id="two variables"),
    pytest.param("payload.a = 1", 10, "compare with '=='", id="one equals sign"),
    pytest.param("payload.a & true", 10, "write '&&'", id="one ampersand"),
    pytest.param("payload.a | upper", 10, "there are no filters", id="a filter of Jinja"),
    pytest.param("${payload}", 0, "write the variable's name alone", id="a dollar"),
    pytest.param("payload.`a-b`", 8, 'write headers["x-github-event"]', id="backquotes"),
    pytest.param("“x”", 0, "use straight quotes", id="typographic quotes"),
    pytest.param('payload.a == "x', 13, "not closed", id="an unclosed text"),
    pytest.param('payload.a == "x\ny"', 13, "not closed", id="a text over two lines"),
    pytest.param("payload.a == 'é' + é", 19, "'é' is not part of CEL", id="a letter of a name"),
    pytest.param("payload\x00", 7, "U+0000", id="a control character"),
    pytest.param("payload.", 8, "expected a name", id="nothing after the dot"),
    pytest.param("payload.a-b.c", 10, "unknown variable 'b'", id="a minus that was a hyphen"),
    pytest.param("(payload.a", 10, "expected ')', found the end", id="an unclosed bracket"),
    pytest.param("payload.a)", 9, "expected an operator or the end", id="a bracket too many"),
    pytest.param("payload.a ? 1", 13, "expected ':'", id="a condition without its other half"),
    pytest.param("1 2", 2, "expected an operator or the end, found '2'", id="two values"),
    pytest.param("size(payload,)", 13, "expected an expression", id="a comma too many"),
    pytest.param("if", 0, "'if' is reserved", id="a reserved word"),
    pytest.param("Foo{a: 1}", 3, "messages cannot be built", id="a message"),
    pytest.param(".payload", 0, "expected a value, found '.'", id="a dot in front"),
    pytest.param("payload.?a", 9, "end an optional with .orValue(…)", id="an open optional"),
    pytest.param("payload.?a == 1", 9, "end an optional", id="an optional compared"),
    pytest.param("payload.?a.value()", 9, "end an optional", id="another end"),
    pytest.param("size(payload).?a.orValue(1)", 15, "starts from a variable", id="of a call"),
    pytest.param("payload[?payload.a].orValue(1)", 7, "keys are plain texts", id="a computed key"),
    pytest.param("payload.?a.or(payload.b).orValue(1)", 22, "'or' takes another", id="or of none"),
    pytest.param(
        "payload" + ".?a" * 9 + ".orValue(1)", 33, "at most 8 optional", id="optionals in a row"
    ),
    pytest.param("9223372036854775808", 0, "invalid int literal", id="an integer of 65 bits"),
    pytest.param('true ||\n  "\\q" == ""', 10, "token recognition", id="what the library finds"),
]


@pytest.mark.parametrize(("text", "offset", "message"), REFUSED)
def test_refused(text: str, offset: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, variables=CONDITION_VARIABLES)
    assert message in caught.value.message
    assert caught.value.offset == offset


def test_every_unknown_name_is_reported_at_once() -> None:
    problems = problems_of("foo.a + payload.bar() + baz(1)", variables=CONDITION_VARIABLES)
    assert [(each.code, each.offset) for each in problems] == [
        ("variable-unknown", 0),
        ("function-unknown", 16),
        ("function-unknown", 24),
    ]


def test_titles_know_more() -> None:
    text = "run.id + date + time + string(scheduledFor)"
    assert not problems_of(text, variables=TITLE_VARIABLES)
    assert {p.code for p in problems_of(text, variables=KEY_VARIABLES)} == {"variable-unknown"}


TOO_COMPLEX = [
    pytest.param("1" + " " * MAX_LENGTH, id="longer than allowed"),
    pytest.param("(" * (MAX_NESTING + 1) + "1" + ")" * (MAX_NESTING + 1), id="brackets"),
    pytest.param("[" * 900 + "]" * 900, id="lists"),
    pytest.param('{"a":' * 300 + "1" + "}" * 300, id="maps"),
    pytest.param("true?1:" * 200 + "1", id="conditions"),
    pytest.param("size(" * 300 + "1" + ")" * 300, id="calls"),
    pytest.param("payload" + ".a" * (MAX_DEPTH + 1), id="selections"),
    pytest.param("payload" + "[0]" * 600, id="indexes"),
    pytest.param("1" + "+1-1" * 400, id="operators by turns"),
    pytest.param("[1]" + ".map(x,[x]" * 100 + ")" * 100, id="macros in macros"),
    pytest.param("[1].all(a, [1].all(b, [1].all(c, [1].all(d, a == d))))", id="four macros deep"),
    pytest.param("[1]" + ".map(x,x)" * 200, id="macros in a row"),
]


@pytest.mark.parametrize("text", TOO_COMPLEX)
def test_too_complex_is_refused_before_it_reaches_the_library(text: str) -> None:
    (problem,) = problems_of(text, variables=CONDITION_VARIABLES)
    assert problem.code == "expression-too-complex"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * 31 + "1" + ")" * 31, id="as many brackets as allowed"),
        pytest.param("!" * 1900 + "true", id="many signs in front"),
        pytest.param("true" + "||true" * 300, id="a long row of one operator"),
        pytest.param("[1].all(a, [1].all(b, [1].all(c, a == c)))", id="three macros deep"),
    ],
)
def test_as_complex_as_allowed(text: str) -> None:
    assert not problems_of(text, variables=CONDITION_VARIABLES)


@given(st.text(max_size=60))
@example("@" * 60)
@example("\ud800")
@example('"' * 59)
@example("\\")
def test_any_text_compiles_or_is_refused_with_a_place(text: str) -> None:
    for problem in problems_of(text, variables=CONDITION_VARIABLES):
        assert 0 <= problem.offset <= len(text)
        assert problem.message


FRAGMENTS = st.sampled_from(
    [
        *("payload", "headers", "trigger", ".a", "['k']", "[0]", "(", ")", "[", "]", "{", "}"),
        *("?", ":", ",", "'x'", '"y"', r"r'\d'", "b'q'", '"""z"""', "1", "2u", "1.5", ".5", "0x1F"),
        *(
            "+",
            "-",
            "*",
            "/",
            "%",
            "&&",
            "||",
            "!",
            "==",
            "<",
            "in",
            ".map(x,",
            ".all(y,",
            "x",
            "y",
        ),
        *("size(", "string(", "has(payload.a)", ".size()", ".matches(", ".split(", "null", "true"),
        *("type(", "duration(", "'1h'", "timestamp(", "1e3", ".5.x", "//", "\n"),
    ]
)


@settings(max_examples=300)
@given(st.lists(FRAGMENTS, max_size=14).map(" ".join))
def test_what_both_parsers_accept_reads_no_other_variables(text: str) -> None:
    try:
        expression = compile_expression(text, variables=CONDITION_VARIABLES)
    except ExpressionError:
        return
    read = {path[0] for path in expression.reads}
    bound = set(re.findall(r"\.(?:map|all)\(, *(\w)", text)) | {"x", "y"}
    assert set(library.program(text).variables()) <= read | bound
