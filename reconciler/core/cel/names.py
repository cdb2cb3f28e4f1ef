"""Whether every name in an expression is known, with the near miss for those that are not."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from reconciler.core.cel.errors import ExpressionError
from reconciler.core.cel.foreign import NAMES, OPERATORS, operator_hint
from reconciler.core.cel.scope import PLACES, fields_of
from reconciler.core.cel.syntax import MACROS
from reconciler.core.cel.tree import (
    Call,
    Index,
    Literal,
    Macro,
    Name,
    Node,
    Operation,
    Select,
    children,
)
from reconciler.core.cel.vocabulary import FUNCTIONS, METHODS, TYPES

Bound = frozenset[str]
"""The names that macros around a node bind."""


def unknown_names(tree: Node, variables: frozenset[str]) -> Iterator[ExpressionError]:
    """Each variable, field and function that is not known, in no particular order.

    `variables` are those of this place in a manifest; the fields of our own variables
    (`trigger`, `autopilot`, `run`) are known, and that header names are lower-case.
    """
    yield from _in(tree, variables, frozenset())


def _in(node: Node, variables: frozenset[str], bound: Bound) -> Iterator[ExpressionError]:
    if "headers" not in bound and (name := _dashed_header(node)):
        message = f'a name with dashes is written in brackets: headers["{name}"]'
        yield ExpressionError(message, node.offset, "variable-unknown")
        return
    match node:
        case Name():
            yield from _variable(node, variables, bound)
        case Select(operand=Name(name=name), field=field) if name not in bound:
            yield from _field(node.offset, name, field, variables)
        case Index(operand=Name(name=name), key=Literal(text=str(field))) if name not in bound:
            yield from _field(node.offset, name, field, variables)
        case Call():
            yield from _function(node)
        case _:
            pass
    if isinstance(node, Macro):
        yield from _in(node.operand, variables, bound)
        for body in node.bodies:
            yield from _in(body, variables, bound | {node.variable})
    else:
        for child in children(node):
            yield from _in(child, variables, bound)


def _variable(node: Name, variables: frozenset[str], bound: Bound) -> Iterator[ExpressionError]:
    if node.name in variables or node.name in bound or node.name in TYPES:
        return
    elsewhere = [place for place, known in PLACES.items() if node.name in known]
    if elsewhere:
        places = " and ".join(elsewhere)
        message = f"'{node.name}' is known in {places} only; {_allowed(variables)}"
    elif node.name == "payload" and "run" in variables:
        message = f"unknown variable 'payload': the payload is 'run.payload'; {_allowed(variables)}"
    elif node.name in NAMES:
        message = f"unknown variable '{node.name}': {NAMES[node.name]}"
    else:
        near = _near(node.name, variables | bound)
        message = f"unknown variable '{node.name}'{near or f'; {_allowed(variables)}'}"
    yield ExpressionError(message, node.offset, "variable-unknown")


def _dashed_header(node: Node) -> str | None:
    """The name in `headers.X-GitHub-Event`, which reads as a subtraction."""
    match node:
        case Operation(
            operator="-", operands=(Select(operand=Name(name="headers")) as first, *others)
        ):
            parts = [other.name for other in others if isinstance(other, Name)]
            return "-".join((first.field, *parts)).lower() if len(parts) == len(others) else None
        case _:
            return None


def _field(
    offset: int, name: str, field: str, variables: frozenset[str]
) -> Iterator[ExpressionError]:
    if name == "headers" and field != field.lower():
        message = f'header names are lower-case here: write headers["{field.lower()}"]'
        yield ExpressionError(message, offset, "variable-unknown")
    known = fields_of(variables).get(name)
    if known is not None and field not in known:
        near = _near(field, known)
        message = f"'{name}' has no '{field}'{near or f'; {_allowed(known)}'}"
        yield ExpressionError(message, offset, "variable-unknown")


def _function(node: Call) -> Iterator[ExpressionError]:
    known, other = (FUNCTIONS, METHODS) if node.target is None else (METHODS, FUNCTIONS)
    if node.name not in known:
        yield ExpressionError(_unknown_function(node, known, other), node.offset, _FUNCTION)
    elif len(node.arguments) not in known[node.name]:
        counts = " or ".join(str(count) for count in sorted(known[node.name]))
        count = len(node.arguments)
        message = f"'{node.name}' takes {counts} argument(s) in its brackets, found {count}"
        yield ExpressionError(message, node.offset, _FUNCTION)
    elif node.name == "has" and not isinstance(node.arguments[0], Select):
        message = "'has' asks for a field: has(payload.ref); for other keys: \"a-b\" in payload"
        yield ExpressionError(message, node.offset, _FUNCTION)


_FUNCTION = "function-unknown"


def _unknown_function(node: Call, known: Collection[str], other: Collection[str]) -> str:
    name = node.name
    if name in OPERATORS and node.target is None:
        return operator_hint(name)
    if name in other or (node.target is None and name in MACROS):
        form = f"value.{name}(…)" if node.target is None else f"{name}(value)"
        return f"'{name}' is called as {form}"
    candidates = {*known, *MACROS} if node.target is not None else set(known)
    near = _near(name, candidates)
    return f"unknown function '{name}'{near or f'; {_allowed(candidates)}'}"


def _near(name: str, known: Collection[str]) -> str:
    by_folded = {candidate.lower(): candidate for candidate in sorted(known)}
    matches = get_close_matches(name[:64].lower(), by_folded, n=1, cutoff=0.6)
    return f", did you mean '{by_folded[matches[0]]}'?" if matches else ""


def _allowed(known: Collection[str]) -> str:
    return f"known here: {', '.join(sorted(known))}"
