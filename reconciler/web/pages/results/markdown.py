"""Markdown of strangers as HTML: no HTML of theirs, no pictures, links that say nothing of us."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

LARGEST = 32 * 1024
"""Characters that are rendered; a longer text is shown as it is."""
_MARKS = re.compile(
    r"^(#{1,6} |[-*+] |\d{1,3}[.)] |> |```|\|.*\|)|\*\*\S|`[^`\n]+`|\]\(https?://", re.MULTILINE
)
_LINK = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_TOP = 2
"""Levels that headings go down: the page has its own."""


def is_markdown(text: str) -> bool:
    """Whether the text is likely Markdown and not the output of a program."""
    return len(text) <= LARGEST and _MARKS.search(text) is not None


def markdown(text: str) -> Markup:
    """The text as HTML that may stand in a page under our policy."""
    return Markup(_parser().render(text))  # noqa: S704 - the parser escapes what it does not make


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = _is_harmless  # type: ignore[method-assign]
    for name in ("heading_open", "heading_close"):
        parser.add_render_rule(name, _heading)
    parser.add_render_rule("link_open", _link)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("table_open", _table)
    return parser


def _is_harmless(url: str) -> bool:
    """Addresses of other places only: none that is a script, none of this server."""
    return _LINK.match(url) is not None


def _heading(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, _env: Any
) -> str:
    token = tokens[index]
    token.tag = f"h{min(6, int(token.tag[1:]) + _TOP)}"
    return str(renderer.renderToken(tokens, index, options, {}))


def _link(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, _env: Any
) -> str:
    tokens[index].attrSet("rel", "nofollow noopener noreferrer")
    return str(renderer.renderToken(tokens, index, options, {}))


def _image(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any
) -> str:
    """Its words: fetching the picture would tell somebody who reads this."""
    return str(Markup('<span class="never">[picture: {}]</span>').format(tokens[index].content))


def _table(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: Any,
    _env: Mapping[str, Any],
) -> str:
    tokens[index].attrSet("class", "fields")
    return str(renderer.renderToken(tokens, index, options, {}))
