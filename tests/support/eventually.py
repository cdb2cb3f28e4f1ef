"""Waiting for the state of the world, with a deadline instead of a sleep."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.01


def eventually(look: Callable[[], T], within: float = 20.0) -> T:
    """Look until the answer is truthy and return it; fail with the last answer after `within` s."""
    end = time.monotonic() + within
    while not (found := look()):
        if time.monotonic() >= end:
            raise AssertionError(f"not within {within:g} s; last seen: {found!r}")
        time.sleep(PAUSE)
    return found


async def eventually_async(look: Callable[[], Awaitable[T]], within: float = 20.0) -> T:
    """The same for a look that awaits."""
    end = time.monotonic() + within
    while not (found := await look()):
        if time.monotonic() >= end:
            raise AssertionError(f"not within {within:g} s; last seen: {found!r}")
        await asyncio.sleep(PAUSE)
    return found
