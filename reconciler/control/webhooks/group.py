"""Group commit: concurrent deliveries share one durable transaction; a poisoned one fails alone.

While one transaction is being written, what arrives meanwhile waits together and is written by the
next one. Nobody waits for a timer: a single delivery is committed at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Full(Exception):
    """More waits than the buffer holds: answer 503, never accept unverified or unwritten."""


class OutcomeUnknown(Exception):
    """A group may be written or not: raised by `write`, it fails all of them, tried no more."""


@dataclass(slots=True)
class GroupWriter(Generic[T, R]):
    """Writes items in groups. `write` commits all of a group or raises and commits none."""

    write: Callable[[Sequence[T]], Awaitable[Sequence[R]]]
    most: int = 256
    capacity: int = 2048
    _waiting: list[tuple[T, asyncio.Future[R]]] = field(default_factory=list)
    _writing: asyncio.Task[None] | None = None

    async def submit(self, item: T) -> R:
        """Write one item; returns when it is durable. Raises `Full`, or what writing it raised."""
        if len(self._waiting) >= self.capacity:
            raise Full
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._drain())
        return await done

    @property
    def depth(self) -> int:
        """How many items wait."""
        return len(self._waiting)

    async def close(self) -> None:
        """Wait until everything that was submitted is written."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self.most], self._waiting[self.most :]
                await self._write_group(group)
        finally:
            self._writing = None

    async def _write_group(self, group: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self.write([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - given to whoever waits for it
            if len(group) == 1 or isinstance(error, OutcomeUnknown):
                for _, done in group:
                    _fail(done, error)
                return
            for item in group:
                await self._write_group([item])
            return
        for (_, done), result in zip(group, results, strict=True):
            if not done.done():
                done.set_result(result)


def _fail(done: asyncio.Future[R], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
