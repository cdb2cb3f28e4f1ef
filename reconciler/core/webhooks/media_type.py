"""`Content-Type` and `Content-Encoding` of a webhook: which bodies are read at all."""

import re
from functools import lru_cache

from reconciler.core.webhooks.errors import BodyError

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BYTES = "application/octet-stream"
TEXT = "text/plain"
MAX_LENGTH = 255

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - the `token` of RFC 9110
_MEDIA_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})((?:[ \t]*;[^;]*)*)")
_PARAMETER = re.compile(rf'[ \t]*({_TOKEN})=(?:"([^"\\]*)"|({_TOKEN}))[ \t]*')
_TEXT_TYPES = frozenset({"application/xml", "application/yaml", "application/x-ndjson"})
_PAGES = frozenset(
    {
        "text/html", "application/xhtml+xml", "image/svg+xml", "text/css", "text/javascript",
        "text/event-stream",
    }
)  # fmt: skip
"""What browsers show, run or follow: no sender's event, but the page of a proxy on the way."""


def refuse_encoding(content_encoding: str | None) -> None:
    """Raise `BodyError` 415 unless `Content-Encoding` is absent, empty or `identity`.

    A compressed body would be signed in one form and read in another, and may unpack to anything.
    """
    if content_encoding is None or content_encoding.strip().lower() in ("", "identity"):
        return
    raise BodyError(
        "body-encoding-unsupported",
        "Content-Encoding is not supported; send the body as it is, without compression",
        415,
    )


@lru_cache(maxsize=64)
def media_type(content_type: str | None) -> str | None:
    """JSON, FORM, BYTES or TEXT for a `Content-Type` that is read; None where there is none.

    Any `+json` is JSON; `text/*`, `+xml` and a few others are TEXT, but pages are not. Raises
    `BodyError` 415 for every other type, a malformed header and a charset that is not UTF-8.
    """
    if content_type is None:
        return None
    match = _MEDIA_TYPE.fullmatch(content_type.strip()) if len(content_type) <= MAX_LENGTH else None
    if match is None:
        raise BodyError("body-type-unsupported", "Content-Type is malformed", 415)
    _refuse_charset(match[2])
    return _class_of(match[1].lower())


def _class_of(name: str) -> str:
    if name in (JSON, "text/json") or name.endswith("+json"):
        return JSON
    if name in (FORM, BYTES):
        return name
    is_text = name.startswith("text/") or name in _TEXT_TYPES or name.endswith("+xml")
    if is_text and name not in _PAGES:
        return TEXT
    raise BodyError(
        "body-type-unsupported",
        f"Content-Type {name} is not read; send {JSON} (or any +json), {FORM}, "
        f"{TEXT}, application/xml or {BYTES}",
        415,
    )


def _refuse_charset(parameters: str) -> None:
    for part in parameters.split(";")[1:]:
        parameter = _PARAMETER.fullmatch(part)
        if parameter is None and part.strip():
            raise BodyError("body-type-unsupported", "Content-Type is malformed", 415)
        if parameter is None or parameter[1].lower() != "charset":
            continue
        if (parameter[2] or parameter[3] or "").lower() not in ("utf-8", "utf8"):
            raise BodyError("body-charset-unsupported", "the only charset read is utf-8", 415)
