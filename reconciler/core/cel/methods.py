"""The methods on text that Kubernetes' CEL has and the library leaves out.

Each is called by the library with CEL values as Python ones. A ValueError or TypeError becomes the
failure of the evaluation. Results are bounded, because `replace` and `join` can multiply.
"""

from collections.abc import Callable, Mapping
from typing import Any

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


def lower_ascii(value: Any) -> str:
    """A-Z in lower case, all else as it is."""
    return _text(value, "lowerAscii").translate(_UPPER)


def upper_ascii(value: Any) -> str:
    """a-z in upper case, all else as it is."""
    return _text(value, "upperAscii").translate(_LOWER)


def trim(value: Any) -> str:
    """Without white space at both ends."""
    return _text(value, "trim").strip()


def replace(value: Any, old: Any, new: Any) -> str:
    """Every `old` replaced by `new`."""
    text, before, after = (_text(part, "replace") for part in (value, old, new))
    _bounded(len(text) + text.count(before) * (len(after) - len(before)), "replace")
    return text.replace(before, after)


def split(value: Any, separator: Any) -> list[str]:
    """The parts between the separators; an empty separator gives each character."""
    text, between = _text(value, "split"), _text(separator, "split")
    return text.split(between) if between else list(text)


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


IMPLEMENTATIONS: Mapping[str, Callable[..., Any]] = {
    "lowerAscii": lower_ascii,
    "upperAscii": upper_ascii,
    "trim": trim,
    "replace": replace,
    "split": split,
    "join": join,
    "substring": substring,
}
"""By the name in CEL."""
