"""Watching the database: a look for each change, and nothing left open when the server stops."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.control import changes
from reconciler.control.changes import watch_database
from reconciler.core.base.errors import Unavailable
from tests.support.eventually import eventually_async
from tests.support.rig import Rig, agent


@dataclass
class Slow:
    """A database whose watcher takes its time: to be made, or to answer."""

    takes: str
    entered: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    closed: list[str] = field(default_factory=list)

    def watcher(self) -> "Slow":
        """Itself, once it is released."""
        self._at("made")
        return self

    def changed(self) -> bool:
        """Nobody wrote."""
        self._at("asked")
        return False

    def close(self) -> None:
        """Notes whether it was busy still."""
        self.closed.append("idle" if self.released.is_set() else "busy")

    def _at(self, what: str) -> None:
        if what == self.takes:
            self.entered.set()
            assert self.released.wait(60)


def nothing() -> None:
    """Nobody sleeps."""


def watched(database: Any, notify: Callable[[], None]) -> "asyncio.Task[None]":
    """The loop, as a task."""
    return asyncio.create_task(watch_database(database, notify))


@pytest.mark.parametrize("takes", ["made", "asked"])
def test_a_watcher_that_is_busy_when_the_server_stops_is_closed_afterwards(takes: str) -> None:
    slow = Slow(takes)

    async def body() -> None:
        task = watched(slow, nothing)
        assert await asyncio.to_thread(slow.entered.wait, 60)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=0.01)
        assert not done
        slow.released.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(body())
    assert slow.closed == ["idle"]


class Away(Slow):
    """A database that is not there, which takes its time to be found out."""

    def watcher(self) -> "Slow":
        super().watcher()
        raise Unavailable("away")


def test_one_that_fails_when_the_server_stops_hinders_nothing() -> None:
    slow = Away("made")

    async def body() -> None:
        task = watched(slow, nothing)
        assert await asyncio.to_thread(slow.entered.wait, 60)
        task.cancel()
        slow.released.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(body())


def test_a_look_for_a_change(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "INTERVAL", 0.0)
    looks: list[str] = []

    async def written_and_seen() -> bool:
        await asyncio.to_thread(rig.apply, agent(maxConcurrency=rig.revision + 1))
        return bool(looks)

    async def body() -> None:
        task = watched(rig.database, lambda: looks.append("look"))
        await eventually_async(written_and_seen)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(body())
