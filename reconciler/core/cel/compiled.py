"""Compile an expression once, with every check that needs no values; evaluate it over values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from reconciler.core.cel import library
from reconciler.core.cel.cost import estimate
from reconciler.core.cel.errors import EvaluationError, ExpressionError
from reconciler.core.cel.methods import IMPLEMENTATIONS
from reconciler.core.cel.names import unknown_names
from reconciler.core.cel.optional import ENDS, misused
from reconciler.core.cel.reads import Path, dead_end, paths, plain_path, prune
from reconciler.core.cel.syntax import parse
from reconciler.core.cel.translate import calls, translated
from reconciler.core.cel.tree import Macro, Node, children
from reconciler.core.cel.weight import TooHeavy, weigh

Json = Any
MAX_LENGTH = 2000
"""Characters of one expression."""
MAX_MACRO_DEPTH = 3
"""Macros (`map`, `filter`, `all`, …) inside each other."""
QUICK_COST = 2_000
"""Steps (about 0.2 ms) that may be spent where others wait."""
MAX_COST = 50_000_000
"""Steps (about 5 s) beyond which an evaluation is not even started."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression. `reads`: the paths through which it reads its variables."""

    text: str
    translation: str = field(repr=False, compare=False)
    """What the library is given in place of the text."""
    tree: Node = field(repr=False, compare=False)
    reads: frozenset[Path] = field(repr=False, compare=False)
    methods: frozenset[str] = field(repr=False, compare=False)
    path: Path | None = field(default=None, repr=False, compare=False)
    """The path that the whole expression is: `reads.look_up` gives its value at no cost."""

    def needed(self, variables: Mapping[str, Json]) -> dict[str, Json]:
        """The part of the variables that the expression can read; nothing else is handed over."""
        return prune(variables, self.reads)


def problems_of(text: str, *, variables: frozenset[str]) -> tuple[ExpressionError, ...]:
    """Everything wrong with an expression, in the order of the text; empty where it compiles.

    A text that cannot be read gives one error; otherwise each unknown name gives one.
    """
    try:
        tree = _readable_tree(text)
        wrong = [*unknown_names(tree, variables), *misused(tree)]
        if not wrong:
            _compile(tree, text)
        return tuple(sorted(wrong, key=lambda error: error.offset))
    except ExpressionError as error:
        return (error,)


@lru_cache(maxsize=4096)
def compile_expression(text: str, *, variables: frozenset[str]) -> Expression:
    """The checked expression, or the first ExpressionError of `problems_of`.

    `variables` is one of the sets in `scope.py`.
    """
    for problem in problems_of(text, variables=variables):
        raise problem
    tree = parse(text)
    translation = translated(tree, text)
    names = {*calls(tree)}
    methods = IMPLEMENTATIONS.keys() & (names | {f"_{name}" for name in names})
    return Expression(text, translation, tree, paths(tree), frozenset(methods), plain_path(tree))


def _compile(tree: Node, text: str) -> None:
    """Let the library read the text, for its positions, and what it is given in its place."""
    optional = any(name in ENDS for name in calls(tree))
    for each in [translated(tree, text)] if optional else [text, translated(tree, text)]:
        library.program(each)


def _readable_tree(text: str) -> Node:
    if len(text) > MAX_LENGTH:
        message = f"an expression has at most {MAX_LENGTH} characters, found {len(text)}"
        raise ExpressionError(message, MAX_LENGTH, "expression-too-complex")
    tree = parse(text)
    if _macro_depth(tree) > MAX_MACRO_DEPTH:
        message = f"more than {MAX_MACRO_DEPTH} macros (map, filter, all, …) inside each other"
        raise ExpressionError(message, tree.offset, "expression-too-complex")
    return tree


def _macro_depth(node: Node) -> int:
    if isinstance(node, Macro):
        inside = 1 + max(_macro_depth(body) for body in node.bodies)
        return max(_macro_depth(node.operand), inside)
    return max((_macro_depth(child) for child in children(node)), default=0)


def evaluate(expression: Expression, variables: Mapping[str, Json]) -> Any:
    """The value as Python, or EvaluationError; any failure of the library is one.

    Takes as long as it takes and holds the GIL meanwhile: see `is_quick`.
    """
    needed = expression.needed(variables)
    weigh(needed)
    return execute(expression, needed)


def execute(expression: Expression, needed: Mapping[str, Json]) -> Any:
    """As `evaluate`, over values that were weighed and pruned before.

    Never call it with others: the library does not survive values nested thousands deep.
    """
    try:
        return library.execute(expression.translation, needed, expression.methods)
    except library.WrongTypes:
        if why := dead_end(expression.reads, needed):
            raise EvaluationError(why) from None
        raise


def is_quick(expression: Expression, needed: Mapping[str, Json]) -> bool:
    """Whether evaluating over these values provably takes at most `QUICK_COST` steps.

    Deciding it is as bounded as the evaluation.
    """
    try:
        return estimate(expression.tree, needed, QUICK_COST) <= QUICK_COST
    except TooHeavy:
        return False


def require_affordable(expression: Expression, needed: Mapping[str, Json]) -> None:
    """EvaluationError where the values are too large, or the work hopeless."""
    steps = estimate(expression.tree, needed)
    if steps > MAX_COST:
        raise EvaluationError(
            "it could take far too long over an event of this size; "
            "nest fewer macros (map, filter, all, …), or go through a smaller part of the payload"
        )
