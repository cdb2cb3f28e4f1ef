"""What a splice is made of: where a value stands, what replaces which part of the text."""

import json
from typing import Any, NamedTuple

from reconciler.manifest.edit.layout import CannotSplice, Layout
from reconciler.manifest.load.nodes import MappingNode, Node, ScalarNode, SequenceNode


class Change(NamedTuple):
    """Put `text` in the place of what stands from `start` to `end`."""

    start: int
    end: int
    text: str


class Root:
    """The node is the root of its document."""


class Entry(NamedTuple):
    """The node is the value of this entry of a mapping."""

    mapping: MappingNode
    key: ScalarNode


class Item(NamedTuple):
    """The node is this item of a list."""

    sequence: SequenceNode
    number: int


Place = Root | Entry | Item


def value_of(node: Node) -> Any:
    """The value of a node; of equal keys the first counts."""
    match node:
        case ScalarNode():
            return node.value
        case MappingNode():
            return {key.text: value_of(item) for key, item in reversed(node.entries)}
        case SequenceNode():
            return [value_of(item) for item in node.items]
    return None


def same(value: Any, other: Any) -> bool:
    """Whether two values are the same in YAML, where 1, 1.0 and true are not."""
    return identity(value) == identity(other)


def identity(value: Any) -> str:
    """Equal exactly for values that are the same."""
    return json.dumps(value, sort_keys=True)


def is_json(node: MappingNode) -> bool:
    """Whether a mapping in braces is written as JSON: all its keys are in double quotes."""
    return all(key.style == '"' for key, _ in node.entries)


def key_column(layout: Layout, key: ScalarNode) -> int:
    """The column of a key of a block mapping. Raises CannotSplice for `? key`."""
    before = layout.text[layout.line_start(key.start.index) : key.start.index]
    if before.strip(" -") or before.rstrip().endswith("--"):
        raise CannotSplice("an explicit key")
    return key.start.column
