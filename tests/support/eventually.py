"""Waiting for the state of the world, with a deadline instead of a sleep."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 45.0
"""Seconds: what does not come on a busy machine either, and less than any default of polling."""

PAUSE = 0.01
"""Seconds between two looks at least; a look that costs much is given longer pauses."""

SHARE = 3
"""A pause lasts so many times what the look took: waiting leaves the machine to what it awaits."""


def eventually(look: Callable[[], T], within: float = PATIENCE) -> T:
    """Look until the answer is truthy and return it; fail with the last answer after `within` s."""
    begun = time.monotonic()
    end = begun + within
    while not (found := look()):
        now = time.monotonic()
        if now >= end:
            raise AssertionError(f"not within {within:g} s; last seen: {found!r}")
        time.sleep(_pause(now - begun))
        begun = time.monotonic()
    return found


async def eventually_async(look: Callable[[], Awaitable[T]], within: float = PATIENCE) -> T:
    """The same for a look that awaits."""
    begun = time.monotonic()
    end = begun + within
    while not (found := await look()):
        now = time.monotonic()
        if now >= end:
            raise AssertionError(f"not within {within:g} s; last seen: {found!r}")
        await asyncio.sleep(_pause(now - begun))
        begun = time.monotonic()
    return found


def _pause(took: float) -> float:
    """Seconds until the next look, by what the last one took; half a second at most."""
    return min(max(PAUSE, SHARE * took), 0.5)
