"""The body of an agent's answer, read no further than whoever reads it can afford.

Bytes alone do not say what an answer costs: neither what becomes of them once they are values, nor
of a byte a chunk, which is work without end.
"""

import httpx

from reconciler.core.base.json_tokens import TOKENS_LIMIT, has_more_tokens

ANSWER_LIMIT = 1024 * 1024
"""Bytes of an answer that are read, unless a call says otherwise."""
_CHUNKS = 20_000


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
    if has_more_tokens(body, tokens):
        raise TooMuch("more values than are read at once")
    return bytes(body)
