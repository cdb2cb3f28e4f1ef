"""One field that changes, as lines that text and Markdown share."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from reconciler.core.base.safe_text import escaped, quoted
from reconciler.core.calendar.cron_words import cron_words
from reconciler.core.plan.lines.line_diff import line_diff
from reconciler.core.plan.report import FieldReport

_LONG = 100
"""From this length on, a text is shown as lines."""


class Line(NamedTuple):
    """A line below an object: `mark` is `+`, `-`, `~`, `@` or a space; `depth` indents."""

    mark: str
    text: str
    depth: int = 0


def field_lines(fields: Iterable[FieldReport], *, inline: bool) -> Iterator[Line]:
    """The lines of all fields. `inline` puts old and new side by side rather than below."""
    for field in fields:
        yield from _lines(escaped(field.path), field.before, field.after, inline)


def _lines(path: str, before: Any, after: Any, inline: bool) -> Iterator[Line]:
    if _is_long(before) or _is_long(after):
        yield from _text_lines(path, before, after)
    elif before is None:
        yield from _added(path, after)
    elif after is None:
        yield Line("-", f"{path}: {quoted(before)}")
    elif inline:
        yield Line("~", f"{path}: {quoted(before)} -> {quoted(after)}{_remark(path, after)}")
    else:
        yield Line("-", f"{path}: {quoted(before)}")
        yield Line("+", f"{path}: {quoted(after)}{_remark(path, after)}")


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and ("\n" in value or len(value) > _LONG)


def _text_lines(path: str, before: Any, after: Any) -> Iterator[Line]:
    old, new = _as_text(before), _as_text(after)
    if before is None:
        yield Line("+", f"{path}:")
        yield from (Line("+", escaped(line), 1) for line in new.removesuffix("\n").split("\n"))
        return
    yield Line("~", f"{path}:")
    yield from (
        Line(mark, f"@@ {line} @@" if mark == "@" else escaped(line), 1)
        for mark, line in line_diff(old, new)
    )


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else quoted(value)


def _added(path: str, value: Any) -> Iterator[Line]:
    """A trigger that is new takes a line per field; anything else one line."""
    if not isinstance(value, dict):
        yield Line("+", f"{path}: {quoted(value)}")
        return
    yield Line("+", f"{path}:")
    for key, item in value.items():
        name = escaped(str(key))
        yield Line("+", f"{name}: {quoted(item)}{_remark(name, item)}", 1)


def _remark(path: str, value: Any) -> str:
    """A cron expression in words."""
    if not (isinstance(value, str) and path.endswith("cron")):
        return ""
    words = cron_words(value)
    return f"  # {escaped(words)}" if words else ""
