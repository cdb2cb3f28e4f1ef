"""Optional selections: `payload.?a.?b["c"].orValue(x)`, and what may be said with them.

The library has no such syntax. Here an optional is no value of its own: it ends in `orValue(…)` or
`hasValue()`, with `or(…)` between. So it can be written with `has` and `?:` (see `translate.py`).
"""

from collections.abc import Iterator

from reconciler.core.cel.errors import ExpressionError
from reconciler.core.cel.tokens import TokenKind
from reconciler.core.cel.tree import Call, Index, Literal, Name, Node, Select, children

ENDS = frozenset({"orValue", "hasValue"})
MAX_OPTIONALS = 8
"""Optional selections in one chain: each asks for all that stands before it."""
_USE = "end an optional with .orValue(…) or .hasValue()"


def is_optional(node: Node) -> bool:
    """Whether a node gives an optional: a chain with `.?` or `[?` in it, or one `or` another."""
    match node:
        case Select(operand=operand, optional=optional) | Index(operand=operand, optional=optional):
            return optional or is_optional(operand)
        case Call(name="or", target=Node() as target):
            return is_optional(target)
        case _:
            return False


def alternatives(node: Node) -> tuple[Node, ...]:
    """The chains of an optional, in the order in which they are asked."""
    match node:
        case Call(name="or", target=Node() as target, arguments=(other,)):
            return (*alternatives(target), *alternatives(other))
        case _:
            return (node,)


def chain(node: Node) -> tuple[Node, list[Select | Index]]:
    """What a chain of selections starts from, and its selections in order."""
    links: list[Select | Index] = []
    while isinstance(node, Select | Index):
        links.append(node)
        node = node.operand
    return node, links[::-1]


def misused(tree: Node) -> Iterator[ExpressionError]:
    """Each optional that does not end, or that starts from something else than a variable."""
    match tree:
        case Call(name=name, target=Node() as target, arguments=arguments) if (
            name in ENDS and is_optional(target)
        ):
            chains = alternatives(target)
            if len(chains) > MAX_OPTIONALS:
                message = f"at most {MAX_OPTIONALS} optionals stand in a row; split it up"
                yield ExpressionError(message, tree.offset, "expression-too-complex")
            for each in chains:
                yield from _chain_errors(each)
            below: tuple[Node, ...] = arguments
        case _ if is_optional(tree):
            yield ExpressionError(_USE, tree.offset)
            return
        case _:
            below = children(tree)
    for child in below:
        yield from misused(child)


def _chain_errors(node: Node) -> Iterator[ExpressionError]:
    start, links = chain(node)
    optionals = [link for link in links if link.optional]
    if not optionals:
        yield ExpressionError("'or' takes another optional, payload.?b", node.offset)
    elif not isinstance(start, Name):
        yield ExpressionError("an optional starts from a variable, payload.?a", node.offset)
    elif len(optionals) > MAX_OPTIONALS:
        message = f"at most {MAX_OPTIONALS} optional selections stand in a row; split it up"
        yield ExpressionError(message, node.offset, "expression-too-complex")
    for link in links:
        if isinstance(link, Index) and not _is_plain_key(link.key):
            message = 'in an optional, keys are plain texts or whole numbers, [?"a-b"] or [?0]'
            yield ExpressionError(message, link.offset)


def _is_plain_key(key: Node) -> bool:
    return isinstance(key, Literal) and (key.text is not None or key.kind is TokenKind.INT)
