"""How much work an expression can be, over given values: an upper bound, found before it starts.

One step is about a tenth of a microsecond of the library. The bound is a product over nested
macros of the lengths of what they go through; lengths are looked up in the values where the range
is a path into them, and otherwise bounded by the size of what they are made from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.cel.methods import MAX_TEXT
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
from reconciler.core.cel.vocabulary import TEXT_METHODS, TIME_METHODS
from reconciler.core.cel.weight import CHARACTERS, MAX_WEIGHT, weigh

Json = Any
TOO_MUCH = 10**18
"""Where bounds stop growing."""

_HAND_OVER = 3
_REGEX = 5_000
_METHOD = 5_000
"""Set high on purpose: patterns and methods in Python never count as cheap."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A part of the values, looked up."""

    value: Json


@dataclass(frozen=True, slots=True)
class _Bound:
    """Something computed: its weight, and how many elements it may have, at most."""

    weight: int
    count: int


_Size = _Known | _Bound
_Scope = Mapping[str, _Size]
_ONE_STEP = _Bound(1, 0)


def estimate(tree: Node, variables: Mapping[str, Json], limit: int = MAX_WEIGHT) -> int:
    """An upper bound of the steps, at most `TOO_MUCH`.

    `variables` are already pruned. TooHeavy where one of them weighs more than `limit`.
    """
    handed_over = weigh(dict(variables), limit)
    scope = {name: _Known(value) for name, value in variables.items()}
    _, steps = _Estimator(limit).measure(tree, scope)
    return min(handed_over * _HAND_OVER + steps, TOO_MUCH)


class _Estimator:
    """Measures a tree bottom-up; remembers what it has weighed, since paths come back."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weights: dict[int, _Bound] = {}

    def measure(self, node: Node, scope: _Scope) -> tuple[_Size, int]:
        """What the node gives, and the steps that it takes, at most."""
        match node:
            case Literal(length=length):
                return _Bound(1 + length // CHARACTERS, 0), 1
            case Name(name=name):
                return scope.get(name, _ONE_STEP), 1
            case Select(operand=operand, field=field):
                size, steps = self.measure(operand, scope)
                return _below(size, field), steps + 1
            case Index():
                return self._index(node, scope)
            case Macro():
                return self._macro(node, scope)
            case _:
                return self._combined(node, scope)

    def _index(self, node: Index, scope: _Scope) -> tuple[_Size, int]:
        size, steps = self.measure(node.operand, scope)
        _, more = self.measure(node.key, scope)
        if isinstance(node.key, Literal) and node.key.text is not None:
            return _below(size, node.key.text), steps + more + 1
        return self._element(size), steps + more + 1

    def _combined(self, node: Node, scope: _Scope) -> tuple[_Size, int]:
        parts = [self.measure(child, scope) for child in children(node)]
        steps = 1 + sum(part_steps for _, part_steps in parts)
        sizes = [self._bound(size) for size, _ in parts]
        weight = sum(size.weight for size in sizes)
        match node:
            case Call(name="string" | "int" as name) if not self._is_builtin(node, name, scope):
                return _called(name, sizes), _capped(steps + _METHOD + weight)
            case Call(name="orValue" | "hasValue", target=Node() as target):
                # Each optional selection asks for all that stands before it, twice, and the whole
                # is selected once more (see `translate.py`).
                repeated = 2 * target.depth + 2
                return _called(str(node.name), sizes), _capped(steps * repeated)
            case Call(name=name, arguments=arguments):
                work = _work(name, sizes)
                zoned = name in TIME_METHODS and arguments
                return _called(name, sizes), _capped(steps + work + (_METHOD if zoned else 0))
            case Operation(operator="+"):
                # A chain of n additions copies what it has so far each time.
                copies = weight * len(sizes)
                return _Bound(_capped(weight), sum(s.count for s in sizes)), _capped(steps + copies)
            case Operation(operator="?:"):
                widest = max(sizes[1:], key=lambda size: size.weight)
                return _Bound(widest.weight, max(s.count for s in sizes[1:])), steps
            case ListOf(items=items):
                return _Bound(_capped(weight + 1), len(items)), _capped(steps + weight)
            case MapOf(entries=entries):
                return _Bound(_capped(weight + 1), len(entries) // 2), _capped(steps + weight)
            case _:
                return _ONE_STEP, _capped(steps + weight)

    def _is_builtin(self, call: Call, name: str, scope: _Scope) -> bool:
        """Whether the library converts the argument itself: where it does not, Python is called."""
        size, _ = self.measure(call.arguments[0], scope)
        types = (int, float, str) if name == "string" else (int, float)
        if isinstance(call.arguments[0], Literal):
            return call.arguments[0].kind is not TokenKind.NAME
        return isinstance(size, _Known) and isinstance(size.value, types)

    def _macro(self, node: Macro, scope: _Scope) -> tuple[_Size, int]:
        size, steps = self.measure(node.operand, scope)
        source = self._bound(size)
        inner = {**scope, node.variable: self._element(size)}
        bodies = [self.measure(body, inner) for body in node.bodies]
        each = 2 + sum(body_steps for _, body_steps in bodies)
        steps += source.count * each
        if node.name not in ("map", "filter"):
            return _ONE_STEP, _capped(steps)
        # The library builds the result by appending to a copy of it: quadratic.
        steps += source.count * source.count
        if node.name == "filter":
            return source, _capped(steps)
        result = self._bound(bodies[-1][0])
        weight = 1 + source.count * result.weight
        return _Bound(_capped(weight), source.count), _capped(steps)

    def _bound(self, size: _Size) -> _Bound:
        if isinstance(size, _Bound):
            return size
        value = size.value
        if id(value) not in self._weights:
            self._weights[id(value)] = self._weighed(value)
        return self._weights[id(value)]

    def _weighed(self, value: Json) -> _Bound:
        count = len(value) if isinstance(value, dict | list) else 0
        return _Bound(weigh(value, self._limit), count)

    def _element(self, size: _Size) -> _Size:
        """Any one element: as heavy as the heaviest, as long as the longest."""
        if isinstance(size, _Bound):
            return _Bound(size.weight, size.weight)
        value = size.value
        if isinstance(value, dict):  # a macro goes through the keys, an index gives a value
            value = [*value, *value.values()]
        if not isinstance(value, list) or not value:
            return _ONE_STEP
        bounds = [self._weighed(child) for child in value]
        return _Bound(max(b.weight for b in bounds), max(b.count for b in bounds))


def _below(size: _Size, field: str) -> _Size:
    if isinstance(size, _Bound):
        return _Bound(size.weight, size.weight)
    if isinstance(size.value, dict) and field in size.value:
        return _Known(size.value[field])
    return _ONE_STEP


def _called(name: str, sizes: list[_Bound]) -> _Bound:
    match name:
        case "replace" | "join":
            return _Bound(1 + MAX_TEXT // CHARACTERS, 0)
        case "split":
            parts = sizes[0].weight * CHARACTERS + 1
            return _Bound(2 * parts, parts)
        case "indexOf" | "lastIndexOf" | "charAt" | "hasValue" | "timestamp" | "string" | "int":
            # What `string` gives is as long as its text, and below a hundred characters else.
            return _Bound(4 + (sizes[0].weight if sizes else 0), 0)
        case "size" | "contains" | "startsWith" | "endsWith" | "matches" | "has":
            return _ONE_STEP
        case _:
            weight = sum(size.weight for size in sizes)
            return _Bound(_capped(weight), max((s.count for s in sizes), default=0))


def _work(name: str, sizes: list[_Bound]) -> int:
    weight = sum(size.weight for size in sizes)
    if name == "matches":
        return _REGEX + sizes[0].weight * sizes[-1].weight
    if name in TEXT_METHODS or name == "timestamp":
        return _METHOD + weight + _called(name, sizes).weight
    return weight


def _capped(steps: int) -> int:
    return min(steps, TOO_MUCH)
