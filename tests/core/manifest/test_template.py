"""Titles: literal text and CEL, one line, nothing evaluated twice."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.core.base.invisible import INVISIBLE
from reconciler.core.cel import EvaluationError, Expression, as_text, evaluate
from reconciler.core.cel.errors import ExpressionError
from reconciler.core.manifest.template import (
    MAX_PLACEHOLDERS,
    MAX_TEMPLATE,
    MAX_TITLE,
    cut_title,
    parse_template,
    render,
    template_problems,
)

VARIABLES: dict[str, Any] = {
    "payload": {"title": "Fix {{ 1 + 1 }}", "n": 3, "lines": "a\r\n\tb", "none": None},
    "headers": {},
    "trigger": {"name": "ci", "kind": "webhook", "label": ""},
    "autopilot": {"name": "triage", "workspace": "platform", "title": "T", "labels": {}},
    "run": {"id": "r1", "source": "webhook"},
    "scheduledFor": None,
    "date": "2026-03-01",
    "time": "09:30",
}


def rendered(template: str, variables: dict[str, Any] = VARIABLES) -> str:
    def show(expression: Expression) -> str:
        return as_text(evaluate(expression, variables), 400)

    return render(parse_template(template), show)


TITLES = [
    pytest.param("Nightly", "Nightly", id="no placeholder"),
    pytest.param("Triage {{ date }}", "Triage 2026-03-01", id="a variable"),
    pytest.param("{{date}} {{time}}", "2026-03-01 09:30", id="no spaces inside"),
    pytest.param(
        "#{{ payload.n }}: {{ payload.title }}", "#3: Fix {{ 1 + 1 }}", id="payload is literal"
    ),
    pytest.param('{{ "}}" }}', "}}", id="braces in a text"),
    pytest.param("{{ '{{' }} {{ r\"}}\\\" }}", "{{ }}\\", id="braces in raw and single quotes"),
    pytest.param('{{ {"a": {"b": 1}}.a.b }}!', "1!", id="braces of a map"),
    pytest.param('{{ {"a": {"b": 1}}}}', '{"a":{"b":1}}', id="braces of a map, then ours"),
    pytest.param("a }} b { c }", "a }} b { c }", id="other braces are literal"),
    pytest.param("{{ payload.lines }}", "a b", id="one line"),
    pytest.param("a{{ payload.none }}b", "ab", id="null is nothing"),
    pytest.param("{{ scheduledFor }} x ", "x", id="trimmed"),
    pytest.param("x" * 201, "x" * 199 + "…", id="cut, the mark included"),
    pytest.param("x" * 200, "x" * 200, id="as long as allowed"),
    pytest.param("{{ date\n }}", "2026-03-01", id="a placeholder over two lines"),
]


@pytest.mark.parametrize(("template", "title"), TITLES)
def test_title(template: str, title: str) -> None:
    assert rendered(template) == title


PROBLEMS = [
    pytest.param("a {{ date", [(2, "template-invalid")], id="not closed"),
    pytest.param("{{ date }", [(0, "template-invalid")], id="closed by half"),
    pytest.param("{{ date } }", [(0, "template-invalid")], id="closed with a gap"),
    pytest.param(
        '{{ {"a": 1}} ', [(0, "template-invalid")], id="the map's brace does not close it"
    ),
    pytest.param("x {{  }}", [(2, "template-invalid")], id="empty"),
    pytest.param("{{ 'a }}", [(3, "expression-invalid")], id="a text that is not closed"),
    pytest.param("{{ date // }}", [(0, "template-invalid")], id="a comment swallows the end"),
    pytest.param(
        "ab {{ dat }} {{ tim }}", [(6, "variable-unknown"), (16, "variable-unknown")], id="each"
    ),
    pytest.param(
        "ab {{ date + }}", [(13, "expression-invalid")], id="an offset within the template"
    ),
    pytest.param("{{ date | upper }}", [(8, "expression-invalid")], id="a filter of Jinja"),
    pytest.param("x" * (MAX_TEMPLATE + 1), [(MAX_TEMPLATE, "template-invalid")], id="too long"),
    pytest.param("{{ 1 }}" * (MAX_PLACEHOLDERS + 1), [(0, "template-invalid")], id="too many"),
]


@pytest.mark.parametrize(("template", "problems"), PROBLEMS)
def test_problems(template: str, problems: list[tuple[int, str]]) -> None:
    found = template_problems(template)
    assert [(problem.offset, problem.code) for problem in found] == problems
    with pytest.raises(ExpressionError):
        parse_template(template)


def test_a_placeholder_that_fails_passes_its_error_on() -> None:
    with pytest.raises(EvaluationError, match="there is no 'missing'"):
        rendered("{{ payload.missing }}")


HOSTILE = st.text(max_size=300) | st.sampled_from(
    [
        "{{ date }}",
        "}}",
        "{{",
        "\u202e\u2066",
        "\ud800",
        "a\u2028b",
        "\x1b[31m",
        "{0.__class__}",
        "%s",
    ]
)


@given(HOSTILE)
@example("{{ payload.title }}{{ date }}")
@example("\u200b" * 300)
def test_what_a_payload_puts_into_a_title_stays_text(text: str) -> None:
    title = render(parse_template("{{ payload.title }}"), lambda _: text)
    assert len(title) <= MAX_TITLE
    assert len(title.splitlines()) <= 1
    assert not INVISIBLE.search(title)
    assert title == cut_title(text)
    title.encode("utf-8")


@given(st.text(alphabet="{}\"'ad. \\\n/", max_size=40))
def test_any_template_is_parsed_or_refused_with_a_place(text: str) -> None:
    problems = template_problems(text)
    assert all(0 <= problem.offset <= len(text) for problem in problems)
    if not problems and "{{" not in text:
        assert "".join(str(part) for part in parse_template(text).parts) == text


@given(st.lists(st.text(alphabet="ab }é{", max_size=5).filter(lambda t: "{{" not in t), min_size=1))
def test_literal_text_between_placeholders_is_kept(literals: list[str]) -> None:
    literals = [text.rstrip("{") for text in literals[:MAX_PLACEHOLDERS]]
    template = "{{ date }}".join(literals)
    assert render(parse_template(template), lambda _: "X") == cut_title("X".join(literals))
