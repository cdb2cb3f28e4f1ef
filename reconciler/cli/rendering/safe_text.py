"""Text from manifests and servers, made harmless for a terminal and a web page.

Whoever writes a manifest must not be able to move the cursor, to reorder what is read, or to forge
a line of ours.
"""

import json
from typing import Any


def one_line(text: str) -> str:
    """The text with every character that does not print written as an escape; no line breaks."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


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
            return one_line(json.dumps(value, ensure_ascii=False, default=str))


def _key(key: Any) -> str:
    text = str(key)
    return text if text.isidentifier() and text.isascii() else quoted(text)


def _escape(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
