"""The body of a webhook as a value: strict JSON, a form, or raw text and bytes.

What cannot be read without guessing is refused, because a condition over a payload is only worth
as much as the agreement on what the payload says (decision 0018). Nothing here raises anything but
`BodyError`, whatever the bytes are.
"""

import base64
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

from reconciler.core.base.json_tokens import TOKENS_LIMIT, has_more_tokens
from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.form import parse_form
from reconciler.core.webhooks.media_type import BYTES, FORM, JSON, TEXT, media_type

JSONValue: TypeAlias = "bool | int | float | str | list[JSONValue] | dict[str, JSONValue] | None"
_Container: TypeAlias = "list[JSONValue] | dict[str, JSONValue]"
PayloadKind = Literal["json", "form", "raw", "empty"]

MAX_DEPTH = 64
"""Nesting of arrays and objects that is read: `[]` is 1."""
MAX_INTEGER_LENGTH = 310
"""Characters of a whole number; none that fits a double is longer."""
MAX_ITEMS = 2_000_000
"""Arrays, objects and their members, counted by `[`, `{` and `,` wherever they stand.

The bound on the time that a body of 25MiB takes: a body of 1MiB cannot reach it.
"""

_BOM = b"\xef\xbb\xbf"
_UNSTORABLE_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A body that was understood. Raw text is `{"raw": text}`, bytes are `{"rawBase64": text}`."""

    payload: JSONValue
    kind: PayloadKind
    replaced: bool = False
    """Characters that no database stores as text were replaced by U+FFFD."""


def parse_body(content_type: str | None, body: bytes) -> Parsed:
    """The value that `body` says under `Content-Type`; without one a body like JSON is JSON.

    Raises `BodyError`: 415 for a type or charset that is not read, 400 for a malformed body.
    """
    media = media_type(content_type)
    if not body and media != JSON:
        return Parsed(None, "empty")
    match media or _guess(body):
        case "application/json":
            return _json(_text(body), "json")
        case "application/x-www-form-urlencoded":
            return _form(_text(body))
        case "application/octet-stream":
            return Parsed({"rawBase64": base64.b64encode(body).decode("ascii")}, "raw")
        case _:
            return _plain(content_type, _text(body))


def _plain(content_type: str | None, text: str) -> Parsed:
    """Text; Amazon SNS and a few others send their JSON under `text/plain`."""
    name = (content_type or "").partition(";")[0].strip().lower()
    if name == TEXT and _looks_like_json(text):
        try:
            return _json(text, "json")
        except BodyError as error:
            if error.reason != "json-invalid":
                raise
    return _cleaned({"raw": text}, "raw")


def parse_json(body: bytes) -> JSONValue:
    """Strict JSON (RFC 8259): UTF-8 without a mark, no NaN, depth 64; of equal keys the last.

    At most `TOKENS_LIMIT` texts, openings and commas: a parser lets nobody else go on. Raises
    `BodyError` 400.
    """
    if has_more_tokens(body):
        raise BodyError(
            "json-too-many",
            f"the JSON has more than {TOKENS_LIMIT:,} texts, openings and commas; send fewer",
        )
    return _json(_text(body), "json").payload


def _guess(body: bytes) -> str:
    if body.lstrip()[:1] in (b"{", b"["):
        return JSON
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return BYTES
    return TEXT


def _text(body: bytes) -> str:
    if body.startswith(_BOM):
        raise BodyError("body-bom", "the body starts with a byte order mark; send plain UTF-8")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BodyError(
            "body-not-utf8", f"the body is not UTF-8 at byte {error.start}; send it as UTF-8"
        ) from None


def _form(text: str) -> Parsed:
    if _looks_like_json(text):
        # What `curl -d '{…}'` sends: a form in name only, whose one field would be the whole text.
        raise BodyError(
            "form-invalid", f"a JSON body under {FORM}; send Content-Type: {JSON} with it"
        )
    fields = parse_form(text)
    inner = fields.get("payload", "") if len(fields) == 1 else ""
    if _looks_like_json(inner):
        # GitHub's form content type and Slack's interactions: JSON in the one field `payload`.
        return _json(inner, "form")
    return _cleaned(dict(fields), "form")


def _looks_like_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def _json(text: str, kind: PayloadKind) -> Parsed:
    value = _load(text)
    # Strict UTF-8 and strict strings leave escapes as the only way for such characters to get in.
    return _cleaned(value, kind) if _UNSTORABLE_ESCAPE.search(text) else Parsed(value, kind)


def _load(text: str) -> JSONValue:
    if len(text) > MAX_ITEMS and sum(text.count(mark) for mark in "[{,") > MAX_ITEMS:
        raise BodyError("json-too-many", f"the JSON has more than {MAX_ITEMS:,} items; send fewer")
    try:
        value: JSONValue = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        hint = "" if text else "; leave Content-Type out to send no body"
        where = f"line {error.lineno} column {error.colno}"
        raise BodyError(
            "json-invalid", f"the body is not JSON: {error.msg} at {where}{hint}"
        ) from None
    except RecursionError:
        _refuse_depth()
    # Levels are only walked when there are brackets enough to be too deep.
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper_than(MAX_DEPTH, value):
        _refuse_depth()
    return value


def _refuse_depth() -> NoReturn:
    raise BodyError("json-too-deep", f"the JSON nests deeper than {MAX_DEPTH} levels")


def _refuse_constant(name: str) -> NoReturn:
    raise BodyError("json-invalid", f"{name} is not JSON; send null or a text")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise BodyError("json-number-too-large", "a number is too large for a double; send a text")
    return value


def _integer(text: str) -> int:
    # The interpreter's own limit on digits can be switched off, and int() is quadratic beyond it.
    if len(text) > MAX_INTEGER_LENGTH:
        raise BodyError("json-number-too-large", "a number is too large for a double; send a text")
    if len(text) > 300:
        _finite(text)
    return int(text)


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer
)


def _deeper_than(limit: int, value: JSONValue) -> bool:
    level = _containers([value])
    for _ in range(limit):
        level = [child for node in level for child in _containers(_members(node))]
        if not level:
            return False
    return True


def _members(node: _Container) -> Iterable[JSONValue]:
    return node.values() if isinstance(node, dict) else node


def _containers(values: Iterable[JSONValue]) -> list[_Container]:
    return [value for value in values if isinstance(value, list | dict)]


def _cleaned(value: JSONValue, kind: PayloadKind) -> Parsed:
    cleaned = _clean(value)
    return Parsed(cleaned, kind, replaced=cleaned != value)


def _clean(value: JSONValue) -> JSONValue:
    match value:
        case str():
            return _UNSTORABLE.sub(_REPLACEMENT, value)
        case list():
            return [_clean(item) for item in value]
        case dict():
            return {_UNSTORABLE.sub(_REPLACEMENT, k): _clean(v) for k, v in value.items()}
        case _:
            return value
