"""Values as TOML 1.0 writes them, each on one line."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from reconciler.core.base.invisible import INVISIBLE

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(value: Any) -> str:
    """The text of a boolean, a number, a text, a list, or a mapping with texts as keys.

    Characters that nobody sees are written as escapes, so that the text is safe on a terminal.
    Raises TypeError for all else: TOML has no null.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case Decimal():
            return format(value, "f")
        case str():
            return _quoted(value)
        case list() | tuple():
            return f"[{', '.join(map(toml_text, value))}]"
        case Mapping():
            pairs = (f"{_key(key)} = {toml_text(item)}" for key, item in value.items())
            return f"{{{', '.join(pairs)}}}"
        case _:
            raise TypeError(f"TOML has no {type(value).__name__}")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    """A basic string: its escapes are those of JSON and, of eight digits, one more."""
    return INVISIBLE.sub(_escape, json.dumps(text, ensure_ascii=False))


def _escape(char: re.Match[str]) -> str:
    number = ord(char[0])
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
