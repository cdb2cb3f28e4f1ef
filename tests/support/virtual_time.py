"""An event loop on which waiting costs nothing: with nothing to do, its clock jumps.

For code that waits on timers and in-process peers only. A thread or a socket would be outrun.
"""

import asyncio
import selectors
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


class _Jumping(selectors.DefaultSelector):
    """Never waits for a timer."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events: Sequence[tuple[selectors.SelectorKey, int]] = super().select(
            None if timeout is None else 0
        )
        if not events and timeout:
            self.loop.elapsed += timeout
        return [*events]


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time is `elapsed` seconds."""

    def __init__(self) -> None:
        selector = _Jumping()
        selector.loop = self
        self.elapsed = 0.0
        super().__init__(selector)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.elapsed


class LoopClock:
    """Both clocks of `Clock`, by the time of the running loop."""

    def now(self) -> datetime:
        """The wall clock."""
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """The clock that never jumps."""
        return asyncio.get_running_loop().time()

    def timestamp(self) -> float:
        """The wall clock in seconds since 1970."""
        return self.now().timestamp()


def virtual_backend() -> tuple[str, dict[str, Any]]:
    """What a fixture `anyio_backend` returns."""
    return "asyncio", {"loop_factory": VirtualLoop}
