"""Text with `{{ CEL }}` placeholders, such as the titles of runs (docs/expressions.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from reconciler.core.base.invisible import one_line
from reconciler.core.cel import (
    TITLE_VARIABLES,
    Expression,
    ExpressionError,
    compile_expression,
    problems_of,
)
from reconciler.core.cel.tokens import TokenKind, tokens

MAX_TITLE = 200
"""Characters of a rendered title, the mark of a cut included."""
MAX_TEMPLATE = 2000
"""Characters of a template."""
MAX_PLACEHOLDERS = 20
"""Placeholders of a template."""
_CUT = "…"
_CODE = "template-invalid"


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts (`str`) and expressions by turns, as they stand in the template."""

    text: str
    parts: tuple[str | Expression, ...]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The placeholders, in order."""
        return tuple(part for part in self.parts if isinstance(part, Expression))


@dataclass(frozen=True, slots=True)
class _Placeholder:
    """The text between the braces, and where it starts."""

    text: str
    offset: int


def template_problems(
    text: str, variables: frozenset[str] = TITLE_VARIABLES, most: int = MAX_TEMPLATE
) -> tuple[ExpressionError, ...]:
    """Everything wrong with a template, offsets counting from its start; empty where it is fine.

    `most` are the characters that it may have.
    """
    try:
        pieces = _pieces(text, most)
    except ExpressionError as error:
        return (error,)
    return tuple(
        ExpressionError(problem.message, piece.offset + problem.offset, problem.code)
        for piece in pieces
        if isinstance(piece, _Placeholder)
        for problem in problems_of(piece.text, variables=variables)
    )


@lru_cache(maxsize=1024)
def parse_template(
    text: str, variables: frozenset[str] = TITLE_VARIABLES, most: int = MAX_TEMPLATE
) -> Template:
    """The template, or the first ExpressionError of `template_problems`."""
    for problem in template_problems(text, variables, most):
        raise problem
    parts = (
        compile_expression(piece.text, variables=variables)
        if isinstance(piece, _Placeholder)
        else piece
        for piece in _pieces(text, most)
    )
    return Template(text, tuple(parts))


def render(template: Template, show: Callable[[Expression], str]) -> str:
    """The title: one line, cut at 200 characters with `…`.

    `show` gives the text of one expression; what it raises passes through. What it returns is put
    in as it is: braces in it mean nothing.
    """
    shown = (part if isinstance(part, str) else show(part) for part in template.parts)
    return cut_title("".join(shown))


def cut_title(text: str) -> str:
    """Any text as a title: one line, at most 200 characters, a cut marked with `…`."""
    line = one_line(text)
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 1].rstrip() + _CUT


def _pieces(text: str, most: int) -> list[str | _Placeholder]:
    if len(text) > most:
        message = f"a template has at most {most} characters, found {len(text)}"
        raise ExpressionError(message, most, _CODE)
    pieces: list[str | _Placeholder] = []
    position = 0
    while (opening := text.find("{{", position)) >= 0:
        pieces.append(text[position:opening])
        closing = _closing(text, opening)
        pieces.append(_placeholder(text, opening, closing))
        position = closing + 2
    pieces.append(text[position:])
    if len(pieces) > 2 * MAX_PLACEHOLDERS + 1:
        message = f"a template has at most {MAX_PLACEHOLDERS} placeholders"
        raise ExpressionError(message, 0, _CODE)
    return [piece for piece in pieces if piece]


def _placeholder(text: str, opening: int, closing: int) -> _Placeholder:
    inner = text[opening + 2 : closing]
    if not inner.strip():
        raise ExpressionError("the placeholder is empty; write {{ run.id }}", opening, _CODE)
    return _Placeholder(inner, opening + 2)


def _closing(text: str, opening: int) -> int:
    """Where the braces that close a placeholder stand.

    Braces within quoted texts do not count, and those of a map are closed before.
    """
    open_maps = 0
    for token in tokens(text, opening + 2):
        if token.kind is TokenKind.END:
            break
        if token.text == "{":
            open_maps += 1
        elif token.text == "}" and open_maps:
            open_maps -= 1
        elif token.text == "}":
            if text.startswith("}}", token.offset):
                return token.offset
            break
    raise ExpressionError("'{{' is not closed by '}}'", opening, _CODE)
