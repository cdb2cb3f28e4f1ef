"""What Kubernetes' CEL has and the library leaves out: methods on text, and conversions.

Each is called by the library with CEL values as Python ones. A ValueError or TypeError becomes the
failure of the evaluation. Results are bounded, because `replace` and `join` can multiply.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any

from reconciler.core.cel.times import GETTERS, epoch_seconds, rfc3339, seconds_text, timestamp

MAX_TEXT = 1_000_000
"""Characters that one of these methods may give."""

_UPPER = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_LOWER = {ord(upper.lower()): upper for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def _text(value: Any, method: str) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(f"{method} works on text")


def _bounded(length: int, method: str) -> None:
    if length > MAX_TEXT:
        raise ValueError(f"{method} would give {length} characters; at most {MAX_TEXT} are allowed")


def _whole(value: Any, method: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(f"{method} counts in whole numbers")


def _equal(value: Any, wanted: Any) -> bool:
    """As `==` of CEL: a boolean is no number."""
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def lower_ascii(value: Any) -> str:
    """A-Z in lower case, all else as it is."""
    return _text(value, "lowerAscii").translate(_UPPER)


def upper_ascii(value: Any) -> str:
    """a-z in upper case, all else as it is."""
    return _text(value, "upperAscii").translate(_LOWER)


def trim(value: Any) -> str:
    """Without white space at both ends."""
    return _text(value, "trim").strip()


def char_at(value: Any, position: Any) -> str:
    """The character at `position`; empty just behind the last one."""
    text = _text(value, "charAt")
    place = _whole(position, "charAt")
    if not 0 <= place <= len(text):
        raise ValueError(f"charAt({place}) leaves a text of {len(text)} characters")
    return text[place : place + 1]


def index_of(value: Any, wanted: Any, start: Any = 0) -> int:
    """Where `wanted` first stands from `start` on, -1 where it does not; also in a list."""
    begin = _whole(start, "indexOf")
    if isinstance(value, list):
        return next((i for i in range(begin, len(value)) if _equal(value[i], wanted)), -1)
    text, part = _text(value, "indexOf"), _text(wanted, "indexOf")
    if not 0 <= begin <= len(text):
        raise ValueError(f"indexOf from {begin} leaves a text of {len(text)} characters")
    return text.find(part, begin)


def last_index_of(value: Any, wanted: Any, start: Any = None) -> int:
    """Where `wanted` last stands, at `start` or before; -1 where it does not; also in a list."""
    if isinstance(value, list):
        return next((i for i in reversed(range(len(value))) if _equal(value[i], wanted)), -1)
    text, part = _text(value, "lastIndexOf"), _text(wanted, "lastIndexOf")
    last = len(text) if start is None else _whole(start, "lastIndexOf")
    if not 0 <= last <= len(text):
        raise ValueError(f"lastIndexOf from {last} leaves a text of {len(text)} characters")
    return text.rfind(part, 0, last + len(part))


def replace(value: Any, old: Any, new: Any, most: Any = -1) -> str:
    """Every `old` replaced by `new`, or the first `most` of them."""
    text, before, after = (_text(part, "replace") for part in (value, old, new))
    limit = _whole(most, "replace")
    times = text.count(before) if limit < 0 else min(limit, text.count(before))
    _bounded(len(text) + times * (len(after) - len(before)), "replace")
    return text.replace(before, after, times)


def split(value: Any, separator: Any, most: Any = -1) -> list[str]:
    """The parts between the separators, at most `most`, the last one whole.

    An empty separator gives each character; 0 gives no parts.
    """
    text, between = _text(value, "split"), _text(separator, "split")
    limit = _whole(most, "split")
    if limit == 0:
        return []
    if between:
        return text.split(between, limit - 1 if limit > 0 else -1)
    cut = len(text) if limit < 0 else min(limit - 1, len(text))
    return list(text[:cut]) + ([text[cut:]] if text[cut:] else [])


def join(values: Any, separator: Any = "") -> str:
    """The texts of a list, one after the other."""
    if not isinstance(values, list):
        raise TypeError("join works on a list of texts")
    texts = [_text(value, "join") for value in values]
    between = _text(separator, "join")
    _bounded(sum(map(len, texts)) + len(between) * len(texts), "join")
    return between.join(texts)


def substring(value: Any, start: Any, end: Any = None) -> str:
    """The characters from `start` up to, not including, `end`; both count from 0."""
    text = _text(value, "substring")
    last = len(text) if end is None else end
    if not isinstance(start, int) or not isinstance(last, int):
        raise TypeError("substring takes whole numbers")
    if not 0 <= start <= last <= len(text):
        raise ValueError(f"substring({start}, {last}) leaves a text of {len(text)} characters")
    return text[start:last]


def to_string(value: Any) -> str:
    """`string(value)` for what the library converts otherwise, or not at all."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return rfc3339(value)
        case timedelta():
            return seconds_text(value)
        case int():
            return str(value)
        case float():
            return _double(value)
        case bytes():
            return value.decode("utf-8")
        case None:
            raise TypeError('string() was given null; ask first, payload.?a.orValue("")')
        case _:
            raise TypeError("string() takes text, numbers, booleans, bytes and times")


def _double(value: float) -> str:
    """As the library writes doubles: without an exponent, whole ones without a point."""
    text = format(Decimal(repr(value)), "f") if isfinite(value) else repr(value)
    return text.removesuffix(".0")


def to_int(value: Any) -> int:
    """`int(value)` of a timestamp: seconds since 1970."""
    if isinstance(value, datetime):
        return epoch_seconds(value)
    raise TypeError("int() takes a number, a text of digits, or a timestamp")


IMPLEMENTATIONS: Mapping[str, Callable[..., Any]] = {
    "lowerAscii": lower_ascii,
    "upperAscii": upper_ascii,
    "trim": trim,
    "charAt": char_at,
    "indexOf": index_of,
    "lastIndexOf": last_index_of,
    "replace": replace,
    "split": split,
    "join": join,
    "substring": substring,
    # The library asks these only for arguments that it has no function of its own for.
    "string": to_string,
    "int": to_int,
    **GETTERS,
    # Under names that no expression can say: in place of the library's (see `translate.py`).
    "_string": to_string,
    "_timestamp": timestamp,
}
"""By the name in CEL, or in what is handed to the library in its place."""
