"""The body of a webhook request: read once, within a limit of bytes and of time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from reconciler.control.webhooks.inbound import Answer, RequestRefused, problem


@dataclass(slots=True)
class Body:
    """`chunks` as they come. What was read is kept, so that it can be asked for again.

    `deadline` is in seconds from the first byte asked for, over all readings.
    """

    chunks: AsyncIterator[bytes]
    deadline: float
    _read: bytearray = field(default_factory=bytearray)
    _until: float | None = None
    _whole: bool = False

    @property
    def size(self) -> int:
        """Bytes that came so far."""
        return len(self._read)

    async def read(self, limit: int) -> bytes:
        """All of it. Raises `RequestRefused`: 413 beyond `limit` bytes, 408 when it is slow."""
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self.deadline
        try:
            async with asyncio.timeout_at(self._until):
                while not self._whole and len(self._read) <= limit:
                    await self._next()
        except TimeoutError:
            # The rest will not come any more: what is read next would look like a whole body.
            slow = problem(408, "body-too-slow", "the body did not arrive in time")
            raise RequestRefused(slow, final=True) from None
        if len(self._read) > limit:
            raise RequestRefused(too_large(limit))
        return bytes(self._read)

    async def _next(self) -> None:
        async for chunk in self.chunks:
            self._read += chunk
            return
        self._whole = True


def too_large(limit: int) -> Answer:
    """The refusal of a body that is, or says that it is, larger than `limit` bytes."""
    return problem(413, "body-too-large", f"the body may have at most {limit} bytes")
