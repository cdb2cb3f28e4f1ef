"""JSON as a tree that unfolds: bounded, everything escaped."""

import json
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup, escape

MOST = 1000
"""Values that are shown one by one."""
DEEPEST = 20
SMALL = 6
"""Fields of what is unfolded at first."""
_LONG = 200
_FOLDED = Markup("<li><details{}><summary>{} <small>{}</small></summary>{}</details></li>")


def json_tree(value: Any) -> Markup | None:
    """The value as nested lists; None where it is too large or too deep for that."""
    if isinstance(value, dict | list) and value and _fits(value):
        return _list(value, 0)
    return None


def _fits(value: Any) -> bool:
    remaining, layer = MOST, [value]
    for _ in range(DEEPEST):
        layer = [part for outer in layer for part in _parts(outer)]
        remaining -= len(layer)
        if not layer or remaining < 0:
            return remaining >= 0
    return False


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _list(value: Any, depth: int) -> Markup:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    rows = Markup("").join(_row(name, part, depth) for name, part in items)
    return Markup('<ul class="json">{}</ul>').format(rows)


def _row(name: Any, value: Any, depth: int) -> Markup:
    if isinstance(value, dict | list) and value:
        size = f"{len(value)} {'fields' if isinstance(value, dict) else 'items'}"
        opened = Markup(" open") if depth == 0 and len(value) < SMALL else ""
        return _FOLDED.format(opened, name, size, _list(value, depth + 1))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and (len(value) > _LONG or "\n" in value):
        text = Markup('<pre class="text">{}</pre>').format(value)
        return _FOLDED.format("", name, f"{len(value)} characters", text)
    return Markup("<li><span>{}</span> <code>{}</code></li>").format(name, escape(text))
