"""Calls of one process that share a transaction: what waits while another one runs goes together.

A commit costs the same for one write as for fifty, a snapshot for one read as for fifty. Nothing
waits in order to become a group: a call that finds nobody before it begins at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

MOST = 50
"""Calls in one transaction; whoever else waits, waits for all of them."""

Call = Callable[..., Any]
Result = tuple[Any, BaseException | None]
"""What a call returned, and what it raised."""


@dataclass(frozen=True, slots=True)
class Each:
    """A call for one item, carried out with those of its kind: in a group they are one call.

    `of_all` gets the transaction and the items, and gives a result for each in their order.
    `first`: it holds a row that others hold before they come to the rows of the group, and is
    carried out before all that it is in one group with. Else each would wait for the other.
    """

    of_all: Callable[[Any, Sequence[Any]], Sequence[Any]]
    item: Any
    first: bool = False

    def __call__(self, tx: Any) -> Any:
        """Carry it out alone."""
        return self.of_all(tx, [self.item])[0]


def call_all(tx: Any, calls: Sequence[Call]) -> list[Any]:
    """Carry calls out in their order, all `Each` of one kind where the first of them stands.

    Before them those that are to come `first`.
    """
    results: dict[int, Any] = {}
    for index, call in sorted(enumerate(calls), key=_place):
        if index in results:
            continue
        if not isinstance(call, Each):
            results[index] = call(tx)
            continue
        kind = {
            at: other.item
            for at, other in enumerate(calls)
            if isinstance(other, Each) and other.of_all == call.of_all
        }
        results.update(zip(kind, call.of_all(tx, list(kind.values())), strict=True))
    return [results[index] for index in range(len(calls))]


def _place(numbered: tuple[int, Call]) -> tuple[bool, int]:
    index, call = numbered
    return not (isinstance(call, Each) and call.first), index


_Member = tuple[Call, "asyncio.Future[Any]"]


@dataclass(slots=True)
class Group:
    """Calls of one event loop that are carried out together, one group after the other.

    `carry_out` runs in a thread of `pool`, and gives a result for each call in their order.
    """

    carry_out: Callable[[Sequence[Call]], Sequence[Result]]
    pool: Executor
    _waiting: deque[_Member] = field(default_factory=deque)
    _under_way: "asyncio.Task[None] | None" = None

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self._waiting and (self._under_way is None or self._under_way.done())

    async def submit(self, call: Call) -> Any:
        """Return what the call returns, or raise what it raises.

        Whoever is cancelled before its group begins takes its call back; later it is carried out.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while members := self._next():
            calls = [call for call, _ in members]
            try:
                results = await loop.run_in_executor(self.pool, self.carry_out, calls)
            except BaseException as error:
                results = [(None, error)] * len(members)
                if isinstance(error, asyncio.CancelledError):
                    _deliver(members, results)
                    raise
            _deliver(members, results)

    def _next(self) -> list[_Member]:
        members: list[_Member] = []
        while self._waiting and len(members) < MOST:
            member = self._waiting.popleft()
            if not member[1].done():
                members.append(member)
        return members


def _deliver(members: Sequence[_Member], results: Sequence[Result]) -> None:
    for (_, future), (value, error) in zip(members, results, strict=True):
        if future.done():
            continue  # its caller was cancelled meanwhile
        if error is None:
            future.set_result(value)
        elif isinstance(error, asyncio.CancelledError):
            future.cancel()
        else:
            future.set_exception(error)
