"""What libyaml says about a text that is no YAML, with how to fix it."""

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from reconciler.manifest.text import line_and_column

_HINTS = {
    "mapping values are not allowed in this context": (
        "a ':' where none can stand; put the text in quotes if it holds ': ', "
        "or check the indentation"
    ),
    "could not find expected ':'": "a ':' is missing after the key, or a line is indented wrongly",
    "did not find expected key": "this does not line up; check indentation and quotes",
    "did not find expected '-' indicator": "this does not line up with the list; check indentation",
    "did not find expected ',' or ']'": "expected ',' or ']'",
    "did not find expected ',' or '}'": "expected ',' or '}'",
    "did not find expected <document start>": "expected '---' or the end of the file",
    "found unexpected end of stream": "the file ends inside a quoted text",
    "found unexpected document indicator": "'---' or '...' inside a quoted text",
    "found unknown escape character": (
        "this escape is unknown; in single quotes a backslash is just a backslash"
    ),
    "found invalid Unicode character escape code": "this escape is no character",
    "found unexpected ':'": "a ':' inside a flow collection; put the text in quotes",
    "block sequence entries are not allowed in this context": (
        "a list item cannot stand here; put it on a line of its own"
    ),
    "found a tab character where an indentation space is expected": (
        "a tab cannot indent; use spaces"
    ),
    "found a tab character that violates indentation": "a tab cannot indent; use spaces",
}
_INDICATORS = frozenset(
    {
        "did not find expected alphabetic or numeric character",
        "did not find expected comment or line break",
        "mapping keys are not allowed in this context",
    }
)
_IN_QUOTES = "a text that starts with '{0}' must stand in quotes, such as {1}"
_TAB = "a tab cannot indent; use spaces"


def explained(error: YAMLError, text: str) -> tuple[int, int, str]:
    """Line and column of the mistake, from 1, and what to do about it."""
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return 1, 1, f"this is no YAML: {getattr(error, 'reason', None) or 'it cannot be read'}"
    mark = error.problem_mark
    if (start := _unquoted(error, text)) is not None:
        line, column = line_and_column(text, start)
        written = _as_text(text, start)
        return line, column, f"this is no YAML: {_IN_QUOTES.format(text[start], written)}"
    return mark.line + 1, mark.column + 1, _message(error, text, mark.index)


def _as_text(text: str, start: int) -> str:
    """What stands from `start` to the end of its line, in quotes, if it is short and plain."""
    line = text[start : start + 60].splitlines()[0].split(" #")[0].rstrip()
    plain = line.isprintable() and not set(line) & {'"', "\\"} and len(line) < 60
    return f'"{line}"' if plain else f'"{text[start]} …"'


def _unquoted(error: MarkedYAMLError, text: str) -> int | None:
    """The offset of the character by which a text without quotes became something else."""
    if error.problem not in _INDICATORS:
        return None
    mark = error.context_mark if error.context_mark is not None else error.problem_mark
    start = min(mark.index, len(text) - 1)
    return start if start >= 0 and text[start] in "*&|>?" else None


def _message(error: MarkedYAMLError, text: str, index: int) -> str:
    if error.problem == "found character that cannot start any token" and index < len(text):
        character = text[index]
        hint = (
            _TAB
            if character == "\t"
            else f"a text cannot start with '{character}'; put it in quotes"
        )
    else:
        hint = _HINTS.get(error.problem, error.problem or "it cannot be read")
    return f"this is no YAML: {hint}"
