"""JSON as text: what both databases keep in a column, and what is read back from it.

pydantic's writer and reader take a third and two thirds of the time of the standard library's. What
they refuse, half of a surrogate pair above all, is left to the latter.
"""

import json
from typing import Any

from pydantic_core import from_json, to_json

_as_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def as_json(value: Any) -> str:
    """The shortest text of a value."""
    try:
        return to_json(value).decode()
    except ValueError:
        return _as_json(value)


def read_json(text: str | bytes) -> Any:
    """JSON, or the text itself where somebody broke it by hand: that row drifts, and no other."""
    try:
        return from_json(text)
    except (TypeError, ValueError):
        pass
    try:
        return json.loads(text)
    except ValueError:
        return text
