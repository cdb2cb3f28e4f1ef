"""What a text in JSON costs once it becomes values, told before it is parsed.

Bytes alone do not say it: a parser holds everybody up, and two megabytes of `[],[],[]` or of short
names keep it for a second.
"""

import re

TOKENS_LIMIT = 500_000
"""Texts, openings and commas that are parsed at once: about twice the values."""
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{,]', re.DOTALL)
"""The closing quote may be missing: otherwise each quote of a cut text would be tried anew."""


def has_more_tokens(text: bytes | bytearray, limit: int = TOKENS_LIMIT) -> bool:
    """Whether a text has more tokens than that; counted only where it may, and no further."""
    if len(text) <= limit:
        return False
    return any(count > limit for count, _ in enumerate(_TOKEN.finditer(text), 1))
