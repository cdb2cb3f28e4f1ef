"""One run's request, repeated under its idempotency key until an answer says what became of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from reconciler.dispatch.base import Ended, TargetDown, Transient
from reconciler.dispatch.http.answer import Accepted, Begun, Refused, Verdict

LONGEST_WAIT = 60.0
"""Seconds between two repeats, whatever the agent asks for."""


class Conversation:
    """`first` is the answer to the first request; `last` the one that counts, None before it.

    Once work may have begun only the agent's own word ends the run: whatever else a repeat is
    answered (refused, full, nothing) is a `note`.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[Verdict]], wait: float, notify: Callable[[], None]
    ) -> None:
        """`ask` makes the request; `wait` are the seconds before the first repeat, then doubled.

        `notify` is called when `last` is known. Call from within the running event loop.
        """
        self.last: Accepted | Ended | None = None
        self.note = ""
        self._ask = ask
        self._wait = wait
        self._notify = notify
        self._first: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._last_request = False
        self._task = asyncio.create_task(self._talk())

    async def first(self, within: float | None) -> Verdict | None:
        """Return the first answer; None where it takes longer than so many seconds."""
        answered: set[asyncio.Future[Any]] = {self._first, self._task}
        await asyncio.wait(answered, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        if self._first.done():
            return self._first.result()
        if self._task.done():
            self._task.result()  # raises what kept it from asking
        return None

    def cease(self) -> None:
        """Make no further request: one that comes after a cancellation would start the work anew.

        One that is open stays open: its answer may still be the proof of the end.
        """
        self._last_request = True

    async def close(self) -> None:
        """Close the open request, if any."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _talk(self) -> None:
        verdict = await self._ask()
        self._first.set_result(verdict)
        wait = self._wait
        while not self._decided(verdict) and not self._last_request:
            asked = getattr(verdict, "retry_after", None) or 0.0
            await asyncio.sleep(min(max(wait, asked), LONGEST_WAIT))
            wait *= 2
            if not self._last_request:
                verdict = await self._ask()

    def _decided(self, verdict: Verdict) -> bool:
        match verdict:
            case Accepted() | Ended():
                self.last = verdict
                self._notify()
                return True
            case Begun(message, again):
                self.note = message
                return not again
            case Refused(message) | Transient(message) | TargetDown(message):
                self.note = f"asked again for the answer that was lost: {message}"
                return False
