"""Texts of an `http` runtime, filled in (docs/runtimes.md#other-apis).

What is put in can change nothing but itself: it is escaped as JSON within a body and
percent-encoded within an address. All of it may come from whoever sent a webhook.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.cel.scope import ANSWER_VARIABLES
from reconciler.core.manifest.http_api import MAX_TEXT
from reconciler.core.manifest.template import Template, parse_template

Json = Any
Values = Mapping[str, Json]
"""What each expression gave, by its text."""
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def template(text: str) -> Template:
    """Return the text taken apart. Raises ExpressionError."""
    return parse_template(text, ANSWER_VARIABLES, MAX_TEXT)


def expressions_in(value: Json) -> Iterator[str]:
    """The expressions of every text in a body, an address or a header."""
    match value:
        case str():
            yield from (expression.text for expression in template(value).expressions)
        case dict():
            for item in value.values():
                yield from expressions_in(item)
        case list():
            for item in value:
                yield from expressions_in(item)


def address(text: str, values: Values) -> str:
    """Return the URL. Raises ValueError where a value has no place in one: null, nothing, a list.

    A value without characters would make another address of what is left.
    """
    return "".join(
        part if isinstance(part, str) else _encoded(part.text, values[part.text])
        for part in template(text).parts
    )


def body(written: Json, values: Values) -> str:
    """Return the body as JSON text. Raises ValueError where it would not be JSON.

    A text is JSON itself: within its quotes a value stands as text, outside as JSON.
    """
    if not isinstance(written, str):
        return json.dumps(_filled(written, values), ensure_ascii=False, allow_nan=False)
    quoted, text = False, ""
    for part in template(written).parts:
        if isinstance(part, str):
            text, quoted = text + part, _ends_quoted(part, quoted)
        elif quoted:
            text += _dumped(shown(values[part.text]))[1:-1]
        else:
            text += _dumped(values[part.text])
    json.loads(text)
    return text


def header(text: str, values: Values) -> str:
    """Return the value of a header; whether it can be sent is for whoever sends it to say."""
    return "".join(
        part if isinstance(part, str) else shown(values[part.text]) for part in template(text).parts
    )


def shown(value: Json) -> str:
    """Return a value as text: texts as they are, null as nothing, all else as JSON."""
    match value:
        case str():
            return value
        case None:
            return ""
        case _:
            return _dumped(value)


def _filled(value: Json, values: Values) -> Json:
    match value:
        case str():
            return _text(template(value), values)
        case dict():
            return {name: _filled(item, values) for name, item in value.items()}
        case list():
            return [_filled(item, values) for item in value]
        case _:
            return value


def _text(parsed: Template, values: Values) -> Json:
    """A text that is one placeholder is the value itself: a number stays one."""
    parts = parsed.parts
    if len(parts) == 1 and not isinstance(parts[0], str):
        return values[parts[0].text]
    return "".join(part if isinstance(part, str) else shown(values[part.text]) for part in parts)


def _encoded(expression: str, value: Json) -> str:
    text = shown(value) if isinstance(value, str | int | float) else ""
    if not text:
        what = "is no text or number" if isinstance(value, list | dict) else "is empty"
        raise ValueError(f"{{{{ {expression.strip()} }}}} {what}: it cannot stand in an address")
    raw = text.encode("utf-8", "replace")
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in raw)


def _dumped(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _ends_quoted(text: str, quoted: bool) -> bool:
    """Whether JSON text that began within quotes, or not, ends within some."""
    escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\" and quoted:
            escaped = True
        elif character == '"':
            quoted = not quoted
    return quoted
