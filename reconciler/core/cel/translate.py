"""The text that the library compiles, made from the tree: what it lacks or does otherwise is put
in other words.

- Optional selections become questions with `has`, `in` and `size`.
- `timestamp` gives UTC, and `string` of times what the specification says (`methods.py`).
- `duration + timestamp` is turned round.

Everything else stays as it was written, so its cost is what `cost.py` has measured on the tree.
"""

from collections.abc import Iterator

from reconciler.core.cel.optional import ENDS, alternatives, chain, is_optional
from reconciler.core.cel.tokens import TokenKind
from reconciler.core.cel.tree import (
    Call,
    Index,
    ListOf,
    Literal,
    Macro,
    MapOf,
    Name,
    Node,
    Operation,
    Select,
    children,
)

_LEVELS = {"?:": 0, "||": 1, "&&": 2, "+": 4, "-": 4, "*": 5, "/": 5, "%": 5}
_COMPARISON, _UNARY = 3, 6


def calls(node: Node) -> Iterator[str]:
    """The names of all functions and methods that a tree calls."""
    if isinstance(node, Call):
        yield node.name
    for child in children(node):
        yield from calls(child)


def translated(tree: Node, source: str) -> str:
    """The expression for the library. `source` is the text that the tree was read from.

    The tree holds no optional that is `misused`.
    """
    times = not {"timestamp", "duration"}.isdisjoint(calls(tree))
    return _Translator(source, times).text(tree)


class _Translator:
    """`times`: whether a timestamp or a duration can come up at all."""

    def __init__(self, source: str, times: bool) -> None:
        self._source = source
        self._names = {"timestamp": "_timestamp", "string": "_string"} if times else {}

    def text(self, node: Node) -> str:
        match node:
            case Literal(offset=offset, length=length):
                return self._source[offset : offset + length]
            case Name(name=name):
                return name
            case Select(operand=operand, field=field):
                return f"{self._operand(operand)}.{field}"
            case Index(operand=operand, key=key):
                return f"{self._operand(operand)}[{self.text(key)}]"
            case Macro(name=name, operand=operand, variable=variable, bodies=bodies):
                return (
                    f"{self._operand(operand)}.{name}({self._list(Name(0, 1, variable), *bodies)})"
                )
            case ListOf(items=items):
                return f"[{self._list(*items)}]"
            case MapOf(entries=entries):
                pairs = zip(entries[::2], entries[1::2], strict=True)
                return "{" + ", ".join(f"{self.text(k)}: {self.text(v)}" for k, v in pairs) + "}"
            case Call():
                return self._call(node)
            case Operation():
                return self._operation(node)
            case _:
                raise TypeError(node)

    def _call(self, node: Call) -> str:
        if node.target is None:
            return f"{self._names.get(node.name, node.name)}({self._list(*node.arguments)})"
        if node.name in ENDS and is_optional(node.target):
            return self._ended(node.target, node.arguments)
        return f"{self._operand(node.target)}.{node.name}({self._list(*node.arguments)})"

    def _ended(self, optional: Node, otherwise: tuple[Node, ...]) -> str:
        """`orValue` with a value, `hasValue` without one."""
        chains = alternatives(optional)
        if not otherwise:
            return "(" + " || ".join(self._is_there(each) for each in chains) + ")"
        text = f"({self.text(otherwise[0])})"
        for each in reversed(chains):
            text = f"({self._is_there(each)} ? {self.text(each)} : {text})"
        return text

    def _is_there(self, node: Node) -> str:
        """Whether every optional selection of a chain finds something.

        What stands before it must be a map or a list: in null, or in a text, there is nothing to
        be found, which is no failure here.
        """
        conditions: list[str] = []
        start, links = chain(node)
        before = self.text(start)
        for link in links:
            if link.optional:
                conditions.append(self._finds(before, link))
            before += self._link(link)
        return "(" + " && ".join(conditions) + ")"

    def _finds(self, before: str, link: Select | Index) -> str:
        if isinstance(link, Select):
            return f"type({before}) == type({{}}) && has({before}.{link.field})"
        key = self.text(link.key)
        if isinstance(link.key, Literal) and link.key.text is None:
            return f"type({before}) == type([]) && {key} < size({before})"
        return f"type({before}) == type({{}}) && {key} in {before}"

    def _link(self, link: Select | Index) -> str:
        return f".{link.field}" if isinstance(link, Select) else f"[{self.text(link.key)}]"

    def _operation(self, node: Operation) -> str:
        level = _level(node)
        match node.operands:
            case (operand,):
                return node.operator + self._within(operand, _UNARY + 1)
            case (condition, first, second) if node.operator == "?:":
                question = f"{self._within(condition, 1)} ? {self._within(first, 1)}"
                return f"{question} : {self._within(second, 0)}"
            case (first, *others):
                text = self._within(first, level)
                for index, other in enumerate(others, start=1):
                    shown = self._within(other, level + 1)
                    durations = all(map(_is_duration, node.operands[:index]))
                    if node.operator == "+" and (durations or _is_timestamp(other)):
                        # The library adds durations to timestamps, never the other way round.
                        text = f"{shown} + ({text})"
                    else:
                        text = f"{text} {node.operator} {shown}"
                return text
            case _:
                raise TypeError(node)

    def _within(self, node: Node, loosest: int) -> str:
        text = self.text(node)
        return f"({text})" if _level(node) < loosest else text

    def _operand(self, node: Node) -> str:
        """Before a dot or a bracket: an operation and a number stand in brackets of their own."""
        numeric = isinstance(node, Literal) and node.kind in (TokenKind.INT, TokenKind.FLOAT)
        return f"({self.text(node)})" if numeric or isinstance(node, Operation) else self.text(node)

    def _list(self, *nodes: Node) -> str:
        return ", ".join(map(self.text, nodes))


def _level(node: Node) -> int:
    """How tightly a node holds together; what is no operation holds as tightly as can be."""
    if not isinstance(node, Operation):
        return _UNARY + 1
    return _UNARY if len(node.operands) == 1 else _LEVELS.get(node.operator, _COMPARISON)


def _is_timestamp(node: Node) -> bool:
    match node:
        case Call(name="timestamp", target=None):
            return True
        case Operation(operator="+", operands=operands):
            return any(map(_is_timestamp, operands))
        case Operation(operator="-", operands=(first, *others)):
            return _is_timestamp(first) and not any(map(_is_timestamp, others))
        case Operation(operator="?:", operands=(_, first, _)):
            return _is_timestamp(first)
        case _:
            return False


def _is_duration(node: Node) -> bool:
    match node:
        case Call(name="duration", target=None):
            return True
        case Operation(operator="+", operands=operands):
            return all(map(_is_duration, operands))
        case Operation(operator="-", operands=(first, *_)):
            return _is_duration(first)
        case Operation(operator="?:", operands=(_, first, _)):
            return _is_duration(first)
        case _:
            return False
