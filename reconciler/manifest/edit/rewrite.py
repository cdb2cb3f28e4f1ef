"""One value of a text written anew, in the style of the old one where it can be."""

import json
from typing import Any

from reconciler.manifest.edit.layout import CannotSplice, Layout
from reconciler.manifest.edit.places import Change, Entry, Item, Place, Root, is_json, key_column
from reconciler.manifest.edit.quoting import double_quoted, is_plain, literal, single_quoted
from reconciler.manifest.edit.writer import inline
from reconciler.manifest.load.nodes import Node, ScalarNode


def replaced(layout: Layout, node: Node, value: Any, place: Place) -> Change:
    """Put a value in the place of a node. Raises CannotSplice."""
    if isinstance(place, Root):
        raise CannotSplice("the whole document")
    around = place.mapping if isinstance(place, Entry) else place.sequence
    if around.flow:
        return Change(node.start.index, node.end.index, _in_flow(layout, node, value, place))
    if isinstance(node, ScalarNode) and (text := _in_style(layout, node, value, place)) is not None:
        return Change(node.start.index, layout.end(node), text)
    return _rewritten(layout, node, value, place)


def _in_flow(layout: Layout, node: Node, value: Any, place: Place) -> str:
    if isinstance(place, Entry) and is_json(place.mapping):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(node, ScalarNode) and isinstance(value, str) and node.style:
        text = _quoted(node.style, value)
    else:
        text = inline([value])[1:-1]
    before = layout.text[node.start.index - 1]
    return f" {text}" if before == ":" else text


def _quoted(style: str, value: str) -> str:
    single = single_quoted(value) if style == "'" else None
    return single if single is not None else double_quoted(value)


def _in_style(layout: Layout, node: ScalarNode, value: Any, place: Place) -> str | None:
    """The new scalar written as the old one is, or None if it cannot be."""
    if not isinstance(value, str) or not isinstance(node.value, str):
        return None
    if node.style in ("'", '"') and "\n" not in value:
        return _quoted(node.style, value)
    if node.style == "|":
        return _as_literal(layout, node, value, place)
    return value if not node.style and node.text and is_plain(value) else None


def _as_literal(layout: Layout, node: ScalarNode, value: str, place: Place) -> str | None:
    outer = place.key.start.column if isinstance(place, Entry) else _item_column(place)
    lines = layout.text[node.start.index : node.end.index].splitlines()[1:]
    indents = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip(" ")]
    indent = min(indents, default=outer + layout.writer.step)
    if not 1 <= indent - outer <= 9:
        return None
    block = literal(value, indent, indent - outer)
    return None if block is None else layout.joined(block)


def _item_column(place: Place) -> int:
    """The column that the blocks at a place are counted from."""
    return place.sequence.start.column if isinstance(place, Item) else 0


def _rewritten(layout: Layout, node: Node, value: Any, place: Place) -> Change:
    """The value from its `:` or `-` on, written anew."""
    if isinstance(place, Entry):
        start = layout.colon(place.key, node) + 1
        indent = key_column(layout, place.key)
        lines = layout.writer.after(":", value, indent, layout.writer.offset)
    elif isinstance(place, Item):
        start = layout.dash(place.sequence, place.number) + 1
        indent = place.sequence.start.column
        lines = layout.writer.item(value, indent)
    else:
        raise CannotSplice("the whole document")
    end = max(layout.end(node), start)
    if len(lines) > 1:
        # A comment behind the old value would end up inside or below the new one.
        remainder = layout.remainder_of_line(end)
        end = (
            layout.line_end(end)
            if remainder.lstrip().startswith("#") or not remainder.strip()
            else end
        )
    first = lines[0].lstrip(" ")[1:]
    return Change(start, end, layout.joined([first, *lines[1:]]))
