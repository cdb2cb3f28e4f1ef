"""Text from manifests and servers, made harmless for a terminal and a web page.

Whoever writes a manifest must not be able to move the cursor, to reorder what is read, or to forge
a line of ours.
"""

import json
from typing import Any

from reconciler.core.base.invisible import INVISIBLE


def escaped(text: str) -> str:
    """The text with every character that nobody sees written as an escape; no line breaks."""
    if _is_visible(text):
        return text
    return "".join(char if _is_visible(char) else _escape(char) for char in text)


def _is_visible(text: str) -> bool:
    # Some letters are blank: they print, says Unicode. None of them is in ASCII.
    return text.isprintable() and (text.isascii() or not INVISIBLE.search(text))


def quoted(value: Any) -> str:
    """A value on one line: texts in quotes, maps and lists in flow style."""
    match value:
        case None:
            return "(none)"
        case dict():
            return "{" + ", ".join(f"{_key(k)}: {quoted(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(quoted, value)) + "]"
        case _:
            return escaped(_as_json(value))


_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _key(key: Any) -> str:
    text = str(key)
    return text if text.isidentifier() and text.isascii() else quoted(text)


def _escape(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
