"""Words and signs of other languages, and what CEL has in their place."""

from reconciler.core.cel.tokens import Token

OPERATORS = {"and": "&&", "or": "||", "not": "!", "eq": "==", "ne": "!=", "is": "=="}
"""Operators that are words elsewhere."""
NAMES = {
    "True": "CEL writes 'true'",
    "False": "CEL writes 'false'",
    "TRUE": "CEL writes 'true'",
    "FALSE": "CEL writes 'false'",
    "None": "CEL writes 'null'",
    "NULL": "CEL writes 'null'",
    "nil": "CEL writes 'null'",
    "undefined": "ask for a missing field with has(payload.field)",
    "body": "the body is 'payload'",
    "event": "the body is 'payload', its headers are 'headers'",
    "request": "the body is 'payload', its headers are 'headers'",
    "github": "the body of the event is 'payload'",
    "data": "the body is 'payload'",
    "header": "the headers are 'headers'",
}
"""Variables that people expect, and the sentence that helps them."""


def foreign_hint(before: Token | None, here: Token, after: Token | None) -> str | None:
    """What to write in place of a token that is no CEL where it stands; None where unknown.

    `before` and `after` are its neighbours.
    """
    word = here.text
    if word == "not" and after is not None and after.text == "in":
        return "CEL has no 'not in'; write !(a in b)"
    if word in OPERATORS:
        return operator_hint(word)
    if before is not None and before.text == "not":
        return operator_hint("not")
    if word == "?" or (word in (".", "[") and before is not None and before.text == "?"):
        return "CEL has no '??' and no '?.'; write payload.?field.orValue(\"…\")"
    return None


def operator_hint(word: str) -> str:
    """The sentence about one of `OPERATORS`."""
    return f"'{word}' is not an operator of CEL; write '{OPERATORS[word]}'"
