"""From the text of a CEL expression to its tree, with messages that authors understand."""

from reconciler.core.cel.errors import ExpressionError
from reconciler.core.cel.foreign import foreign_hint
from reconciler.core.cel.tokens import Token, TokenKind, plain_text, tokens
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
)

MAX_NESTING = 32
"""Expressions within brackets, arguments and `?:` of each other."""
MAX_DEPTH = 64
"""Levels of the tree, selections included: what walks over it may recurse."""

MACROS: dict[str, frozenset[int]] = {
    "all": frozenset({2}),
    "exists": frozenset({2}),
    "exists_one": frozenset({2}),
    "existsOne": frozenset({2}),
    "filter": frozenset({2}),
    "map": frozenset({2, 3}),
}
"""The comprehensions and how many arguments each takes, the variable included."""

_LEVELS = ("||", "&&", "== != < <= > >= in", "+ -", "* / %")
_LEVEL_OF = {sign: level for level, signs in enumerate(_LEVELS) for sign in signs.split()}
_LOOSER_THAN_ALL = -1
_LITERAL_NAMES = frozenset({"true", "false", "null"})
_LITERAL_KINDS = frozenset({TokenKind.STRING, TokenKind.BYTES, TokenKind.INT, TokenKind.FLOAT})
_RESERVED = frozenset(
    {
        *("as", "break", "const", "continue", "else", "for", "function", "if", "import", "let"),
        *("loop", "namespace", "package", "return", "var", "void", "while"),
    }
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def parse(text: str) -> Node:
    """The tree of an expression; ExpressionError says what is wrong and where."""
    return _Parser(text).whole()


class _Parser:
    """Recursive descent with precedence climbing over a list of tokens."""

    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._at = 0
        self._nesting = 0

    def whole(self) -> Node:
        if self._at_end():
            raise ExpressionError("the expression is empty", self._here.offset)
        node = self._expression()
        if not self._at_end():
            raise self._unexpected("an operator or the end")
        return node

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    @property
    def _before(self) -> Token | None:
        return self._tokens[self._at - 1] if self._at else None

    @property
    def _after(self) -> Token | None:
        return self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else None

    def _at_end(self) -> bool:
        return self._here.kind is TokenKind.END

    def _next(self) -> Token:
        token = self._here
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _is(self, *signs: str) -> bool:
        return self._here.text in signs

    def _expect(self, sign: str) -> None:
        if not self._is(sign):
            raise self._unexpected(f"'{sign}'")
        self._next()

    def _unexpected(self, wanted: str) -> ExpressionError:
        here = self._here
        if hint := foreign_hint(self._before, here, self._after):
            raise ExpressionError(hint, here.offset)
        actual = "the end" if self._at_end() else f"'{here.text[:40]}'"
        return ExpressionError(f"expected {wanted}, found {actual}", here.offset)

    def _depth(self, offset: int, *children: Node) -> int:
        depth = 1 + max((child.depth for child in children), default=0)
        if depth > MAX_DEPTH:
            raise ExpressionError(
                f"the expression is nested more than {MAX_DEPTH} levels deep; split it up",
                offset,
                "expression-too-complex",
            )
        return depth

    def _expression(self) -> Node:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise ExpressionError(
                f"more than {MAX_NESTING} expressions stand inside each other; split it up",
                self._here.offset,
                "expression-too-complex",
            )
        node = self._binary()
        if self._is("?"):
            node = self._conditional(node)
        self._nesting -= 1
        return node

    def _conditional(self, condition: Node) -> Node:
        offset = self._next().offset
        first = self._binary()
        self._expect(":")
        second = self._expression()
        return self._operation(offset, "?:", (condition, first, second))

    def _operation(self, offset: int, operator: str, operands: tuple[Node, ...]) -> Node:
        return Operation(offset, self._depth(offset, *operands), operator, operands)

    def _binary(self, loosest: int = 0) -> Node:
        node = self._unary()
        while (level := _LEVEL_OF.get(self._here.text, _LOOSER_THAN_ALL)) >= loosest:
            token = self._next()
            operands = [node, self._binary(level + 1)]
            while self._is(token.text):
                self._next()
                operands.append(self._binary(level + 1))
            node = self._operation(token.offset, token.text, tuple(operands))
        return node

    def _unary(self) -> Node:
        for sign in ("!", "-"):
            if self._is(sign):
                offset, signs = self._here.offset, ""
                while self._is(sign):
                    signs += self._next().text
                return self._operation(offset, signs, (self._member(),))
        return self._member()

    def _member(self) -> Node:
        node = self._primary()
        while self._is(".", "[", "{"):
            token = self._next()
            match token.text:
                case ".":
                    node = self._after_dot(node)
                case "[":
                    optional = self._optional()
                    key = self._expression()
                    self._expect("]")
                    depth = self._depth(token.offset, node, key)
                    node = Index(token.offset, depth, node, key, optional)
                case _:
                    raise ExpressionError("messages cannot be built here", token.offset)
        return node

    def _optional(self) -> bool:
        """Whether `?` stands here, which makes the selection before it an optional one."""
        optional = self._is("?")
        if optional:
            self._next()
        return optional

    def _after_dot(self, operand: Node) -> Node:
        optional = self._optional()
        token = self._here
        if token.kind is not TokenKind.NAME or token.text in _LITERAL_NAMES or token.text == "in":
            hint = 'a name; other keys are written in brackets, payload["a-b"]'
            raise self._unexpected(hint)
        self._next()
        if optional or not self._is("("):
            depth = self._depth(token.offset, operand)
            return Select(token.offset, depth, operand, token.text, optional)
        if token.text in MACROS:
            return self._macro(token, operand)
        arguments = self._arguments()
        depth = self._depth(token.offset, operand, *arguments)
        return Call(token.offset, depth, token.text, operand, arguments)

    def _macro(self, token: Token, operand: Node) -> Node:
        arguments = self._arguments()
        if len(arguments) not in MACROS[token.text]:
            raise ExpressionError(_macro_form(token.text), token.offset)
        variable = arguments[0]
        if not isinstance(variable, Name):
            message = f"the first argument of '{token.text}' is a new name for each element"
            raise ExpressionError(f"{message}; {_macro_form(token.text)}", variable.offset)
        bodies = arguments[1:]
        depth = self._depth(token.offset, operand, *bodies)
        return Macro(token.offset, depth, token.text, operand, variable.name, bodies)

    def _arguments(self) -> tuple[Node, ...]:
        self._expect("(")
        return self._items(")", trailing_comma=False)

    def _items(self, closing: str, *, trailing_comma: bool) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._is(closing):
            items.append(self._expression())
            if not self._is(","):
                break
            self._next()
            if not trailing_comma and self._is(closing):
                raise self._unexpected("an expression")
        self._expect(closing)
        return tuple(items)

    def _primary(self) -> Node:
        token = self._here
        if token.kind in _LITERAL_KINDS or token.text in _LITERAL_NAMES:
            self._next()
            text = plain_text(token) if token.kind is TokenKind.STRING else None
            return Literal(token.offset, 1, token.kind, text, len(token.text))
        if token.kind is TokenKind.NAME and token.text != "in":
            return self._named(token)
        if token.kind is TokenKind.SIGN and token.text in _CLOSING:
            return self._bracketed(token)
        raise self._unexpected("a value")

    def _named(self, token: Token) -> Node:
        self._next()
        if token.text in _RESERVED:
            message = f"'{token.text}' is reserved in CEL and cannot be a variable"
            raise ExpressionError(message, token.offset)
        if not self._is("("):
            return Name(token.offset, 1, token.text)
        arguments = self._arguments()
        depth = self._depth(token.offset, *arguments)
        return Call(token.offset, depth, token.text, None, arguments)

    def _bracketed(self, token: Token) -> Node:
        self._next()
        match token.text:
            case "(":
                node = self._expression()
                self._expect(")")
                return node
            case "[":
                items = self._items("]", trailing_comma=True)
                return ListOf(token.offset, self._depth(token.offset, *items), items)
            case _:
                entries = self._entries()
                return MapOf(token.offset, self._depth(token.offset, *entries), entries)

    def _entries(self) -> tuple[Node, ...]:
        entries: list[Node] = []
        while not self._is("}"):
            entries.append(self._expression())
            self._expect(":")
            entries.append(self._expression())
            if not self._is(","):
                break
            self._next()
        self._expect("}")
        return tuple(entries)


def _macro_form(name: str) -> str:
    if name == "map":
        return "write list.map(x, result) or list.map(x, condition, result)"
    return f"write list.{name}(x, condition)"
