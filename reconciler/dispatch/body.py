"""The body of an agent's answer, read no further than whoever reads it can afford.

Bytes alone do not say what an answer costs: two megabytes of `[],[],[]` keep the event loop for
seconds once they become values, and a byte a chunk is work without end.
"""

import re

import httpx

ANSWER_LIMIT = 1024 * 1024
"""Bytes of an answer that are read, unless a call says otherwise."""
TOKENS_LIMIT = 500_000
"""Texts, openings and commas of an answer in JSON: about twice its values."""
_CHUNKS = 20_000
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{,]', re.DOTALL)
"""The closing quote may be missing: otherwise each quote of a cut text would be tried anew."""


class TooMuch(Exception):
    """There is more of an answer than is read."""


async def read_body(
    answer: httpx.Response, limit: int = ANSWER_LIMIT, tokens: int = TOKENS_LIMIT
) -> bytes:
    """Read the whole body as it came, packed or not. Raises TooMuch, and what httpx raises."""
    body = bytearray()
    chunks = 0
    async for chunk in answer.aiter_raw():
        body += chunk
        chunks += 1
        if len(body) > limit:
            raise TooMuch(f"more than {limit} bytes")
        if chunks > _CHUNKS:
            raise TooMuch(f"in more than {_CHUNKS} chunks")
    if _has_more_tokens(body, tokens):
        raise TooMuch("more values than are read at once")
    return bytes(body)


def _has_more_tokens(body: bytearray, limit: int) -> bool:
    """Counted only where there may be so many, and no further."""
    if len(body) <= limit:
        return False
    return any(count > limit for count, _ in enumerate(_TOKEN.finditer(body), 1))
