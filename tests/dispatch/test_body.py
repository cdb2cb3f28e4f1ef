"""Answers are read as far as they can be afforded: by bytes, chunks and values."""

from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.dispatch.body import TooMuch, read_body

pytestmark = pytest.mark.anyio


def answer(*chunks: bytes) -> httpx.Response:
    """An answer that comes in these chunks."""

    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return httpx.Response(200, content=stream())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 9, id="lists in lists"),
        pytest.param(b"[" + b"[]," * 4 + b"[]]", id="empty lists"),
        pytest.param(b"[" + b"1," * 8 + b"1]", id="numbers"),
        pytest.param(b'{"a":1,"b":1,"c":1,"d":1}', id="fields of objects"),
        pytest.param(b'"' + b"x" * 30 + b'"' + b"[" * 8, id="behind a text"),
        pytest.param(b'"\\\\"' + b"[" * 8, id="behind a text that ends in a backslash"),
    ],
)
async def test_an_answer_of_more_values_than_are_read_is_refused(body: bytes) -> None:
    with pytest.raises(TooMuch, match="more values"):
        await read_body(answer(body), tokens=6)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"text": "a, b, [c], {d}, e, f, g"}', id="commas within a text"),
        pytest.param(b'{"text": "\\"a\\", \\"b\\", \\"c\\", \\"d\\""}', id="quotes within a text"),
        pytest.param(b'"' + b'\\"' * 50_000, id="a text without an end"),
        pytest.param(b"\\" * 100, id="no JSON at all"),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_what_a_text_holds_is_no_value(body: bytes) -> None:
    assert await read_body(answer(body), tokens=6) == body


async def test_an_answer_in_tiny_chunks_is_given_up() -> None:
    with pytest.raises(TooMuch, match="chunks"):
        await read_body(answer(*[b" "] * 20_001))


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(0, 100))
@example([b"12", b"3"], 3)
async def test_a_body_is_whole_or_refused(chunks: list[bytes], limit: int) -> None:
    whole = b"".join(chunks)
    try:
        assert await read_body(answer(*chunks), limit) == whole
        assert len(whole) <= limit
    except TooMuch:
        assert len(whole) > limit
