"""A text as a tree of nodes with their places: for Problems deep inside, and for edits.

Much slower than `parse`, and so only made when somebody asks where a field stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from _ruamel_yaml import (
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.error import YAMLError

from reconciler.manifest.load.builder import DEEPEST
from reconciler.manifest.load.checkpoint import Checkpoint, checked_often, proceed
from reconciler.manifest.load.events import Events, Mark, can_be_helped
from reconciler.manifest.load.loc import Loc
from reconciler.manifest.load.scalars import NumberTooLong, resolve


@dataclass(slots=True)
class Node:
    """A scalar, mapping or list. `start` and `end` are libyaml's marks, all from 0.

    The end of a block collection is that of its last child, not the start of what follows.
    """

    start: Mark
    end: Mark


@dataclass(slots=True)
class ScalarNode(Node):
    """`style` is empty for plain, else one of `'`, `"`, `|`, `>`."""

    text: str
    style: str

    @property
    def value(self) -> Any:
        """What the scalar means."""
        try:
            return self.text if self.style else resolve(self.text)
        except NumberTooLong:
            return self.text


@dataclass(slots=True)
class MappingNode(Node):
    """Keys and values in their order. `flow`: written in braces."""

    flow: bool
    entries: list[tuple[ScalarNode, Node]] = field(default_factory=list)
    _by_key: dict[str, tuple[ScalarNode, Node]] = field(default_factory=dict)

    def add(self, key: ScalarNode, value: Node) -> None:
        """Add an entry behind the others."""
        self.entries.append((key, value))
        self._by_key.setdefault(key.text, (key, value))

    def entry(self, key: str) -> tuple[ScalarNode, Node] | None:
        """Return the first entry with this key, in constant time: each Problem asks for one."""
        return self._by_key.get(key)


@dataclass(slots=True)
class SequenceNode(Node):
    """Items in their order. `flow`: written in brackets."""

    flow: bool
    items: list[Node] = field(default_factory=list)


def roots(text: str, checkpoint: Checkpoint = proceed) -> list[Node]:
    """The root node of each document that starts, the broken last one as far as it goes."""
    for disguised in (False, True):
        tree = _Tree(Events(text, disguised=disguised))
        try:
            tree.run(checkpoint)
        except YAMLError as error:
            if not disguised and can_be_helped(error, text):
                continue
        return tree.roots
    return tree.roots


def find(root: Node, loc: Loc) -> tuple[ScalarNode | None, Node, int]:
    """The node at `loc`, its key if it has one, and how many parts of `loc` were found."""
    key: ScalarNode | None = None
    node = root
    for depth, part in enumerate(loc):
        match node:
            case MappingNode() if isinstance(part, str) and (entry := node.entry(part)):
                key, node = entry
            case SequenceNode() if isinstance(part, int) and part < len(node.items):
                key, node = None, node.items[part]
            case _:
                return key, node, depth
    return key, node, len(loc)


class _Tree:
    """Builds the nodes; keys that are no scalars are left out with their values."""

    def __init__(self, events: Events) -> None:
        self.roots: list[Node] = []
        self._events = events
        self._stack: list[MappingNode | SequenceNode] = []
        self._keys: list[Node | None] = []

    def run(self, checkpoint: Checkpoint) -> None:
        """Read everything. Raises YAMLError; `roots` then holds what was read so far."""
        for event in checked_often(self._events, checkpoint):
            if len(self._stack) > DEEPEST:
                return
            self._take(event)

    def _take(self, event: Any) -> None:
        kind = type(event)
        if kind is ScalarEvent:
            text = self._events.restore(event.value)
            self._place(ScalarNode(event.start_mark, event.end_mark, text, event.style))
        elif kind in (MappingStartEvent, SequenceStartEvent):
            shape = MappingNode if kind is MappingStartEvent else SequenceNode
            node = shape(event.start_mark, event.end_mark, bool(event.flow_style))
            self._place(node)
            self._stack.append(node)
            self._keys.append(None)
        elif kind in (MappingEndEvent, SequenceEndEvent):
            self._keys.pop()
            _close(self._stack.pop(), event.end_mark)
        elif kind is DocumentStartEvent:
            self._stack, self._keys = [], []
        elif hasattr(event, "anchor"):
            self._place(ScalarNode(event.start_mark, event.end_mark, "", "'"))

    def _place(self, node: Node) -> None:
        parent = self._stack[-1] if self._stack else None
        if parent is None:
            self.roots.append(node)
        elif isinstance(parent, SequenceNode):
            parent.items.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = node
        else:
            key, self._keys[-1] = self._keys[-1], None
            if isinstance(key, ScalarNode):
                parent.add(key, node)


def _close(node: MappingNode | SequenceNode, end: Mark) -> None:
    if node.flow:
        node.end = end
    elif last := next(_last(node), None):
        node.end = last.end


def _last(node: MappingNode | SequenceNode) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        yield from (value for _, value in node.entries[-1:])
    else:
        yield from node.items[-1:]
