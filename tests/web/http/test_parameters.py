"""Bodies are understood without keeping the event loop from everybody else."""

import asyncio
import threading
from typing import Self

import pytest
from pydantic import model_validator
from starlette.requests import Request
from starlette.types import Message

from reconciler.web.http.operation import Wire
from reconciler.web.http.parameters import LARGE, read_body


@pytest.mark.parametrize("size", [LARGE, 768 * 1024])
def test_a_large_body_keeps_nobody_waiting(size: int) -> None:
    """It is validated only once the event loop has had a turn meanwhile."""
    turned = threading.Event()
    body = b'{"payload": [' + b"0," * (size // 2) + b"0]}"

    async def understood() -> int:
        loop = asyncio.get_running_loop()

        class Waits(Wire):
            payload: list[int]

            @model_validator(mode="after")
            def wait(self) -> Self:
                loop.call_soon_threadsafe(turned.set)
                assert turned.wait(60), "the event loop stands still"
                return self

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        headers = [(b"content-type", b"application/json")]
        request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
        return len((await read_body(request, Waits, limit=2 * len(body))).payload)

    assert asyncio.run(understood()) == size // 2 + 1
