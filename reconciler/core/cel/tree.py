"""The tree of a CEL expression: what checks of names and of cost walk over.

The library gives no tree, and its parser's messages are written for authors of parsers. An
expression must please both parsers, so the tree never means more than what is evaluated.
"""

from dataclasses import dataclass

from reconciler.core.cel.tokens import TokenKind


@dataclass(frozen=True, slots=True)
class Node:
    """`offset`: where it stands, in characters. `depth`: its levels, itself included."""

    offset: int
    depth: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A number, text, bytes, true, false or null. `text` is given for a text without escapes."""

    kind: TokenKind
    text: str | None
    length: int


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A variable, or what a macro binds."""

    name: str


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`operand.field`; `optional` for `operand.?field`."""

    operand: Node
    field: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`operand[key]`; `optional` for `operand[?key]`."""

    operand: Node
    key: Node
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`name(arguments)`, or `target.name(arguments)`."""

    name: str
    target: Node | None
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Macro(Node):
    """`operand.name(variable, bodies…)`: the bodies are evaluated once per element."""

    name: str
    operand: Node
    variable: str
    bodies: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Operation(Node):
    """An operator; equal operators in a row are one node. `?:` has three operands, and `!!` of
    one operand is the operator twice."""

    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """`[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf(Node):
    """`{key: value}`; keys and values by turns."""

    entries: tuple[Node, ...]


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in the order of the text."""
    match node:
        case Select(operand=operand):
            return (operand,)
        case Index(operand=operand, key=key):
            return (operand, key)
        case Call(target=target, arguments=arguments):
            return arguments if target is None else (target, *arguments)
        case Macro(operand=operand, bodies=bodies):
            return (operand, *bodies)
        case Operation(operands=operands):
            return operands
        case ListOf(items=items):
            return items
        case MapOf(entries=entries):
            return entries
        case _:
            return ()
