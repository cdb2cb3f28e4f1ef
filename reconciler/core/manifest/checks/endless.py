"""References of a JSON Schema that lead back to where they stand: judging by it would never end.

A schema that refers to itself further down is fine: `items: {$ref: "#"}` ends with the value.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.base.invisible import one_line

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("not", "if", "then", "else")
_REFERENCES = ("$ref", "$dynamicRef")
_SHOWN = 200

Schema = dict[str, Any]


def endless_reference(schema: Schema) -> str | None:
    """What is wrong with a reference that never ends; None where each goes on into the value."""
    parts = list(_parts(schema))
    anchors = {part["$anchor"]: part for part in parts if isinstance(part.get("$anchor"), str)}
    done: set[int] = set()
    for part in parts:
        if (target := _circle_from(part, schema, anchors, done)) is not None:
            shown = one_line(target, _SHOWN)
            return f"$ref {shown} leads back to itself without going into the value; it never ends"
    return None


def _circle_from(
    start: Schema, root: Schema, anchors: Mapping[str, Schema], done: set[int]
) -> str | None:
    """The reference that closes a circle; `done` are parts from which none can be reached.

    With a stack of its own: a schema may nest deeper than Python calls.
    """
    under_way = {id(start)}
    stack = [(start, _same_value(start, root, anchors))]
    while stack:
        part, onward = stack[-1]
        target, following = next(onward, ("", None))
        if following is None:
            stack.pop()
            under_way.discard(id(part))
            done.add(id(part))
        elif id(following) in under_way:
            return target
        elif id(following) not in done:
            under_way.add(id(following))
            stack.append((following, _same_value(following, root, anchors)))
    return None


def _same_value(
    part: Schema, root: Schema, anchors: Mapping[str, Schema]
) -> Iterator[tuple[str, Schema]]:
    """The schemas that the very same value is held against, each with the reference to it."""
    for keyword in _REFERENCES:
        target = part.get(keyword)
        if isinstance(target, str) and (named := _resolved(target, root, anchors)) is not None:
            yield target, named
    for keyword in _LISTS:
        if isinstance(several := part.get(keyword), list):
            yield from ((keyword, each) for each in several if isinstance(each, dict))
    for keyword in _SINGLE:
        if isinstance(single := part.get(keyword), dict):
            yield keyword, single


def _resolved(target: str, root: Schema, anchors: Mapping[str, Schema]) -> Schema | None:
    """The part that a local reference names, as a JSON pointer or an anchor; None for no part."""
    if target.startswith("#/"):
        part: Any = root
        for name in target[2:].split("/"):
            name = name.replace("~1", "/").replace("~0", "~")
            if isinstance(part, list):
                is_place = name.isascii() and name.isdigit() and len(name) < 7
                part = part[int(name)] if is_place and int(name) < len(part) else None
            else:
                part = part.get(name) if isinstance(part, dict) else None
        return part if isinstance(part, dict) else None
    return root if target == "#" else anchors.get(target[1:])


def _parts(schema: Schema) -> Iterator[Schema]:
    pending: list[Any] = [schema]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            yield part
            pending += part.values()
        elif isinstance(part, list):
            pending += part
