"""From what an expression gives to what its place needs: a condition, a key, a part of a title."""

import json
from datetime import datetime, timedelta
from typing import Any

from reconciler.core.cel.errors import EvaluationError
from reconciler.core.cel.times import rfc3339, seconds_text

MAX_KEY = 256
"""Characters of a concurrency key."""
_LARGEST_WHOLE = 2.0**53
"""Up to here every whole number has a double of its own."""


def as_condition(value: Any) -> bool:
    """The value of `when`; anything but true and false is an EvaluationError, never "truthy"."""
    if isinstance(value, bool):
        return value
    raise EvaluationError(f"a condition must give true or false, this gave {_kind(value)}")


def as_key(value: Any) -> str:
    """The value of `concurrencyKey`, 1..256 characters.

    Whole numbers and booleans are written out, since a pull request's number is the most natural
    key of all. Doubles, null, lists and maps are refused: they have no one way to be written.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise EvaluationError(
            f"a concurrency key must be text or a whole number, this gave {_kind(value)}"
        )
    if not 1 <= len(value) <= MAX_KEY:
        raise EvaluationError(
            f"a concurrency key has 1 to {MAX_KEY} characters, this gave {len(value)}"
        )
    return value


def as_text(value: Any, limit: int) -> str:
    """The value as a part of a title, cut after `limit` characters.

    Null is empty; lists and maps are compact JSON with sorted keys, because the library gives the
    keys of a map in no order. Bytes and types that JSON does not have are an EvaluationError.
    """
    match value:
        case str():
            return value[:limit]
        case None:
            return ""
        case bool() | int() | float() | datetime() | timedelta():
            return _scalar(value)[:limit]
        case list() | dict():
            return _compact(value)[:limit]
        case _:
            raise EvaluationError(f"a title cannot show {_kind(value)}")


def as_json(value: Any) -> str:
    """The value as JSON text, for what is read out of an answer or put into a request."""
    try:
        return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)
    except (RecursionError, ValueError, EvaluationError):
        raise EvaluationError("the value cannot be written as JSON") from None


def _scalar(value: bool | float | datetime | timedelta) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            whole = value.is_integer() and abs(value) <= _LARGEST_WHOLE
            return str(int(value)) if whole else repr(value)
        case datetime():
            return rfc3339(value)
        case timedelta():
            return seconds_text(value)
        case _:
            return str(value)


def _compact(value: Any) -> str:
    try:
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    except RecursionError:
        raise EvaluationError("a title cannot show a value nested this deep") from None


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _plain(child) for key, child in value.items()}
        case list():
            return [_plain(child) for child in value]
        case None | str() | bool() | int():
            return value
        case float() | datetime() | timedelta():
            return value if isinstance(value, float) else _scalar(value)
        case _:
            raise EvaluationError(f"a title cannot show {_kind(value)}")


_KINDS: dict[type, str] = {
    bool: "a boolean",
    int: "a whole number",
    float: "a double",
    str: "text",
    bytes: "bytes",
    list: "a list",
    dict: "a map",
    type(None): "null",
    datetime: "a timestamp",
    timedelta: "a duration",
}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "something else")
