"""What agents answer, on a page: Markdown and JSON of strangers are text, links and lists."""

import time
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.web.pages.results.json_tree import MOST, json_tree
from reconciler.web.pages.results.markdown import LARGEST, is_markdown, markdown
from reconciler.web.pages.results.result import Denied, shown_result

TAGS = {
    "p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "code", "pre", "em", "strong", "s", "hr", "br",
    "blockquote", "a", "span", "table", "thead", "tbody", "tr", "th", "td", "details", "summary",
    "small",
}  # fmt: skip
ATTRIBUTES = {"href", "title", "rel", "class", "start", "open", "style"}
HOSTILE = [
    "<script>alert(1)</script>", "![x](https://evil.example/x.png)", "[x](javascript:alert(1))",
    "[x](data:text/html,<script>)", "[x](//evil.example)", "[x](/logout)", "<img src=x onerror=y>",
    "[x]: javascript:y\n\n[x]", "# a\n## b", "| a |\n|---|\n| <b> |", "`<b>`",
    '[a](http://e "x\'")',
    "&lt;script&gt;", "<http://e.example/?a='\"><b>", "```html\n<b>\n```", "**a** _b_ ~~c~~",
    "\u202eabc", "1. x\n\n   <div>",
]  # fmt: skip


class Reader(HTMLParser):
    """Fails for whatever may not stand in a page."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        for name, value in attrs:
            assert name in ATTRIBUTES, name
            if name == "href":
                assert str(value).lower().startswith(("http://", "https://", "mailto:"))
            if name == "style":
                assert value in ("text-align:left", "text-align:right", "text-align:center")


@given(st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40)), max_size=8))
def test_markdown_of_strangers_makes_no_tag_that_we_do_not_know(parts: list[str]) -> None:
    Reader().feed(str(markdown("\n\n".join(parts))))


def test_markdown_is_rendered_with_links_that_say_nothing_of_us() -> None:
    html = str(markdown("# Done\n\n**3** of [them](https://example.com/x)"))
    assert "<h3>Done</h3>" in html
    assert "<strong>3</strong>" in html
    assert '<a href="https://example.com/x" rel="nofollow noopener noreferrer">them</a>' in html


@pytest.mark.parametrize("text", ["[" * LARGEST, "![" * (LARGEST // 2), "**a *b " * 4000])
def test_what_was_made_to_be_slow_is_rendered_in_a_moment(text: str) -> None:
    began = time.process_time()
    markdown(text)
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n- b", True),
        ("**bold**", True),
        ("see [x](https://e.example)", True),
        ("worked on triage\n", False),
        ("Traceback (most recent call last):\n  File x", False),
        ("# " + "x" * LARGEST, False),
    ],
)
def test_the_output_of_a_program_stays_as_it_is(text: str, expected: bool) -> None:
    assert is_markdown(text) is expected


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(HOSTILE), st.text()),
    lambda part: st.one_of(
        st.lists(part, max_size=5), st.dictionaries(st.text(), part, max_size=5)
    ),
    max_leaves=30,
)


@given(JSON)
def test_json_of_strangers_is_a_list_of_texts(value: Any) -> None:
    Reader().feed(str(json_tree(value) or ""))


def test_json_that_is_too_large_or_too_deep_is_no_tree() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert json_tree(deep) is None
    assert json_tree(list(range(MOST + 1))) is None
    assert json_tree({"a": [1, {"b": "c"}]}) is not None


def test_the_fields_of_a_coding_agent_are_told_apart() -> None:
    shown = shown_result(
        {
            "text": "- done",
            "denied": [{"tool": "Bash", "input": "rm"}, "nonsense"],
            "resumeCommand": "claude --resume x",
            "sessionId": "x",
            "apiStatus": 429,
        }
    )
    assert shown.html is not None
    assert shown.denied == (Denied("Bash", "rm"),)
    assert shown.resume == "claude --resume x"
    assert shown.more is not None
    assert shown.more.text == '{\n  "apiStatus": 429\n}'


@pytest.mark.parametrize("value", [{"text": 7}, [1], 7, {}, {"denied": "x", "stderr": 4}])
def test_a_result_of_any_other_shape_is_shown_as_json(value: Any) -> None:
    assert shown_result(value).html is None
