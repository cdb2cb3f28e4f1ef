"""`application/x-www-form-urlencoded` as a mapping, by the URL standard's parser.

Source: https://url.spec.whatwg.org/#urlencoded-parsing. Two rules are stricter: text must be UTF-8
after decoding, and the number of fields is bounded.
"""

import re

from reconciler.core.webhooks.errors import BodyError

MAX_FIELDS = 1000

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def parse_form(text: str) -> dict[str, str]:
    """Names to values; of equal names the last one, as in JSON. Raises `BodyError` 400."""
    if text.count("&") >= MAX_FIELDS:
        raise BodyError("form-invalid", f"the form has more than {MAX_FIELDS} fields")
    pairs = (part.partition("=") for part in text.split("&") if part)
    return {_decode(name): _decode(value) for name, _, value in pairs}


def _decode(text: str) -> str:
    raw = text.replace("+", " ").encode("utf-8")
    try:
        return _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode("ascii")), raw).decode()
    except UnicodeDecodeError:
        raise BodyError(
            "form-invalid", "the form is not UTF-8 after percent-decoding; send it as UTF-8"
        ) from None
