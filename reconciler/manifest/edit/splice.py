"""Replaces values inside a text, and nothing else: comments, quotes, order and breaks stay."""

import difflib
import json
from collections.abc import Iterator
from typing import Any

from reconciler.manifest.edit.layout import CannotSplice, Layout
from reconciler.manifest.edit.places import (
    Change,
    Entry,
    Item,
    Place,
    Root,
    identity,
    is_json,
    key_column,
    same,
    value_of,
)
from reconciler.manifest.edit.rewrite import replaced
from reconciler.manifest.edit.writer import inline
from reconciler.manifest.load.nodes import MappingNode, Node, ScalarNode, SequenceNode


def spliced(text: str, root: Node, value: Any) -> str:
    """The text with `root` meaning `value`, as few of its characters as possible replaced.

    Raises CannotSplice where the layout is too unusual; the result should be read again anyhow.
    """
    layout = Layout.of(text, root)
    changes = sorted(_changes(layout, root, value, Root()))
    # From the end of the text: offsets before a change stay true while it is made.
    for change in reversed(changes):
        text = text[: change.start] + change.text + text[change.end :]
    return text


def _changes(layout: Layout, node: Node, value: Any, place: Place) -> Iterator[Change]:
    if same(value_of(node), value):
        return
    match node:
        case MappingNode() if isinstance(value, dict) and _keeps_some(node, value):
            yield from _mapping(layout, node, value)
        case SequenceNode() if isinstance(value, list) and value and node.items:
            yield from _sequence(layout, node, value, place)
        case _:
            yield replaced(layout, node, value, place)


def _keeps_some(node: MappingNode, value: dict[str, Any]) -> bool:
    return any(key.text in value for key, _ in node.entries)


def _mapping(layout: Layout, node: MappingNode, value: dict[str, Any]) -> Iterator[Change]:
    staying = [index for index, (key, _) in enumerate(node.entries) if key.text in value]
    for index in staying:
        key, item = node.entries[index]
        yield from _changes(layout, item, value[key.text], Entry(node, key))
    yield from _removed(layout, node, staying)
    present = {key.text for key, _ in node.entries}
    for anchor, added in _additions(value, present, [node.entries[i][0].text for i in staying]):
        index = next(i for i, (key, _) in enumerate(node.entries) if key.text == anchor)
        yield _added_entries(layout, node, index, {key: value[key] for key in added})


def _additions(
    value: dict[str, Any], present: set[str], staying: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """New keys, each group with the key that it is to stand behind."""
    anchor = staying[-1]
    groups: dict[str, list[str]] = {}
    seen: str | None = None
    for key in value:
        if key in present:
            seen = key
        else:
            groups.setdefault(seen or anchor, []).append(key)
    yield from groups.items()


def _added_entries(layout: Layout, node: MappingNode, index: int, added: dict[str, Any]) -> Change:
    key, item = node.entries[index]
    if node.flow:
        end = max(key.end.index, item.end.index)
        texts = [_flow_pair(node, name, value) for name, value in added.items()]
        return Change(end, end, _behind(layout, key.start.index, texts))
    indent = key_column(layout, key)
    lines = [
        line for name, value in added.items() for line in layout.writer.entry(name, value, indent)
    ]
    return _lines_after(layout, max(layout.end(item), key.end.index), lines)


def _flow_pair(node: MappingNode, name: str, value: Any) -> str:
    if is_json(node):
        return f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
    return inline({name: value})[1:-1]


def _behind(layout: Layout, neighbour: int, texts: list[str]) -> str:
    """Members of a flow collection behind another one: on lines of their own if that one is."""
    if not layout.is_first_in_line(neighbour):
        return "".join(f", {text}" for text in texts)
    indent = layout.text[layout.line_start(neighbour) : neighbour]
    return "".join(f",{layout.newline}{indent}{text}" for text in texts)


def _lines_after(layout: Layout, offset: int, lines: list[str]) -> Change:
    """Put lines below the line in which `offset` stands."""
    at = layout.next_line(offset)
    text = layout.joined(lines)
    if at == offset or layout.text[at - 1 : at] not in ("\n", "\r"):
        return Change(at, at, layout.newline + text)
    return Change(at, at, text + layout.newline)


def _removed(layout: Layout, node: MappingNode, staying: list[int]) -> Iterator[Change]:
    gone = [index for index in range(len(node.entries)) if index not in staying]
    starts = [key.start.index for key, _ in node.entries]
    if node.flow:
        ends = [max(item.end.index, key.end.index) for key, item in node.entries]
        yield from _removed_in_flow(starts, ends, gone)
        return
    for index in gone:
        key, item = node.entries[index]
        key_column(layout, key)
        end = layout.next_line(max(layout.end(item), key.end.index))
        if layout.is_first_in_line(starts[index]):
            # The whole line, with a comment behind the value; comments above stay.
            yield Change(layout.line_start(starts[index]), end, "")
        else:
            # Behind a dash: what follows moves up to it.
            yield Change(starts[index], _following(layout, node, index), "")


def _following(layout: Layout, node: MappingNode, index: int) -> int:
    if index + 1 == len(node.entries):
        raise CannotSplice("the only entry behind a dash")
    return node.entries[index + 1][0].start.index


def _removed_in_flow(starts: list[int], ends: list[int], gone: list[int]) -> Iterator[Change]:
    # A gone member takes the comma behind it along; those at the end take the one before them.
    last_kept = max(i for i in range(len(starts)) if i not in gone)
    for index in gone:
        if index < last_kept:
            yield Change(starts[index], starts[index + 1], "")
    if last_kept + 1 < len(starts):
        yield Change(ends[last_kept], ends[-1], "")


def _sequence(
    layout: Layout, node: SequenceNode, value: list[Any], place: Place
) -> Iterator[Change]:
    old = [_name(value_of(item)) for item in node.items]
    new = [_name(item) for item in value]
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    gone: list[int] = []
    added: list[tuple[int, list[Any]]] = []
    changed: list[tuple[int, Any]] = []
    for _tag, i, i_end, j, j_end in matcher.get_opcodes():
        both = min(i_end - i, j_end - j)
        changed += [(i + n, value[j + n]) for n in range(both)]
        gone += range(i + both, i_end)
        if j + both < j_end:
            added.append((i + both, value[j + both : j_end]))
    # Of a list that loses all items nothing is left to put the new ones behind.
    if len(gone) == len(node.items):
        yield replaced(layout, node, value, place)
        return
    for index, item in changed:
        yield from _changes(layout, node.items[index], item, Item(node, index))
    yield from _removed_items(layout, node, gone)
    for index, items in added:
        yield _added_items(layout, node, index, items)


def _name(item: Any) -> str:
    """By what two items of a list are taken for the same."""
    if isinstance(item, dict) and isinstance(item.get("name"), str):
        return f"name {item['name']}"
    return identity(item)


def _removed_items(layout: Layout, node: SequenceNode, gone: list[int]) -> Iterator[Change]:
    if not gone:
        return
    if node.flow:
        starts = [item.start.index for item in node.items]
        ends = [item.end.index for item in node.items]
        yield from _removed_in_flow(starts, ends, gone)
        return
    for index in gone:
        dash = layout.dash(node, index)
        if not layout.is_first_in_line(dash):
            raise CannotSplice("a list behind a dash")
        end = layout.next_line(max(layout.end(node.items[index]), dash))
        yield Change(layout.line_start(dash), end, "")


def _added_items(layout: Layout, node: SequenceNode, index: int, items: list[Any]) -> Change:
    """Put items before the one at `index`, that is behind the one before it."""
    if node.flow:
        return _added_in_flow(layout, node, index, items)
    indent = node.start.column
    lines = [line for item in items for line in layout.writer.item(item, indent)]
    if index > 0:
        end = max(layout.end(node.items[index - 1]), layout.dash(node, index - 1))
        return _lines_after(layout, end, lines)
    if not layout.is_first_in_line(node.start.index):
        raise CannotSplice("a list behind a dash")
    at = layout.line_start(node.start.index)
    return Change(at, at, layout.joined(lines) + layout.newline)


def _added_in_flow(layout: Layout, node: SequenceNode, index: int, items: list[Any]) -> Change:
    texts = [_flow_item(node, item) for item in items]
    if index > 0:
        before = node.items[index - 1]
        return Change(
            before.end.index, before.end.index, _behind(layout, before.start.index, texts)
        )
    at = node.items[0].start.index
    return Change(at, at, "".join(f"{text}, " for text in texts))


def _flow_item(node: SequenceNode, item: Any) -> str:
    first = node.items[0]
    quoted = isinstance(first, ScalarNode) and first.style == '"'
    if quoted or (isinstance(first, MappingNode) and first.flow and is_json(first)):
        return json.dumps(item, ensure_ascii=False)
    return inline([item])[1:-1]
