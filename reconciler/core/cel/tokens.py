"""The text of a CEL expression cut into tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.cel.errors import ExpressionError


class TokenKind(StrEnum):
    """What a token is; the names are those of the groups in the pattern."""

    STRING = "string"
    BYTES = "bytes"
    FLOAT = "float"
    INT = "int"
    NAME = "name"
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its text as written, and where it starts (characters from 0)."""

    kind: TokenKind
    text: str
    offset: int


_PLAIN = (
    r'"""(?:[^\\]|\\.)*?"""'
    r"|'''(?:[^\\]|\\.)*?'''"
    r'|"(?:[^"\\\r\n]|\\[^\r\n])*"'
    r"|'(?:[^'\\\r\n]|\\[^\r\n])*'"
)
_RAW = (
    r'""".*?"""'
    r"|'''.*?'''"
    r'|"[^"\r\n]*"'
    r"|'[^'\r\n]*'"
)
_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n\f]+|//[^\n]*)"
    rf"|(?P<bytes>[bB](?:[rR](?:{_RAW})|(?:{_PLAIN})))"
    rf"|(?P<string>[rR](?:{_RAW})|(?:{_PLAIN}))"
    r"|(?P<float>(?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)"
    r"|(?P<int>0x[0-9a-fA-F]+[uU]?|\d+[uU]?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()\[\]{}])",
    re.ASCII | re.DOTALL,
)
_HINTS = {
    "=": "'=' is not an operator of CEL; compare with '=='",
    "&": "'&' is not an operator of CEL; write '&&'",
    "|": "'|' is not an operator of CEL; write '||' (there are no filters)",
    "#": "'#' does not start a comment in CEL; '//' does",
    "`": 'CEL has no backquotes; write headers["x-github-event"]',
    "$": "'$' is not part of CEL; write the variable's name alone",
    '"': "the text that starts here is not closed, or has an unknown escape",
    "'": "the text that starts here is not closed, or has an unknown escape",
    "“": "use straight quotes",
    "”": "use straight quotes",
    "‘": "use straight quotes",
    "’": "use straight quotes",
}


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """The tokens from `start` on, white space and comments left out, END at the end.

    Lazy, so that a template may stop at its closing braces. Raises ExpressionError at the first
    character that no token starts with.
    """
    position = start
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(_unreadable(text, position), position)
        if match.lastgroup != "space":
            yield Token(TokenKind(str(match.lastgroup)), match.group(), position)
        position = match.end()
    yield Token(TokenKind.END, "", len(text))


def _unreadable(text: str, position: int) -> str:
    character = text[position]
    if character == "=" and text[:position].endswith(("==", "!=")):
        operator = text[position - 2 : position]
        return f"'{operator}=' is not an operator of CEL; write '{operator}'"
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    return _HINTS.get(character, f"'{shown}' is not part of CEL outside of a quoted text")


def plain_text(token: Token) -> str | None:
    """What a string token says, or None where it has escapes: those are the library's business."""
    text = token.text
    raw = text[0] in "rR"
    quoted = text[1:] if raw else text
    width = 3 if quoted[:3] in ('"""', "'''") and len(quoted) >= 6 else 1
    inner = quoted[width:-width]
    return inner if raw or "\\" not in inner else None
