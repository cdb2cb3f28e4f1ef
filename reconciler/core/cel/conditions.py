"""Expressions that can never be a condition: what is no boolean, whatever the values are."""

from collections.abc import Iterator

from reconciler.core.cel.compiled import problems_of
from reconciler.core.cel.errors import ExpressionError
from reconciler.core.cel.syntax import parse
from reconciler.core.cel.tokens import TokenKind
from reconciler.core.cel.tree import Call, ListOf, Literal, Macro, MapOf, Name, Node, Operation
from reconciler.core.cel.vocabulary import TIME_METHODS

_LITERALS = {
    TokenKind.STRING: "text",
    TokenKind.BYTES: "bytes",
    TokenKind.FLOAT: "a number",
    TokenKind.INT: "a number",
}
_CALLS = {
    **dict.fromkeys(("size", "int", "uint", "double", "indexOf", "lastIndexOf"), "a number"),
    **dict.fromkeys(TIME_METHODS, "a number"),
    **dict.fromkeys(("string", "lowerAscii", "upperAscii", "trim", "charAt", "replace"), "text"),
    **dict.fromkeys(("substring", "join"), "text"),
    "split": "a list",
    "bytes": "bytes",
    "timestamp": "a timestamp",
    "duration": "a duration",
    "type": "a type",
}
_MAPS = frozenset({"headers", "trigger", "autopilot", "run"})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%"})


def condition_problems(text: str, *, variables: frozenset[str]) -> tuple[ExpressionError, ...]:
    """Everything wrong with an expression that has to give true or false; see `problems_of`."""
    problems = problems_of(text, variables=variables)
    return problems or tuple(_unfit(parse(text)))


def _unfit(node: Node) -> Iterator[ExpressionError]:
    """Each part that has to give true or false and cannot."""
    match node:
        case Operation(operator="&&" | "||" | "!" | "!!", operands=operands):
            for operand in operands:
                yield from _unfit(operand)
        case Operation(operator="?:", operands=(_, yes, no)):
            yield from _unfit(yes)
            yield from _unfit(no)
        case _ if kind := _kind(node):
            message = f"this gives {kind}, and a condition gives true or false: compare it"
            yield ExpressionError(message, node.offset, "expression-invalid")


def _kind(node: Node) -> str | None:
    """What a node gives, where that is certain and no boolean."""
    match node:
        case Literal(kind=kind):
            return _LITERALS.get(kind)
        case Call(name=name):
            return _CALLS.get(name)
        case Macro(name="map" | "filter") | ListOf():
            return "a list"
        case MapOf():
            return "a map"
        case Name(name=name) if name in _MAPS:
            return "a map"
        case Operation(operator=operator) if operator in _ARITHMETIC:
            return "a number, a text or a time"
        case _:
            return None
